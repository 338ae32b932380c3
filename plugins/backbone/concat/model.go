package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "concat",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Ngiam et al., Multimodal Deep Learning, ICML 2011",
	Text: "Concatenation: every modality is embedded, the embeddings are put side by side with zeros for missing " +
		"modalities, and a two-layer network fuses them into h. The mask shows through the zeros.",
	Hyperparameters: encoder.Hyperparameters(),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is h = MLP([δ_1 e_1; …; δ_M e_M]).
type model struct {
	params      nn.Params
	encoders    *encoder.Set
	hidden, out *nn.Linear
	dropout     float64
}

func build(c backbone.Config) (backbone.Model, error) {
	m := &model{dropout: c.Float("dropout")}
	width, hidden := c.Width, c.Int("hidden")
	m.encoders = encoder.For(&m.params, c, width)
	r := c.Rand("fusion")
	m.hidden = nn.NewLinear(&m.params, "fusion.hidden", len(c.Modalities)*width, hidden, r)
	m.out = nn.NewLinear(&m.params, "fusion.out", hidden, width, r)
	return backbone.FromTape(m), nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	x := m.hidden.ApplyPartsReLU(t, b.Size, m.encoders.Parts(t, b))
	x = t.Dropout(x, m.dropout, b.Rand)
	return m.out.Apply(t, x), nil
}
