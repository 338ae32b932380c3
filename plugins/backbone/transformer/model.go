package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "transformer",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Ma et al., Are Multimodal Transformers Robust to Missing Modality?, CVPR 2022",
	Text: "Masked multimodal transformer: one token for each modality and a CLS token pass through pre-norm " +
		"transformer layers, in which missing modalities are masked out as keys; h is read from the CLS token. The " +
		"mask shows through how the attention is shared out.",
	Hyperparameters: encoder.TransformerHyperparameters(),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is h = Linear(CLS after the layers of encoder.Transformer).
type model struct {
	params      nn.Params
	transformer *encoder.Transformer
	out         *nn.Linear
}

func build(c backbone.Config) (backbone.Model, error) {
	m, err := newModel(c)
	if err != nil {
		return nil, err
	}
	return backbone.FromTape(m), nil
}

func newModel(c backbone.Config) (m *model, err error) {
	m = &model{}
	if m.transformer, err = encoder.NewTransformer(&m.params, c); err != nil {
		return nil, err
	}
	m.out = nn.NewLinear(&m.params, "out", c.Int("hidden"), c.Width, c.Rand("out"))
	return m, nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	return m.out.Apply(t, m.transformer.Apply(t, b)), nil
}
