package main

import (
	"fmt"

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
	Hyperparameters: append(encoder.Hyperparameters(),
		sdk.Hyperparameter{
			Name: "layers", Type: sdk.Int, Default: 2, Min: 1, Max: 12,
			Text: "Number of transformer layers.",
		},
		sdk.Hyperparameter{
			Name: "heads", Type: sdk.Int, Default: 4, Min: 1, Max: 64,
			Text: "Number of attention heads; it must divide hidden, which is the width of the tokens.",
		},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is the transformer encoder in its pre-norm form on tokens
// t_0 = CLS and t_m = Linear(e_m) + position_m, all of width hidden, with a
// feed-forward network four times as wide.
type model struct {
	params   nn.Params
	encoders *encoder.Set
	token    []*nn.Linear
	position *nn.Param // [1 + modalities, hidden]; row 0 is CLS
	layers   []*nn.TransformerLayer
	norm     *nn.LayerNorm
	out      *nn.Linear
	dropout  float64

	tokens nn.Tokens
	stack  []*nn.Var
}

func build(c backbone.Config) (backbone.Model, error) {
	m, err := newModel(c)
	if err != nil {
		return nil, err
	}
	return backbone.FromTape(m), nil
}

func newModel(c backbone.Config) (*model, error) {
	d, heads := c.Int("hidden"), c.Int("heads")
	if d%heads != 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "backbone transformer: heads is %d and hidden is %d, heads must divide hidden", heads, d)
	}
	m := &model{dropout: c.Float("dropout")}
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	for i, modality := range c.Modalities {
		m.token = append(m.token, nn.NewLinear(ps, "token."+modality.Name, d, d, c.Rand("token", i)))
	}
	m.position = ps.New("position", 1+len(c.Modalities), d, nn.Normal(c.Rand("position"), 0.02))
	for i := range c.Int("layers") {
		m.layers = append(m.layers, nn.NewTransformerLayer(ps, fmt.Sprintf("layer%d", i), d, heads, m.dropout, c.Rand("layer", i)))
	}
	m.norm = nn.NewLayerNorm(ps, "norm", d)
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m, nil
}

func (m *model) Params() *nn.Params { return &m.params }

// Forward keeps the tokens that exist one below the other, CLS first and then one
// modality after the other: everything but the attention itself works on those
// rows alone.
func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.tokens.Reset(b.Size, 1+len(m.token))
	position := t.Param(m.position)
	m.stack = append(m.stack[:0], t.Repeat(t.Rows(position, 0, 1), b.Size))
	m.tokens.Add(0, b.All())
	for i := range m.token {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			continue
		}
		token := t.AddRow(m.token[i].Apply(t, e), t.Rows(position, i+1, i+2))
		m.stack = append(m.stack, t.Dropout(token, m.dropout, b.Rand))
		m.tokens.Add(i+1, rows)
	}
	x := t.Stack(m.stack...)
	for i, l := range m.layers {
		keep := -1
		if i == len(m.layers)-1 {
			keep = b.Size
		}
		x = l.Apply(t, x, &m.tokens, keep, b.Rand)
	}
	return m.out.Apply(t, m.norm.Apply(t, x)), nil
}
