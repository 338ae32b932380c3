package e2e

import (
	"path/filepath"
	"strings"
	"testing"
)

// scripts is a sweep with a plugin and a training script.
const scripts = `version = 1
name = "scripts"
[axes]
dataset = ["two"]
backbone = ["concat", "table"]
variant = ["erm", "md"]
exclude = [{ backbone = "table", variant = "md" }]
[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }
[data]
split = { scheme = "holdout", by = "patient", fractions = [0.5, 0.25, 0.25] }
groups = ["sex", "pattern"]
shifts = ["do", "flip"]
[metric]
name = "val/auroc"
[search]
method = "random"
trials = 2
seed = 1
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-3, max = 1e-2 }
"backbone.steps" = { distribution = "int_uniform", min = 20, max = 60 }
[replicates]
seeds = [0, 1]
[run]
epochs = 2
batch_size = 64
width = 8
[analysis]
baseline = { variant = "erm" }
`

// A script is searched, trained on the same seeds, tested on the same shifted sets and
// compared like every other backbone; where it cannot answer, that is said.
func TestRun_Script(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 480})
	file := h.write("scripts.toml", scripts)
	if s := h.trained(t, file); s.Done != 3*2+3*2 {
		t.Errorf("got %+v", s)
	}
	counts := map[string]float64{}
	for _, row := range h.sqlRows(`select backbone, test_set, count(distinct unit) from all_predictions where phase = 'replicate' and seed = 0 and variant = 'erm' group by 1, 2`) {
		counts[row[0].(string)+" "+row[1].(string)] = row[2].(float64)
	}
	for _, set := range []string{"id", "do", "flip"} {
		if n := counts["table "+set]; n == 0 || n != counts["concat "+set] {
			t.Errorf("%s: %v", set, counts)
		}
	}
	for _, row := range h.sqlRows(`select value from results where backbone = 'table' and phase = 'replicate' and split = 'test' and metric = 'auroc' and grp = ''`) {
		if v, ok := row[0].(float64); !ok || v < 0.6 {
			t.Errorf("an AUROC of %v: the rows do not go with their predictions", row[0])
		}
	}
	if compared := h.must("compare", "--resamples", "100", "scripts").out; !strings.Contains(compared, "table") {
		t.Errorf("got %s", compared)
	}
	run := itoa(int(h.sqlRows(`select min(run_id) from runs where backbone = 'table' and phase = 'replicate'`)[0][0].(float64)))
	again := decode[struct{ Same bool }](t, h.must("runs", "rerun", "--json", run))
	if !again.Same {
		t.Error("trained again, it gives other bits")
	}
	if shown := h.must("runs", "show", run).out; !strings.Contains(shown, "not available for exec") || !strings.Contains(shown, "after 1 of 1 epochs") {
		t.Errorf("got %s", shown)
	}
	if left, err := filepath.Glob(filepath.Join(h.dir, "tmp", "*")); err != nil || len(left) > 0 {
		t.Errorf("left in the temporary directory: %v %v", left, err)
	}

	// What needs a representation is refused before anything starts.
	whole := h.expect(3, "validate", h.write("whole.toml", strings.Replace(scripts, "exclude", "# exclude", 1)))
	if !strings.Contains(whole.err, "hands out no representation") || !strings.Contains(whole.err, "whole.toml:5:") {
		t.Errorf("got %s", whole.err)
	}
}

// A script that fails does not take other runs with it, and says why.
func TestRun_ScriptFails(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 480})
	text := strings.Replace(scripts, "[search]\nmethod = \"random\"\ntrials = 2\nseed = 1\n", "", 1)
	text = strings.Replace(text, "\"optimizer.lr\" = { distribution = \"log_uniform\", min = 1e-3, max = 1e-2 }\n", "", 1)
	for mode, parts := range map[string][]string{"crash": {"plugin_crash", "status 5", "out of patience"}, "half": {"bad_shape", "rows have no prediction"}} {
		file := h.write(mode+".toml", strings.NewReplacer(
			`"backbone.steps" = { distribution = "int_uniform", min = 20, max = 60 }`, `"backbone.mode" = { value = "`+mode+`" }`,
			`name = "scripts"`, `name = "`+mode+`"`).Replace(text))
		got := decode[status](t, h.expect(6, "run", "--json", file))
		if got.Done != 4 || got.Failed != 2 {
			t.Errorf("%s: got %+v", mode, got)
		}
		for _, row := range h.sqlRows(`select backbone, error_code, error_message from runs where state = 'failed' and sweep = '` + mode + `'`) {
			if message := row[1].(string) + " " + row[2].(string); row[0] != "table" || !contains(message, parts) {
				t.Errorf("%s: got %v", mode, row)
			}
		}
	}

	// Cancelled, a script that hangs is gone at once; see expectNoProcesses.
	hang := h.write("hang.toml", strings.NewReplacer(
		`"backbone.steps" = { distribution = "int_uniform", min = 20, max = 60 }`, `"backbone.mode" = { value = "hang" }`,
		`name = "scripts"`, `name = "hang"`, `["concat", "table"]`, `["table"]`, `["erm", "md"]`, `["erm"]`, `exclude`, `# exclude`).Replace(text))
	p := h.start("run", hang)
	eventually(t, "a script trains", func() bool {
		return h.sqlRows(`select count(*) from runs where sweep = 'hang' and state = 'running'`)[0][0].(float64) > 0
	})
	h.must("sweep", "cancel", "hang")
	p.wait(t)
	for _, row := range h.sqlRows(`select state, error_code, error_message from runs where sweep = 'hang'`) {
		if row[0] != "cancelled" {
			t.Errorf("got a run that is %v", row)
		}
	}
}

func contains(text string, parts []string) bool {
	for _, part := range parts {
		if !strings.Contains(text, part) {
			return false
		}
	}
	return true
}
