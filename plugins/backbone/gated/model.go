package main

import (
	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "gated",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Ilse et al., Attention-based Deep Multiple Instance Learning, ICML 2018 (equation 8, with modalities as instances)",
	Text: "Gated fusion: every modality is embedded, a small network scores each embedding, and h is the average of the " +
		"observed embeddings weighted by the softmax of the scores over the observed modalities. The mask shows through " +
		"that softmax: fewer modalities share the weight.",
	Hyperparameters: encoder.Hyperparameters(),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// build writes h = Σ_m a_m e_m with a = softmax over the observed modalities of
// vᵀ tanh(W e_m + b).
func build(c backbone.Config) (backbone.Model, error) {
	return graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		hidden, rate := c.Int("hidden"), c.Float("dropout")
		r := c.Rand("gate")
		w := b.Param("gate.weight", c.Width, hidden, nn.XavierUniform(r))
		bias := b.Bias("gate.bias", hidden)
		v := b.Param("gate.score", hidden, 1, nn.XavierUniform(r))

		embeddings := b.Encode(c.Width, hidden, rate)
		scores := make([]*gorgonia.Node, len(embeddings))
		for m, e := range embeddings {
			scores[m] = b.Linear(b.Tanh(b.Linear(e, w, bias)), v, nil)
		}
		weights := b.MaskedSoftmax(b.Columns(scores...), b.Availability())
		parts := make([]*gorgonia.Node, len(embeddings))
		for m, e := range embeddings {
			parts[m] = b.MulRows(e, b.Slice(weights, m, m+1))
		}
		return b.Sum(parts...)
	})
}
