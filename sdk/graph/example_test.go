package graph_test

import (
	"fmt"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/graph"
)

// The function that a plugin gives to backbone.New: here the sum of linear maps of
// the observed modalities, with a stock operation among fused ones.
func ExampleNew() {
	build := func(c backbone.Config) (backbone.Model, error) {
		return graph.New(c, func(b *graph.Builder) *gorgonia.Node {
			var parts []*gorgonia.Node
			for m, modality := range c.Modalities {
				e := b.Dense(modality.Name, b.Features(m), c.Width)
				parts = append(parts, b.MulRows(e, b.Available(m)))
			}
			return gorgonia.Must(gorgonia.Tanh(b.Sum(parts...)))
		})
	}

	model, err := build(backbone.Config{
		Modalities: []sdk.Modality{{Name: "labs", Kind: sdk.Tabular, Width: 3}, {Name: "ecg", Kind: sdk.Embedding, Width: 8}},
		Width:      4,
		MaxBatch:   16,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range model.Params() {
		fmt.Println(p.Name, p.Rows, p.Cols)
	}

	// Operations that gorgonia is known to compute wrongly are refused.
	_, err = graph.New(backbone.Config{
		Modalities: []sdk.Modality{{Name: "labs", Kind: sdk.Tabular, Width: 3}}, Width: 3, MaxBatch: 16,
	}, func(b *graph.Builder) *gorgonia.Node {
		return gorgonia.Must(gorgonia.SoftMax(b.Dense("scores", b.Features(0), 3)))
	})
	fmt.Println(err)
	// Output:
	// labs.weight 3 4
	// labs.bias 1 4
	// ecg.weight 8 4
	// ecg.bias 1 4
	// build graph: Softmax{-1, false}() is refused: gorgonia takes SoftMax and LogSoftMax of one node for the same; use Builder.Softmax, MaskedSoftmax, or nn.Tape.LogSoftmax in Builder.Fused
}

// A block of attention over one token for each modality: encoders, their outputs as
// rows of their own, keys of missing modalities masked. All of it runs as one
// operation of gorgonia's.
func ExampleBuilder_Attention() {
	build := func(c backbone.Config) (backbone.Model, error) {
		return graph.New(c, func(b *graph.Builder) *gorgonia.Node {
			tokens := len(c.Modalities)
			wide := b.Columns(b.Encode(c.Width, 16, 0)...)
			x := b.Reshape(wide, c.MaxBatch*tokens, c.Width)

			y := b.LayerNorm("norm", x)
			y = b.Attention(b.Dense("query", y, c.Width), b.Dense("key", y, c.Width), b.Dense("value", y, c.Width), 2, tokens, b.Availability())
			x = b.Sum(x, b.Dense("merge", y, c.Width))

			return b.Dense("out", b.Reshape(x, c.MaxBatch, tokens*c.Width), c.Width)
		})
	}
	model, err := build(backbone.Config{
		Modalities: []sdk.Modality{{Name: "labs", Kind: sdk.Tabular, Width: 3}, {Name: "ecg", Kind: sdk.Embedding, Width: 8}},
		Width:      4,
		MaxBatch:   16,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, p := range model.Params()[6:10] {
		fmt.Println(p.Name, p.Rows, p.Cols)
	}
	// Output:
	// norm.gain 1 4
	// norm.bias 1 4
	// query.weight 4 4
	// query.bias 1 4
}
