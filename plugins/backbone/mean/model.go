package main

import (
	"math/bits"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/graph"
)

var info = sdk.Info{
	Name:     "mean",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Havaei et al., HeMIS: Hetero-Modal Image Segmentation, MICCAI 2016 (first moment of the embeddings of the available modalities)",
	Text: "Masked mean: every modality is embedded, the embeddings of the observed modalities are averaged, and a " +
		"two-layer network turns the mean into h. The number of modalities shows only through the norm of the mean.",
	Hyperparameters: encoder.Hyperparameters(),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// build writes h = MLP(Σ_m δ_m e_m / Σ_m δ_m), where δ_m is 1 if the row has
// modality m; the mean of a row without any modality is zero.
func build(c backbone.Config) (backbone.Model, error) {
	return graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		sum := b.Sum(b.Encode(c.Width, c.Int("hidden"), c.Float("dropout"))...)
		mean := b.MulRows(sum, b.Input("share", 1, share))
		hidden := b.ReLU(b.Dense("fusion.hidden", mean, c.Int("hidden")))
		return b.Dense("fusion.out", b.Dropout(hidden, c.Float("dropout")), c.Width)
	})
}

// share writes 1 / Σ_m δ_m of every row.
func share(dst []float32, batch *backbone.Batch) {
	for i, a := range batch.Availability {
		if a != 0 {
			dst[i] = 1 / float32(bits.OnesCount64(a))
		}
	}
}
