package reference

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

// margin is how much less than the reference the mean AUROC of an area may be.
const margin = 0.02

// public are the datasets whose licences do not allow a copy in the repository.
var public = []string{"heart", "support2", "pbc", "mi"}

// targets are the environments of the site splits, by dataset.
var targets = map[string]string{"nafld": `["1"]`, "heart": `["va", "switzerland"]`, "support2": `["Cancer", "Coma"]`, "pbc": `["0"]`}

// areas is an AUROC for each seed, by test set: id, do, flip, ood, idsrc.
type areas map[string][]float64

// baselines are the figures of testdata/baselines.py: areas by model, by dataset.
// It has one value for each of the five seeds of the shipped sweep.
type baselines struct {
	Holdout, Site map[string]struct {
		LR, GB, MLP areas
		// Covariates and Always are of logistic regression on less; of id in Holdout.
		Covariates, Always areas
	}
}

func readBaselines(t *testing.T) baselines {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("testdata", "baselines.json"))
	if err != nil {
		t.Fatal(err)
	}
	var b baselines
	if err := json.Unmarshal(text, &b); err != nil {
		t.Fatal(err)
	}
	return b
}

// A quick look at a few seeds and the smaller cohorts, against the plain model of
// the same kind. TestMeasure takes all of them, and the re-weighted test sets,
// whose AUROC needs the five seeds.
func TestConcat(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for most of a minute; left out under -short")
	}
	needPostgreSQL(t)
	const seeds = 3
	p, want := install(t), readBaselines(t)
	t.Run("bundled", func(t *testing.T) {
		found := p.holdout(t, seeds, "nafld")
		for _, test := range []string{"id", "do"} {
			compare(t, "nafld "+test, found["nafld"][test], want.Holdout["nafld"].MLP[test], seeds)
		}
	})
	t.Run("public", func(t *testing.T) {
		quick := []string{"heart", "mi"}
		p.addPublic(t, quick...)
		found := p.holdout(t, seeds, quick...)
		for _, name := range quick {
			for _, test := range []string{"id", "do"} {
				compare(t, name+" "+test, found[name][test], want.Holdout[name].MLP[test], seeds)
			}
		}
		hospitals := p.site(t, seeds, "heart")
		for _, test := range []string{"ood", "idsrc"} {
			compare(t, "heart "+test, hospitals[test], want.Site["heart"].MLP[test], seeds)
		}
	})
}

// needPostgreSQL skips a test where the program would fetch one: tests use no
// network.
func needPostgreSQL(t *testing.T) {
	t.Helper()
	if _, _, err := pglocal.Installed(); err != nil {
		t.Skip(err)
	}
}

// addPublic adds datasets, or skips the test if their tables are not there.
func (p *program) addPublic(t *testing.T, names ...string) {
	t.Helper()
	tables := tablesDir(t)
	for _, name := range names {
		manifest := filepath.Join(root(t), "host", "dataset", "testdata", "manifests", name+".toml")
		p.must(t, "data", "add", manifest, "--tables", filepath.Join(tables, name))
	}
}

// holdout trains the shipped sweep on some datasets and the first seeds.
func (p *program) holdout(t *testing.T, seeds int, names ...string) map[string]areas {
	t.Helper()
	return p.train(t, "holdout-"+names[0], sweep(t, "holdout-"+names[0], seeds, names...))
}

// site trains it with target environments, which are then tested, left out.
func (p *program) site(t *testing.T, seeds int, name string) areas {
	t.Helper()
	file := sweep(t, "site-"+name, seeds, name)
	file = replace(t, file, `scheme = "holdout",`, `scheme = "site", target = `+targets[name]+`,`)
	file = replace(t, file, `shifts = ["do", "flip"]`, `shifts = ["idsrc"]`)
	found := p.train(t, "site-"+name, file)[name]
	return areas{"ood": found["id"], "idsrc": found["idsrc"]}
}

// sweep is the shipped sweep under another name, with fewer datasets and seeds.
func sweep(t *testing.T, name string, seeds int, datasets ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(root(t), "sweeps", "reference.toml"))
	if err != nil {
		t.Fatal(err)
	}
	const all = "0, 1, 2, 3, 4"
	file := replace(t, string(text), `name = "reference"`, fmt.Sprintf("name = %q", name))
	file = replace(t, file, `["nafld", "heart", "support2", "pbc", "mi"]`, `["`+strings.Join(datasets, `", "`)+`"]`)
	return replace(t, file, "seeds = ["+all+"]", "seeds = ["+all[:3*seeds-2]+"]")
}

func replace(t *testing.T, text, old, by string) string {
	t.Helper()
	if strings.Count(text, old) != 1 {
		t.Fatalf("sweeps/reference.toml does not have one %q", old)
	}
	return strings.Replace(text, old, by, 1)
}

// compare holds what was found against a reference on the same seeds: a seed is a
// split, and some splits are easier than others.
func compare(t *testing.T, what string, found, reference []float64, seeds int) {
	t.Helper()
	if len(found) != seeds || len(reference) < seeds {
		t.Errorf("%s: got the AUROC of %d runs and of %d references, want %d", what, len(found), len(reference), seeds)
		return
	}
	got, want := mean(found), mean(reference[:seeds])
	t.Logf("%s: %.4f, reference %.4f, difference %+.4f", what, got, want, got-want)
	if !(got >= want-margin) {
		t.Errorf("%s: got a mean AUROC of %.4f, want at least %.4f (%.4f less %v)\nby seed: %v\nreference: %v",
			what, got, want-margin, want, margin, found, reference[:seeds])
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
