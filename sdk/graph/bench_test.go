package graph_test

import (
	"fmt"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	benchWidth   = 64
	benchHidden  = 64
	benchDropout = 0.25
	benchBatch   = 256
)

// tapeConcat is the model of graphConcat on a tape.
type tapeConcat struct {
	params      nn.Params
	encoders    *encoder.Set
	hidden, out *nn.Linear
}

func newTapeConcat(c backbone.Config) (backbone.Model, error) {
	m := &tapeConcat{}
	m.encoders = encoder.New(&m.params, encoder.Config{
		Modalities: c.Modalities, Width: c.Width, Hidden: benchHidden, Dropout: benchDropout, Rand: c.Rand,
	})
	m.hidden = nn.NewLinear(&m.params, "hidden", len(c.Modalities)*c.Width, benchHidden, c.Rand("hidden"))
	m.out = nn.NewLinear(&m.params, "out", benchHidden, c.Width, c.Rand("out"))
	return backbone.FromTape(m), nil
}

func (m *tapeConcat) Params() *nn.Params { return &m.params }

func (m *tapeConcat) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	x := t.Concat(m.encoders.Encode(t, b)...)
	return m.out.Apply(t, t.Dropout(t.ReLU(m.hidden.Apply(t, x)), benchDropout, b.Rand)), nil
}

// graphConcat encodes in blocks, which compute observed rows only.
func graphConcat(b *graph.Builder) *gorgonia.Node {
	x := b.Columns(b.Encode(benchWidth, benchHidden, benchDropout)...)
	return b.Dense("out", b.Dropout(b.ReLU(b.Dense("hidden", x, benchHidden)), benchDropout), benchWidth)
}

// graphDense is all operations as nodes, on all rows.
func graphDense(b *graph.Builder) *gorgonia.Node {
	var parts []*gorgonia.Node
	for m := range b.Config().Modalities {
		name := fmt.Sprintf("encoder%d", m)
		x := b.Dropout(b.ReLU(b.Dense(name+".hidden", b.Features(m), benchHidden)), benchDropout)
		parts = append(parts, b.MulRows(b.Dense(name+".out", x, benchWidth), b.Available(m)))
	}
	x := b.Columns(parts...)
	return b.Dense("out", b.Dropout(b.ReLU(b.Dense("hidden", x, benchHidden)), benchDropout), benchWidth)
}

// BenchmarkConcat is one training step of the plugin without its optimiser: a
// batch, Forward, Backward.
func BenchmarkConcat(b *testing.B) {
	c := backbone.Config{Width: benchWidth, Task: sdk.Task{Kind: sdk.Binary}, MaxBatch: benchBatch, Seed: 1}
	for m, width := range []int{10, 3, 2, 2, 1, 1} {
		c.Modalities = append(c.Modalities, sdk.Modality{Name: fmt.Sprintf("m%d", m), Kind: sdk.Tabular, Width: width})
	}
	rows, availability := make([]int32, benchBatch), make([]uint64, benchBatch)
	r := rng.Stream(2)
	for i := range rows {
		rows[i] = int32(i)
		availability[i] = 1<<6 - 1
	}
	dh := make([]float32, benchBatch*benchWidth)
	for i := range dh {
		dh[i] = float32(r.NormFloat64()) / 256
	}
	for _, variant := range []struct {
		name  string
		build func(backbone.Config) (backbone.Model, error)
	}{{"tape", newTapeConcat}, {"graph", author(graphConcat)}, {"graph_dense", author(graphDense)}} {
		b.Run(variant.name, func(b *testing.B) {
			model, err := variant.build(c)
			if err != nil {
				b.Fatal(err)
			}
			loader := backbone.NewLoader(c.Modalities, &ramp{rows: benchBatch})
			b.ReportAllocs()
			step := uint64(0)
			for b.Loop() {
				batch, err := loader.Train(rows, availability, nil, rng.Stream(3, step))
				if err != nil {
					b.Fatal(err)
				}
				if _, err := model.Forward(batch); err != nil {
					b.Fatal(err)
				}
				for _, p := range model.Params() {
					clear(p.Grad)
				}
				if _, err := model.Backward(dh); err != nil {
					b.Fatal(err)
				}
				step++
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
