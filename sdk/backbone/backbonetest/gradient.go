package backbonetest

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// gradient compares, for every value of every parameter, the gradient of
// Σ h·g + auxiliary losses with central differences, in training with dropout.
func (s *suite) gradient(t *testing.T) {
	tasks := s.tasks()
	if !s.info.Capabilities.NeedsLabels {
		tasks = tasks[:1] // the model cannot tell tasks apart
	}
	for _, task := range tasks {
		t.Run(string(task.Kind), func(t *testing.T) { s.gradientOf(t, task) })
	}
}

func (s *suite) gradientOf(t *testing.T, task sdk.Task) {
	const rows = 6
	c := s.config(t, task)
	m := s.model(t, c)
	source := newTable(c.Modalities, rows, 1, float32(math.NaN()))
	loader := backbone.NewLoader(c.Modalities, source)
	g := make([]float32, rows*c.Width)
	r := rng.Stream(2)
	for i := range g {
		g[i] = float32(r.NormFloat64()) / 4
	}
	y := s.labels(task, rows)
	// Away from initial values such as zero biases, where a row without any modality
	// sits exactly on the kink of a ReLU.
	for _, p := range m.Params() {
		for i := range p.Value {
			p.Value[i] += float32(r.NormFloat64()) / 10
		}
	}
	// What a Backward leaves behind must not change the function.
	stateful, _ := m.(backbone.Stateful)
	var start []byte
	if stateful != nil {
		start = stateful.State()
	}
	forward := func() []float32 {
		if stateful != nil {
			if err := stateful.SetState(start); err != nil {
				t.Fatalf("restore: %v", err)
			}
		}
		b, err := loader.Train(sequence(rows), source.availability, y, rng.Stream(3))
		if err != nil {
			t.Fatalf("batch: %v", err)
		}
		h, err := m.Forward(b)
		if err != nil {
			t.Fatalf("forward: %v", err)
		}
		return h
	}
	backward := func() []sdk.Term {
		terms, err := m.Backward(g)
		if err != nil {
			t.Fatalf("backward: %v", err)
		}
		return terms
	}
	auxiliary := false
	objective := func() float64 {
		h := forward()
		var sum float64
		for i := range h {
			sum += float64(h[i]) * float64(g[i])
		}
		if auxiliary {
			for _, term := range backward() {
				sum += term.Value
			}
		}
		return sum
	}

	for _, p := range m.Params() {
		clear(p.Grad)
	}
	forward()
	auxiliary = len(backward()) > 0
	want := map[string][]float32{}
	for _, p := range m.Params() {
		want[p.Name] = append([]float32(nil), p.Grad...)
	}
	var worst float64
	middle := objective()
	for _, p := range m.Params() {
		for i := range p.Value {
			off := difference(p, i, float64(want[p.Name][i]), middle, objective)
			worst = max(worst, off)
			if !(off <= 2e-2) {
				t.Errorf("gradient of %s[%d] is %v, off by %.3g", p.Name, i, want[p.Name][i], off)
			}
		}
	}
	t.Logf("%d values, largest deviation %.2g", count(m), worst)
}

// difference is how far a gradient is from differences to both sides, relative to
// max(1/10, |gradient|). Where they differ, at the kink of a ReLU, every value between
// them is a fair gradient. Steps of several sizes are tried: in float32 small ones
// drown in rounding, and large ones may cross several kinks.
func difference(p *nn.Param, i int, gradient, middle float64, objective func() float64) float64 {
	best := math.Inf(1)
	at := p.Value[i]
	for _, step := range []float32{1e-2, 3e-3, 1e-3, 4e-4, 2e-2} {
		up, down := at+step, at-step
		p.Value[i] = up
		right := (objective() - middle) / float64(up-at)
		p.Value[i] = down
		left := (middle - objective()) / float64(at-down)
		p.Value[i] = at
		// At a kink the sides differ by more than curvature and rounding explain.
		off := math.Abs((left+right)/2 - gradient)
		if math.Abs(right-left) > 0.05*max(0.1, math.Abs(gradient)) {
			off = max(0, min(left, right)-gradient, gradient-max(left, right))
		}
		best = min(best, off/max(0.1, math.Abs(gradient)))
		if best < 5e-3 {
			break
		}
	}
	return best
}

func count(m backbone.Model) int {
	n := 0
	for _, p := range m.Params() {
		n += len(p.Value)
	}
	return n
}

func (s *suite) labels(task sdk.Task, rows int) []float32 {
	if !s.info.Capabilities.NeedsLabels {
		return nil
	}
	return labels(task, rows, 4)
}
