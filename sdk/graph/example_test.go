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
