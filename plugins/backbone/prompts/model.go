package main

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "prompts",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Lee et al., Multimodal Prompting with Missing Modalities for Visual Recognition, CVPR 2023",
	Text: "Missing-aware prompts: the masked multimodal transformer with learned tokens in front, one set for each " +
		"availability pattern. The mask is explicit: the model is told the pattern by design. Prompts of a pattern that " +
		"training never showed stay near zero, as they started. The paper prompts a large frozen transformer in several " +
		"layers; here the transformer is small and trained with its prompts, which stand before the first layer.",
	Hyperparameters: append(encoder.TransformerHyperparameters(),
		sdk.Hyperparameter{Name: "length", Type: sdk.Int, Default: 1, Min: 1, Max: 64, Text: "Number of prompt tokens of a pattern."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// maxModalities bounds the table of prompts, which doubles with every modality.
const maxModalities = 16

// model is h = Linear(CLS after the layers of encoder.Transformer on
// [CLS; prompts of the row's pattern; t_m for observed m]).
type model struct {
	params      nn.Params
	transformer *encoder.Transformer
	prompts     []*nn.Embedding // one for each token, with a row for each pattern
	out         *nn.Linear
	patterns    []int32
	further     []*nn.Var
}

func build(c backbone.Config) (backbone.Model, error) {
	m, err := newModel(c)
	if err != nil {
		return nil, err
	}
	return backbone.FromTape(m), nil
}

func newModel(c backbone.Config) (m *model, err error) {
	if n := len(c.Modalities); n > maxModalities {
		return nil, sdk.Errorf(sdk.CodeUnsupported, "backbone prompts has prompts for each pattern of at most %d modalities, not %d", maxModalities, n)
	}
	m = &model{}
	if m.transformer, err = encoder.NewTransformer(&m.params, c); err != nil {
		return nil, err
	}
	d, patterns := c.Int("hidden"), 1<<len(c.Modalities)
	for i := range c.Int("length") {
		m.prompts = append(m.prompts, nn.NewEmbedding(&m.params, fmt.Sprintf("prompt.%d", i), patterns, d, c.Rand("prompt", i)))
	}
	m.out = nn.NewLinear(&m.params, "out", d, c.Width, c.Rand("out"))
	return m, nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.patterns, m.further = m.patterns[:0], m.further[:0]
	for _, a := range b.Availability {
		m.patterns = append(m.patterns, int32(a))
	}
	for _, p := range m.prompts {
		m.further = append(m.further, p.Apply(t, m.patterns))
	}
	return m.out.Apply(t, m.transformer.Apply(t, b, m.further...)), nil
}
