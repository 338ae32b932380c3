package reference

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

// margin is how much less than the reference the mean AUROC of an area may be.
const margin = 0.02

// seeds of the shipped sweep that the test trains, so that it ends in a minute.
const seeds = 3

// areas is an AUROC for each seed, by test set.
type areas map[string][]float64

// targets are the environments of the site splits, by dataset. Those of pbc are
// left out: its target patients have none of three modalities that every training
// row has, and no training says what a representation is worth without them.
var targets = map[string]string{"nafld": `["1"]`, "heart": `["va", "switzerland"]`, "support2": `["Cancer", "Coma"]`}

func TestConcat(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for most of a minute; left out under -short")
	}
	if _, _, err := pglocal.Installed(); err != nil {
		t.Skip(err) // the program would fetch one, and tests use no network
	}
	tables := tablesDir(t)
	var want struct{ Holdout, Site map[string]areas }
	text, err := os.ReadFile(filepath.Join("testdata", "logistic.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &want); err != nil {
		t.Fatal(err)
	}
	p := install(t)
	for name := range want.Holdout {
		if name != "nafld" { // ships with the program
			manifest := filepath.Join(root(t), "host", "dataset", "testdata", "manifests", name+".toml")
			p.must("data", "add", manifest, "--tables", filepath.Join(tables, name))
		}
	}

	compare(t, p.train("reference", sweep(t)), want.Holdout)
	for name, target := range targets {
		t.Run("site/"+name, func(t *testing.T) {
			file := sweep(t)
			file = replace(t, file, `name = "reference"`, `name = "site-`+name+`"`)
			file = replace(t, file, `dataset  = ["nafld", "heart", "support2", "pbc", "mi"]`, `dataset = ["`+name+`"]`)
			file = replace(t, file, `scheme = "holdout",`, `scheme = "site", target = `+target+`,`)
			file = replace(t, file, `shifts = ["do", "flip"]`, `shifts = ["idsrc"]`)
			compare(t, p.train("site-"+name, file), map[string]areas{name: want.Site[name]})
		})
	}
}

// sweep is the shipped sweep with fewer seeds.
func sweep(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "sweeps", "reference.toml"))
	if err != nil {
		t.Fatal(err)
	}
	return replace(t, string(text), "seeds = [0, 1, 2, 3, 4]", "seeds = [0, 1, 2]")
}

func replace(t *testing.T, text, old, by string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("sweeps/reference.toml does not have one %q", old)
	}
	return strings.Replace(text, old, by, 1)
}

// compare holds what was found against the reference on the same seeds: a seed
// is a split, and some splits are easier than others.
func compare(t *testing.T, got, want map[string]areas) {
	t.Helper()
	for name, tests := range want {
		for test, reference := range tests {
			found := got[name][test]
			if len(found) != seeds {
				t.Errorf("%s: got %d runs with an AUROC on %s, want %d", name, len(found), test, seeds)
				continue
			}
			difference := mean(found) - mean(reference[:seeds])
			t.Logf("%s %s: %.4f, reference %.4f, difference %+.4f", name, test, mean(found), mean(reference[:seeds]), difference)
			if difference < -margin {
				t.Errorf("%s: got a mean AUROC of %.4f on %s, want at least %.4f (%.4f less %v)\nby seed: %v\nreference: %v",
					name, mean(found), test, mean(reference[:seeds])-margin, mean(reference[:seeds]), margin, found, reference[:seeds])
			}
		}
	}
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v
	}
	return sum / float64(len(values))
}

// root is the top of the repository.
func root(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// tablesDir finds the tables of the datasets that may not be part of the
// repository: shared/data beside it. The test is skipped without them.
func tablesDir(t *testing.T) string {
	t.Helper()
	for dir := root(t); ; dir = filepath.Dir(dir) {
		candidate := filepath.Join(filepath.Dir(dir), "shared", "data")
		if info, err := os.Stat(filepath.Join(candidate, "support2")); err == nil && info.IsDir() {
			return candidate
		}
		if dir == filepath.Dir(dir) {
			t.Skip("no directory shared/data beside the repository: the licence of the data does not allow a copy in it")
		}
	}
}
