package script

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk/features/npy"
	"github.com/deconfound/deconfound/sdk/rng"
)

// labels are the [label] sections of each task.
var labels = map[string]string{
	"binary":     "column = \"died\"",
	"multiclass": "column = \"stage\"\nclasses = [\"I\", \"II\", \"III\"]",
	"multilabel": "columns = [\"died\", \"bled\"]",
}

// cohort is a dataset of 400 patients with a table, an embedding and a sequence, of
// which the labs, the embedding and the visits are missing in some.
func cohort(t *testing.T, task string) *dataset.Store {
	t.Helper()
	dir := t.TempDir()
	r := rng.Stream(1, "cohort")
	var main, visits strings.Builder
	main.WriteString("id,age,crp,note,died,bled,stage\n")
	visits.WriteString("id,day,pulse\n")
	var notes []float32
	for row := range 400 {
		crp, note, bled := "", "", "1"
		if r.IntN(3) > 0 {
			crp = fmt.Sprintf("%.3f", r.NormFloat64())
		}
		if r.IntN(3) > 0 {
			note = fmt.Sprint(row)
		}
		if row%7 == 0 {
			bled = ""
		}
		fmt.Fprintf(&main, "p%d,%d,%s,%s,%d,%s,%s\n", row, 40+r.IntN(40), crp, note, row%2, bled, []string{"I", "II", "III"}[row%3])
		for day := range r.IntN(4) {
			fmt.Fprintf(&visits, "p%d,%d,%d\n", row, day, 60+r.IntN(40))
		}
		notes = append(notes, float32(row), 0.5)
	}
	array, err := os.Create(filepath.Join(dir, "notes.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if err := npy.Write(array, notes, 400, 2); err != nil {
		t.Fatal(err)
	}
	array.Close()
	write(t, filepath.Join(dir, "patients.csv"), main.String())
	write(t, filepath.Join(dir, "visits.csv"), visits.String())
	write(t, filepath.Join(dir, "dataset.toml"), `version = 1
name = "cohort"
covariates = ["age"]
[[table]]
file = "patients.csv"
[[table]]
file = "visits.csv"
long = true
key = "id"
[rows]
id = "id"
[label]
task = "`+task+`"
`+labels[task]+`
[[modality]]
name = "base"
always = true
columns = ["age"]
[[modality]]
name = "labs"
columns = ["crp"]
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
length = 3
columns = ["pulse"]
`)
	source, err := dataset.Load(filepath.Join(dir, "dataset.toml"))
	if err != nil {
		t.Fatal(err)
	}
	store, err := dataset.Build(source, t.TempDir(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func data(t *testing.T, store *dataset.Store) train.Data {
	t.Helper()
	split, err := store.Split(dataset.SplitSpec{Scheme: dataset.Holdout}, 0)
	if err != nil {
		t.Fatal(err)
	}
	shifts := []string{dataset.ShiftDo}
	if store.Task().Kind == "binary" {
		shifts = append(shifts, dataset.ShiftFlip)
	}
	tests, err := store.Tests(shifts, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	return train.Data{Store: store, Split: split, Tests: tests, Scaling: store.Scaling(split.Train)}
}

func config() train.Config {
	return train.Config{
		Width: 1, Epochs: 1, BatchSize: 2, Select: train.Selection{Name: "auroc", Maximize: true},
		Backbone: map[string]any{"prior": 0.25}, InitSeed: 7,
	}
}

// trainer stands for a script: what it does with the fields of its command.
type trainer func(fields map[string]string, line func(string) (bool, error)) error

func (f trainer) Execute(_ context.Context, x plugin.Execution) (int64, error) {
	return 1 << 20, f(x.Fields, x.Line)
}

func entry(format, metrics string) plugin.Entry {
	return plugin.Entry{Name: "fake", Script: &plugin.Script{Format: format, Predictions: "p.csv", Metrics: metrics}}
}

// recorder remembers epochs.
type recorder map[int]train.Values

func (r recorder) Points(epoch int, values train.Values) error {
	if _, twice := r[epoch]; twice {
		return fmt.Errorf("epoch %d is recorded twice", epoch)
	}
	r[epoch] = values
	return nil
}

func close32(a, b float32) bool {
	return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
}
