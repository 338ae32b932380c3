package e2e

import (
	"bytes"
	"fmt"
	"math"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk/features/npy"
	"github.com/deconfound/deconfound/sdk/rng"
)

// marker is part of every patient identifier and of nothing else.
const marker = "MRN-7Q3-"

// cohort is a small dataset that a test writes: four kinds of columns, three of
// them missing for reasons that have to do with the outcome.
type cohort struct {
	name  string
	label string // the [label] section
	rows  int
	seed  uint64
}

const (
	binary     = "[label]\ncolumn = \"died\"\ntask = \"binary\"\n"
	multiclass = "[label]\ncolumn = \"stage\"\ntask = \"multiclass\"\nclasses = [\"I\", \"II\", \"III\"]\n"
	multilabel = "[label]\ncolumns = [\"died\", \"bled\", \"fell\"]\ntask = \"multilabel\"\n"
)

// write puts the dataset into a directory of the installation's working
// directory and returns the directory.
func (c cohort) write(h *home) string {
	h.t.Helper()
	r := rng.Stream(c.seed, "cohort")
	var main, visits strings.Builder
	main.WriteString("id,sex,age,crp,ldh,note,died,bled,fell,stage\n")
	visits.WriteString("id,day,pulse,pressure\n")
	notes := make([]float32, 0, c.rows*6)
	for row := range c.rows {
		id := fmt.Sprintf("%s%05d", marker, row)
		risk := r.NormFloat64()
		chance := func(shift float64) bool { return r.Float64() < 1/(1+math.Exp(-1.5*risk-shift)) }
		cell := func(seen bool, v float64) string {
			if !seen {
				return ""
			}
			return fmt.Sprintf("%.3f", v)
		}
		labs, written := chance(0.5), chance(0.3)
		index := ""
		if written {
			index = fmt.Sprint(row)
		}
		bit := map[bool]int{true: 1}
		died, bled, fell := chance(-0.4), chance(-0.6), chance(0)
		stage := []string{"I", "II", "III"}[bit[chance(0.5)]+bit[chance(-0.5)]]
		fmt.Fprintf(&main, "%s,%s,%.1f,%s,%s,%s,%d,%d,%d,%s\n", id, []string{"female", "male"}[row%2], 60+8*risk+6*r.NormFloat64(),
			cell(labs, risk+r.NormFloat64()), cell(labs, r.NormFloat64()), index, bit[died], bit[bled], bit[fell], stage)
		for day := range r.IntN(5) {
			fmt.Fprintf(&visits, "%s,%d,%.2f,%.2f\n", id, day, 70+5*risk+4*r.NormFloat64(), 120-3*risk+9*r.NormFloat64())
		}
		for range 6 {
			notes = append(notes, float32(0.5*risk+r.NormFloat64()))
		}
	}
	var array bytes.Buffer
	if err := npy.Write(&array, notes, c.rows, 6); err != nil {
		h.t.Fatal(err)
	}
	dir := filepath.Join("data", c.name)
	h.write(filepath.Join(dir, "patients.csv"), main.String())
	h.write(filepath.Join(dir, "visits.csv"), visits.String())
	h.write(filepath.Join(dir, "notes.npy"), array.String())
	h.write(filepath.Join(dir, "dataset.toml"), strings.ReplaceAll(manifest, "NAME", c.name)+c.label)
	return dir
}

const manifest = `version = 1
name = "NAME"
covariates = ["age"]

[[table]]
file = "patients.csv"

[[table]]
file = "visits.csv"
long = true
key = "id"

[rows]
id = "id"

[[modality]]
name = "base"
always = true
columns = ["age"]

[[modality]]
name = "labs"
columns = ["crp", "ldh"]

[[modality]]
name = "notes"
kind = "embedding"
array = "notes.npy"
index = "note"

[[modality]]
name = "visits"
kind = "sequence"
table = "visits"
time = "day"
length = 4
columns = ["pulse", "pressure"]

[[group]]
name = "sex"
column = "sex"

`

// add writes a dataset and adds it.
func (h *home) add(c cohort) {
	h.t.Helper()
	h.must("data", "add", c.write(h))
}

// sweep is a sweep file with everything that tests vary.
type sweep struct {
	name, dataset, backbone, variant, seeds string
	epochs                                  int
	more                                    string // of [run]
}

func (s sweep) write(h *home) string {
	h.t.Helper()
	if s.backbone == "" {
		s.backbone = `"concat"`
	}
	return h.write(s.name+".toml", fmt.Sprintf(`version = 1
name = %q

[axes]
dataset  = [%s]
backbone = [%s]
variant  = [%s]

[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }
[variants.db]
dual_branch = { split = "gce", independence = "hsic", predict = "marginal" }
[variants.md_db]
missingness = { mode = "enumerate" }
dual_branch = { split = "gce", predict = "marginal" }
[variants.split]
missingness = { mode = "enumerate" }
dual_branch = { split = "availability", mechanism = "label", predict = "marginal" }
[variants.groupdro]
strategy = "groupdro"
[variants.ipw]
strategy = "ipw"
[variants.modality_dropout]
strategy = "modality_dropout"
[variants.mask_feature]
strategy = "mask_feature"

[data]
split  = { scheme = "holdout", by = "patient", fractions = [0.5, 0.25, 0.25] }
groups = ["sex", "pattern"]
shifts = ["do"]

[metric]
name = "val/auroc"

[replicates]
seeds = [%s]

[run]
epochs     = %d
batch_size = 64
width      = 8
%s

[analysis]
baseline = { variant = "erm" }
`, s.name, s.dataset, s.backbone, s.variant, s.seeds, s.epochs, s.more))
}

// status is what run and sweep status print with --json.
type status struct {
	Finished                    bool
	Expected, Done, Failed, New int
	Waiting                     []string
	Failures                    []struct {
		Cell          struct{ Dataset, Backbone, Variant string }
		Code, Message string
	}
}

// trained runs a sweep that must succeed and returns its status.
func (h *home) trained(t testing.TB, args ...string) status {
	t.Helper()
	s := decode[status](t, h.must(append([]string{"run", "--json"}, args...)...))
	if !s.Finished || s.Done != s.Expected || s.Done == 0 || s.Failed != 0 {
		t.Fatalf("got %+v", s)
	}
	return s
}
