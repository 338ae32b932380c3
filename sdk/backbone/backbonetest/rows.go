package backbonetest

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/rng"
)

// mask changes the values of missing modalities, to NaN and to a huge number:
// neither h nor a gradient may change in a bit.
func (s *suite) mask(t *testing.T) {
	const rows = 10
	task := s.tasks()[0]
	c := s.config(t, task)
	run := func(poison float32) (h []float32, gradients [][]float32) {
		m := s.model(t, c)
		source := newTable(c.Modalities, rows, 1, poison)
		b, err := backbone.NewLoader(c.Modalities, source).Train(sequence(rows), source.availability, s.labels(task, rows), rng.Stream(3))
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		out, err := m.Forward(b)
		if err != nil {
			t.Fatalf("forward: %v", err)
		}
		h = slices.Clone(out)
		for _, p := range m.Params() {
			clear(p.Grad)
		}
		dh := make([]float32, len(h))
		for i := range dh {
			dh[i] = float32(i%5) - 2
		}
		if _, err := m.Backward(dh); err != nil {
			t.Fatalf("backward: %v", err)
		}
		for _, p := range m.Params() {
			gradients = append(gradients, slices.Clone(p.Grad))
		}
		return h, gradients
	}
	h, gradients := run(0)
	if err := sdk.CheckFinite("h", h, c.Width); err != nil {
		t.Fatal(err)
	}
	for _, poison := range []float32{float32(math.NaN()), 1e30} {
		other, otherGradients := run(poison)
		if !slices.Equal(h, other) {
			t.Errorf("h depends on the values of missing modalities (%v)", poison)
		}
		for i := range gradients {
			if !slices.Equal(gradients[i], otherGradients[i]) {
				t.Errorf("gradient %d depends on the values of missing modalities (%v)", i, poison)
			}
		}
	}
}

// rows checks in eval mode that permuted rows give permuted h, and that a row
// alone, or in a batch of another size, has the h it has among others.
func (s *suite) rows(t *testing.T) {
	if !s.info.Capabilities.BatchIndependent {
		t.Skip("the plugin does not promise independence of the batch")
	}
	const rows = 12
	c := s.config(t, s.tasks()[0])
	m := s.model(t, c)
	source := newTable(c.Modalities, rows, 1, 0)
	loader := backbone.NewLoader(c.Modalities, source)
	eval := func(positions []int32) []float32 {
		availability := make([]uint64, len(positions))
		for i, p := range positions {
			availability[i] = source.availability[p]
		}
		b, err := loader.Eval(positions, availability)
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		h, err := m.Forward(b)
		if err != nil {
			t.Fatalf("forward: %v", err)
		}
		return slices.Clone(h)
	}
	all := eval(sequence(rows))
	compare := func(name string, positions []int32) {
		h := eval(positions)
		for i, p := range positions {
			for j := range c.Width {
				got, want := h[i*c.Width+j], all[int(p)*c.Width+j]
				if d := math.Abs(float64(got - want)); !(d <= 1e-5*max(1, math.Abs(float64(want)))) {
					t.Fatalf("%s: h of row %d column %d is %v, among all rows %v", name, p, j, got, want)
				}
			}
		}
	}
	reversed := sequence(rows)
	slices.Reverse(reversed)
	compare("permuted", reversed)
	compare("repeated", []int32{3, 3, 0, 3})
	for i := range int32(rows) {
		compare("alone", []int32{i})
	}
	if same := eval(sequence(rows)); !slices.Equal(same, all) {
		t.Error("the same request twice gives different h")
	}
}

// dropout checks that draws depend on the stream alone: equal streams give equal h,
// and with a rate above 0 other streams give another h and eval draws nothing.
func (s *suite) dropout(t *testing.T) {
	const rows = 8
	task := s.tasks()[0]
	c := s.config(t, task)
	m := s.model(t, c)
	source := newTable(c.Modalities, rows, 1, 0)
	loader := backbone.NewLoader(c.Modalities, source)
	train := func(step uint64) []float32 {
		b, err := loader.Train(sequence(rows), source.availability, s.labels(task, rows), rng.Stream(9, step))
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		h, err := m.Forward(b)
		if err != nil {
			t.Fatalf("forward: %v", err)
		}
		return slices.Clone(h)
	}
	first := train(1)
	if !slices.Equal(first, train(1)) {
		t.Error("equal streams give different h")
	}
	if c.Float("dropout") > 0 && slices.Equal(first, train(2)) {
		t.Error("different streams give the same h, although dropout is above 0")
	}
}
