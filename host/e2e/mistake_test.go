package e2e

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A mistake in a sweep file is told with its place and what to write instead,
// before anything is started.
func TestRun_InvalidFile(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	const text = `version = 1
name = "broken"

[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm", "md"]

[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }

[data]
groups = ["pattern"]

[metric]
name = "val/auroc"

[replicates]
seeds = [0]

[run]
epochs = 2
`
	for _, c := range []struct{ old, new, want string }{
		{`[metric]`, `[metrics]`, `did you mean "metric"`},
		{`mode = "enumerate"`, `mod = "enumerate"`, `did you mean "mode"`},
		{`mode = "enumerate"`, `mode = "enumerate", dictionary = "class_pattern"`, `variants.md.missingness: missingness: dictionary = "class_pattern" with mode = "enumerate" leaks the label`},
		{`mode = "enumerate"`, `mode = "nwgm", do_weight = 0.5`, `variants.md.missingness: missingness: do_weight = 0.5 needs mode = "enumerate"`},
		{`missingness = { mode = "enumerate" }`, `dual_branch = { split = "availability" }`, `variants.md.dual_branch: dual_branch.split = "availability" needs mechanism = "confounder", "label" or "self"`},
		{`missingness = { mode = "enumerate" }`, `dual_branch = { mechanism = "label" }`, `variants.md.dual_branch: dual_branch.mechanism = "label" belongs to split = "availability" and "environment", and the split is "gce"`},
		{`missingness = { mode = "enumerate" }`, `dual_branch = { split = "availability", mechanism = "labels" }`, `variants.md.dual_branch.mechanism: "labels" is not available; did you mean "label"?`},
		{`"concat"`, `"concta"`, `did you mean "concat"`},
		{`"nafld"`, `"nalfd"`, `did you mean "nafld"`},
		{`groups = ["pattern"]`, `groups = ["patern"]`, `did you mean "pattern"`},
		{`epochs = 2`, `epochs = "2"`, `epochs`},
		{`epochs = 2`, `epochs = `, `not valid TOML`},
		{`variant  = ["erm", "md"]`, `variant  = ["erm", "mdd"]`, `did you mean "md"`},
	} {
		broken := strings.Replace(text, c.old, c.new, 1)
		if broken == text {
			t.Fatalf("%s is not in the file", c.old)
		}
		before, _, _ := strings.Cut(broken, c.new)
		line := 1 + strings.Count(before, "\n")
		file := h.write("broken.toml", broken)
		for _, verb := range []string{"validate", "run"} {
			a := h.expect(3, verb, file)
			if at := "broken.toml:" + itoa(line); !strings.Contains(a.err, at) || !strings.Contains(a.err, c.want) || a.out != "" {
				t.Errorf("%s of %s: want %s and %s, got\n%s%s", verb, c.new, at, c.want, a.out, a.err)
			}
		}
	}
	// The mistakes of the file itself and those that only what is installed shows
	// come together, in the order of the file.
	several := text
	for _, c := range [][2]string{
		{`"concat"`, `"concta"`}, {`mode = "enumerate"`, `mode = "enumerate", dictionary = "class_pattern"`},
		{`["pattern"]`, `["patern"]`}, {`seeds = [0]`, ``}, {`epochs = 2`, `epoch = 2`},
	} {
		several = strings.Replace(several, c[0], c[1], 1)
	}
	found := decode[struct {
		Valid    bool
		Problems []struct {
			Line int
			Key  string
		}
	}](t, h.expect(3, "validate", "--json", h.write("several.toml", several)))
	var keys []string
	for _, p := range found.Problems {
		keys = append(keys, itoa(p.Line)+" "+p.Key)
	}
	want := []string{"6 axes.backbone[0]", "11 variants.md.missingness", "14 data.groups[0]", "19 replicates", "23 run.epoch"}
	if !slices.Equal(keys, want) || found.Valid {
		t.Errorf("got %q, want %q", keys, want)
	}
	if _, err := os.Stat(filepath.Join(h.data(), "postgres")); err == nil {
		t.Error("a database was made")
	}
}

func TestUsage(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	for _, args := range [][]string{
		{"run", "--wrokers", "2", "x.toml"}, {"run"}, {"run", "a.toml", "b.toml"}, {"trian"}, {"sql"}, {"data", "ad"}, {"sweep", "stat", "x"},
	} {
		if a := h.expect(2, args...); !strings.HasPrefix(a.err, "deconfound: ") || a.out != "" {
			t.Errorf("%v: got %q %q", args, a.out, a.err)
		}
	}
	if a := h.expect(1, "validate", "absent.toml"); !strings.Contains(a.err, "absent.toml") {
		t.Errorf("got %q", a.err)
	}
	if _, err := os.Stat(h.data()); err == nil {
		t.Error("something was written")
	}
}

// With a lock file an altered plugin does not run.
func TestRun_AlteredPlugin(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.plugins = filepath.Join(h.dir, "plugins")
	own := filepath.Join(h.plugins, "concat")
	if err := os.CopyFS(own, os.DirFS(filepath.Join(built, "plugins/backbone/concat"))); err != nil {
		t.Fatal(err)
	}
	h.add(cohort{name: "two", label: binary, rows: 320})
	file := sweep{name: "locked", dataset: `"two"`, variant: `"erm"`, seeds: "0", epochs: 1}.write(h)
	h.must("plugin", "lock")
	h.must("plugin", "lock", "--check")
	h.must("validate", file)

	binary, err := os.OpenFile(filepath.Join(own, "concat"), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := binary.WriteString("x"); err != nil {
		t.Fatal(err)
	}
	if err := binary.Close(); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"validate", file}, {"run", file}, {"plugin", "lock", "--check"}} {
		a := h.expect(4, args...)
		if !strings.Contains(a.out+a.err, "backbone concat") || !strings.Contains(a.out+a.err, "locked") {
			t.Errorf("%v: got\n%s%s", args, a.out, a.err)
		}
	}
	if _, err := os.Stat(filepath.Join(h.data(), "postgres")); err == nil {
		t.Error("a database was made")
	}
	h.must("plugin", "lock")
	h.trained(t, file)
}
