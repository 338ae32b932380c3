package sweeps

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker"
)

const generatedSweep = `version = 1
name = "factorial"
[axes]
dataset = ["grid", "nafld"]
backbone = ["concat"]
variant = ["erm"]
[datasets.grid]
generator = "mm_conf"
scenario = ["S0", "S2"]
kappa = [0, 0.7]
rows = 60
[variants.erm]
[data]
shifts = ["do"]
[metric]
name = "val/auroc"
[replicates]
seeds = [0, 3]
`

func generatedPlan(t *testing.T, text string) *Plan {
	t.Helper()
	file, err := Parse("sweep.toml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	plan, err := Compile(file, fakeCatalog{})
	if err != nil {
		t.Fatal(err)
	}
	return plan
}

// Lists span the product of their elements, each a dataset of its own; a run has
// the settings, and its split seed makes the data.
func TestCompile_generatedDatasets(t *testing.T) {
	plan := generatedPlan(t, generatedSweep)
	var names []string
	for _, c := range plan.Cells {
		names = append(names, c.Cell.Dataset)
	}
	if diff := cmp.Diff([]string{"grid/kappa=0/S0", "grid/kappa=0/S2", "grid/kappa=0.7/S0", "grid/kappa=0.7/S2", "nafld"}, names); diff != "" {
		t.Errorf("datasets (-want +got):\n%s", diff)
	}
	specs, err := plan.Next(nil)
	if err != nil {
		t.Fatal(err)
	}
	spec := specs[0]
	for _, s := range specs {
		if s.Dataset.Name == "grid/kappa=0.7/S2" && s.SplitSeed == 3 {
			spec = s
		}
	}
	if diff := cmp.Diff(Settings{"scenario": "S2", "kappa": 0.7, "rows": int64(60)}, spec.Dataset.Settings); diff != "" || spec.Dataset.Generator != "mm_conf" {
		t.Errorf("generator %q with settings (-want +got):\n%s", spec.Dataset.Generator, diff)
	}
	if diff := cmp.Diff(Split{Scheme: "given", By: "patient"}, spec.Split); diff != "" {
		t.Errorf("split (-want +got):\n%s", diff)
	}
	text, err := spec.Canonical()
	if err != nil {
		t.Fatal(err)
	}
	again, err := ParseSpec(text)
	if err != nil {
		t.Fatal(err)
	}
	before, _ := spec.Hash()
	if after, _ := again.Hash(); after != before {
		t.Error("a spec that is read back has another hash")
	}
}

// A knob or a seed makes another run; adding a dataset changes no run of another.
func TestCompile_generatedRunHashes(t *testing.T) {
	hashes := func(text string) map[Hash]bool {
		specs, err := generatedPlan(t, text).Next(nil)
		if err != nil {
			t.Fatal(err)
		}
		out := map[Hash]bool{}
		for _, s := range specs {
			hash, err := s.Hash()
			if err != nil {
				t.Fatal(err)
			}
			out[hash] = true
		}
		return out
	}
	base := hashes(generatedSweep)
	if len(base) != 10 {
		t.Errorf("5 datasets on 2 seeds give %d runs", len(base))
	}
	common := func(other map[Hash]bool) (n int) {
		for h := range other {
			if base[h] {
				n++
			}
		}
		return n
	}
	if n := common(hashes(strings.Replace(generatedSweep, "rows = 60", "rows = 80", 1))); n != 2 {
		t.Errorf("with other rows %d runs stay, want the 2 of nafld", n)
	}
	if n := common(hashes(strings.Replace(generatedSweep, "[0, 0.7]", "[0, 0.7, 0.9]", 1))); n != 10 {
		t.Errorf("with one level more %d runs stay, want 10", n)
	}
}

// A sweep can be about the error against the truth, and selects without it.
func TestCompile_metricAgainstTheTruth(t *testing.T) {
	text := strings.NewReplacer(`, "nafld"`, "", `name = "val/auroc"`, "name = \"test/irmse\"\nselect = \"val/log_loss\"").Replace(generatedSweep)
	want := Metric{Name: "test/irmse", Goal: "minimize", Select: "val/log_loss", SelectGoal: "minimize"}
	if diff := cmp.Diff(want, generatedPlan(t, text).Metric); diff != "" {
		t.Errorf("metric (-want +got):\n%s", diff)
	}
	// Or by the predictions before the adjustment.
	want.Select = "val/log_loss@observed"
	if diff := cmp.Diff(want, generatedPlan(t, strings.Replace(text, `"val/log_loss"`, `"val/log_loss@observed"`, 1)).Metric); diff != "" {
		t.Errorf("metric (-want +got):\n%s", diff)
	}
	s, err := ParseSelection(want.Select)
	if err != nil || s.Metric() != (tracker.Metric{Name: "log_loss", Split: "val", Group: "observed"}) || s.Worst != "" {
		t.Errorf("got %+v, %v", s, err)
	}
}
