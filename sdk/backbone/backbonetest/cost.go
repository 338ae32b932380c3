package backbonetest

import (
	"encoding/json"
	"errors"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

var update = flag.Bool("update", false, "write testdata/cost.json anew (the test still fails where a figure changed)")

// The reference that a cost is of.
const (
	costRows  = 64
	costWidth = 128
)

var costColumns = []int{64, 128, 256, 512}

// costs are what the page of a method says of its cost. Work is in multiplications,
// each with an addition, of matrix products and attention; memory is that of
// activations, their gradients and what operations keep, without parameters.
type costs struct {
	Rows       int   `json:"rows"`
	Columns    []int `json:"columns"`
	Width      int   `json:"width"`
	Parameters int   `json:"parameters"`
	Step       int   `json:"step"`       // work of a training step, a row
	Prediction int   `json:"prediction"` // work of an evaluation, a row
	Memory     int   `json:"memory"`     // of a training step, bytes a row
}

// Cost counts, with the hyperparameters' defaults, what a training step and an
// evaluation of the reference cost, and compares that with testdata/cost.json: 64 rows
// with four tables of 64, 128, 256 and 512 columns, all there, and h of width 128.
func Cost(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error)) {
	t.Helper()
	got := costOf(t, info, build)
	text, err := json.MarshalIndent(got, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	text = append(text, '\n')
	path := filepath.Join("testdata", "cost.json")
	want, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	if string(text) == string(want) {
		return
	}
	if *update {
		if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(path, text, 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	t.Errorf("the cost is %s%s has %s(go test -run Cost -update writes it anew; then make methods)", text, path, want)
}

func costOf(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error)) costs {
	t.Helper()
	info.Kind = sdk.KindBackbone
	s := &suite{info: info, build: build}
	task := s.tasks()[0]
	values, err := info.Complete(nil)
	if err != nil {
		t.Fatalf("hyperparameters: %v", err)
	}
	c := backbone.Config{Width: costWidth, Task: task, Hyperparameters: values, MaxBatch: costRows, Seed: 7}
	for m, columns := range costColumns {
		c.Modalities = append(c.Modalities, sdk.Modality{Name: string(rune('a' + m)), Kind: sdk.Tabular, Width: columns})
	}
	model := s.model(t, c)
	costed, ok := model.(backbone.Costed)
	if !ok {
		t.Fatalf("%T does not count its cost", model)
	}
	source := newTable(c.Modalities, costRows, 1, 0)
	for i := range source.availability {
		source.availability[i] = 1<<uint(len(costColumns)) - 1
	}
	loader, all := backbone.NewLoader(c.Modalities, source), sequence(costRows)
	dh := make([]float32, costRows*costWidth)
	for i := range dh {
		dh[i] = 1
	}
	train := func(step uint64) nn.Cost {
		before := costed.Cost()
		batch, err := loader.Train(all, source.availability, s.labels(task, costRows), rng.Stream(1, step))
		if err == nil {
			_, err = model.Forward(batch)
		}
		if err == nil {
			_, err = model.Backward(dh)
		}
		if err != nil {
			t.Fatalf("train: %v", err)
		}
		after := costed.Cost()
		return nn.Cost{Work: after.Work - before.Work, Memory: after.Memory}
	}
	train(0) // what is made once
	step := train(1)
	batch, err := loader.Eval(all, source.availability)
	before := costed.Cost()
	if err == nil {
		_, err = model.Forward(batch)
	}
	if err != nil {
		t.Fatalf("evaluate: %v", err)
	}
	out := costs{
		Rows: costRows, Columns: costColumns, Width: costWidth,
		Step: int(step.Work) / costRows, Prediction: int(costed.Cost().Work-before.Work) / costRows, Memory: step.Memory / costRows,
	}
	for _, p := range model.Params() {
		out.Parameters += len(p.Value)
	}
	return out
}
