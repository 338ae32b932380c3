package backbonetest

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// learns trains model and linear head on a problem whose label depends on all
// modalities that a row has, and asks for less than half the loss of chance.
func (s *suite) learns(t *testing.T) {
	task := sdk.Task{Kind: sdk.Binary}
	if s.info.Capabilities.Accepts(task, nil) != nil {
		t.Skip("the plugin takes no binary task")
	}
	const rows, batch, steps = 64, 16, 160
	c := s.config(t, task)
	c.Hyperparameters["dropout"] = 0.0
	m := s.model(t, c)
	source := newTable(c.Modalities, rows, 8, 0)
	loader := backbone.NewLoader(c.Modalities, source)

	// The label is the sign of the sum of the first features of what is observed.
	y := make([]float32, rows)
	for i := range rows {
		var sum float32
		for k, modality := range c.Modalities {
			if source.availability[i]>>uint(k)&1 == 1 {
				last := 0
				if modality.Kind == sdk.Sequence {
					last = int(source.lengths[k][i]-1) * modality.Width
				}
				sum += source.values[k][i*size(modality)+last]
			}
		}
		if sum > 0 {
			y[i] = 1
		}
	}

	var ps nn.Params
	head := nn.NewLinear(&ps, "head", c.Width, 1, rng.Stream(1, "head"))
	optimizer, err := nn.NewOptimizer(append(m.Params(), ps.All()...), nn.OptimizerConfig{Name: "adam", LearningRate: 2e-2})
	if err != nil {
		t.Fatalf("optimiser: %v", err)
	}
	var last float64
	for step := range steps {
		order := rng.Stream(2, step).Perm(rows)
		last = 0
		for from := 0; from < rows; from += batch {
			positions, availability, target := make([]int32, batch), make([]uint64, batch), make([]float32, batch)
			for i, p := range order[from : from+batch] {
				positions[i], availability[i], target[i] = int32(p), source.availability[p], y[p]
			}
			var labels []float32
			if s.info.Capabilities.NeedsLabels {
				labels = target
			}
			b, err := loader.Train(positions, availability, labels, rng.Stream(3, step, from))
			if err != nil {
				t.Fatalf("batch: %v", err)
			}
			h, err := m.Forward(b)
			if err != nil {
				t.Fatalf("forward: %v", err)
			}
			for _, p := range append(m.Params(), ps.All()...) {
				clear(p.Grad)
			}
			tape := nn.NewTape()
			leaf := tape.Leaf(batch, c.Width, h)
			loss := tape.BCE(head.Apply(tape, leaf), target)
			for i := range loss.Grad {
				loss.Grad[i] = 1.0 / batch
				last += float64(loss.Value[i]) / rows
			}
			tape.Backward()
			if _, err := m.Backward(leaf.Grad); err != nil {
				t.Fatalf("backward: %v", err)
			}
			optimizer.Step()
		}
		if last < 0.5*math.Ln2/2 {
			break // well below the bound: no need to go on
		}
	}
	if !(last < 0.5*math.Ln2) {
		t.Errorf("loss is %.3f after %d epochs, chance is %.3f", last, steps, math.Ln2)
	}
}
