package backbonetest

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Steady fails if a training step, forward and backward, or an evaluation allocates
// once the model has seen a batch: a model keeps its lists from step to step.
func Steady(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.TapeModel, error)) {
	t.Helper()
	const rows = 16
	s := &suite{info: info}
	task := s.tasks()[0]
	c := s.config(t, task)
	m, err := build(c)
	if err != nil {
		t.Fatalf("build: %v", err)
	}
	source := newTable(c.Modalities, rows, 1, 0)
	loader, tape, all, y := backbone.NewLoader(c.Modalities, source), nn.NewTape(), sequence(rows), s.labels(task, rows)
	r := rng.Stream(1)
	train := func() {
		b, err := loader.Train(all, source.availability, y, r)
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		tape.Reset()
		h, terms := m.Forward(tape, b)
		for i := range h.Grad {
			h.Grad[i]++
		}
		for _, term := range terms {
			if term.Rows != nil {
				for i := range term.Rows.Grad {
					term.Rows.Grad[i]++
				}
			} else if term.Value.Grad != nil {
				term.Value.Grad[0] += float32(term.Weight)
			}
		}
		tape.Backward()
	}
	eval := func() {
		b, err := loader.Eval(all, source.availability)
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		tape.ResetForward()
		m.Forward(tape, b)
	}
	for name, step := range map[string]func(){"a training step": train, "an evaluation": eval} {
		// What a step draws may make it larger than those before.
		for range 5 {
			step()
		}
		if n := testing.AllocsPerRun(5, step); n > 0 {
			t.Errorf("%s allocates %v times", name, n)
		}
	}
}
