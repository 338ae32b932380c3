package backbonetest

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Equation compares h in eval mode with what the test of a plugin computes from
// the parameters, one row at a time and in float64: that the model is the one of
// its paper. The three modalities are embeddings, which a linear map encodes, and
// every availability pattern occurs, the empty one too. Parameters are drawn, so
// that no bias is zero.
func Equation(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error), want func(Row) []float64) {
	t.Helper()
	c, m, source := newEquation(t, info, build)
	b, err := backbone.NewLoader(c.Modalities, source).Eval(sequence(source.rows), source.availability)
	if err != nil {
		t.Fatalf("batch: %v", err)
	}
	h, err := m.Forward(b)
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	for i := range source.rows {
		r := Row{Config: c, index: i, params: m.Params(), source: source}
		for j, w := range want(r) {
			if got := float64(h[i*c.Width+j]); !(math.Abs(got-w) <= 1e-4*max(1, math.Abs(w))) {
				t.Fatalf("row with pattern %03b: h[%d] is %v, the equation gives %v", source.availability[i], j, got, w)
			}
		}
	}
}

// Terms compares the auxiliary losses of a training batch, in order, with what the
// test computes from its rows. Labels are 0 and 1 in turn; dropout is off.
func Terms(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error), want func(rows []Row) []sdk.Term) {
	t.Helper()
	c, m, source := newEquation(t, info, build)
	labels := make([]float32, source.rows)
	for i := range labels {
		labels[i] = float32(i % 2)
	}
	b, err := backbone.NewLoader(c.Modalities, source).Train(sequence(source.rows), source.availability, labels, rng.Stream(1))
	if err != nil {
		t.Fatalf("batch: %v", err)
	}
	h, err := m.Forward(b)
	if err != nil {
		t.Fatalf("forward: %v", err)
	}
	got, err := m.Backward(make([]float32, len(h)))
	if err != nil {
		t.Fatalf("backward: %v", err)
	}
	rows := make([]Row, source.rows)
	for i := range rows {
		rows[i] = Row{Config: c, Label: float64(labels[i]), index: i, params: m.Params(), source: source}
	}
	terms := want(rows)
	if len(got) != len(terms) {
		t.Fatalf("%d terms, want %d", len(got), len(terms))
	}
	for i, w := range terms {
		if got[i].Name != w.Name || !(math.Abs(got[i].Value-w.Value) <= 1e-4*max(1, math.Abs(w.Value))) {
			t.Errorf("term %+v, want %+v", got[i], w)
		}
	}
}

// newEquation builds a small model with drawn parameters, and two rows of every
// pattern.
func newEquation(t *testing.T, info sdk.Info, build func(backbone.Config) (backbone.Model, error)) (backbone.Config, backbone.Model, *table) {
	t.Helper()
	s := &suite{info: info, build: build}
	c := s.config(t, sdk.Task{Kind: sdk.Binary})
	c.Hyperparameters["dropout"] = 0.0
	c.Modalities = []sdk.Modality{
		{Name: "ecg", Kind: sdk.Embedding, Width: 3},
		{Name: "note", Kind: sdk.Embedding, Width: 2},
		{Name: "scan", Kind: sdk.Embedding, Width: 4},
	}
	m := s.model(t, c)
	r := rng.Stream(21, "equation")
	for _, p := range m.Params() {
		for i := range p.Value {
			p.Value[i] = float32(0.5 * r.NormFloat64())
		}
	}
	source := newTable(c.Modalities, 16, 4, 0)
	for i := range source.availability {
		source.availability[i] = uint64(i % 8)
	}
	return c, m, source
}

// Row is one row of an equation.
type Row struct {
	Config backbone.Config
	// Label is of training rows.
	Label  float64
	index  int
	params []*nn.Param
	source *table
}

// Has reports whether the row has modality m.
func (r Row) Has(m int) bool { return r.source.availability[r.index]>>m&1 == 1 }

// Embedding is e_m: the encoder of a modality that is an embedding is linear. It
// must not be asked for what the row does not have.
func (r Row) Embedding(m int) []float64 {
	if !r.Has(m) {
		panic("backbonetest: the embedding of a modality that the row does not have")
	}
	modality := r.Config.Modalities[m]
	x := make([]float64, modality.Width)
	for j := range x {
		x[j] = float64(r.source.values[m][r.index*modality.Width+j])
	}
	return r.Linear("encoder."+modality.Name+".out", x)
}

// Param returns row i of a parameter.
func (r Row) Param(name string, i int) []float64 {
	for _, p := range r.params {
		if p.Name == name {
			out := make([]float64, p.Cols)
			for j := range out {
				out[j] = float64(p.Value[i*p.Cols+j])
			}
			return out
		}
	}
	panic("backbonetest: no parameter " + name)
}

// Linear is x·W + b with the parameters NAME.weight and NAME.bias.
func (r Row) Linear(name string, x []float64) []float64 {
	out := r.Param(name+".bias", 0)
	for i, v := range x {
		for j, w := range r.Param(name+".weight", i) {
			out[j] += v * w
		}
	}
	return out
}

// ReLU replaces what is negative by zero, in x itself.
func ReLU(x []float64) []float64 {
	for i, v := range x {
		x[i] = max(v, 0)
	}
	return x
}

// Add adds c·y to x, in x itself.
func Add(x []float64, c float64, y []float64) []float64 {
	for i, v := range y {
		x[i] += c * v
	}
	return x
}
