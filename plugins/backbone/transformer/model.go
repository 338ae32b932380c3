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
	layers   []layer
	norm     *nn.LayerNorm
	out      *nn.Linear
	heads    int
	dropout  float64
}

type layer struct {
	attentionNorm, networkNorm *nn.LayerNorm
	query, key, value, merge   *nn.Linear
	wide, narrow               *nn.Linear
}

func build(c backbone.Config) (backbone.Model, error) {
	d, heads := c.Int("hidden"), c.Int("heads")
	if d%heads != 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "backbone transformer: heads is %d and hidden is %d, heads must divide hidden", heads, d)
	}
	m := &model{heads: heads, dropout: c.Float("dropout")}
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	for i, modality := range c.Modalities {
		m.token = append(m.token, nn.NewLinear(ps, "token."+modality.Name, d, d, c.Rand("token", i)))
	}
	m.position = ps.New("position", 1+len(c.Modalities), d, nn.Normal(c.Rand("position"), 0.02))
	for i := range c.Int("layers") {
		r := c.Rand("layer", i)
		name := fmt.Sprintf("layer%d.", i)
		m.layers = append(m.layers, layer{
			attentionNorm: nn.NewLayerNorm(ps, name+"attention.norm", d),
			query:         nn.NewLinear(ps, name+"query", d, d, r),
			key:           nn.NewLinear(ps, name+"key", d, d, r),
			value:         nn.NewLinear(ps, name+"value", d, d, r),
			merge:         nn.NewLinear(ps, name+"merge", d, d, r),
			networkNorm:   nn.NewLayerNorm(ps, name+"network.norm", d),
			wide:          nn.NewLinear(ps, name+"wide", d, 4*d, r),
			narrow:        nn.NewLinear(ps, name+"narrow", 4*d, d, r),
		})
	}
	m.norm = nn.NewLayerNorm(ps, "norm", d)
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return backbone.FromTape(m), nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	tokens := 1 + len(m.token)
	position := t.Param(m.position)
	columns := []*nn.Var{t.Gather(position, make([]int32, b.Size))}
	for i := range m.token {
		columns = append(columns, m.embed(t, b, position, i))
	}
	// [B, tokens·d] side by side is [B·tokens, d] one after the other.
	x := t.Reshape(t.Concat(columns...), b.Size*tokens, m.position.Cols)
	observed := make([]bool, b.Size*tokens)
	first := make([]int32, b.Size) // rows of the CLS tokens
	for i := range b.Size {
		first[i] = int32(i * tokens)
		observed[i*tokens] = true
		for k := range m.token {
			observed[i*tokens+1+k] = b.Has(i, k)
		}
	}
	for _, l := range m.layers {
		x = t.Add(x, l.attend(t, x, m.heads, tokens, observed, m.dropout, b))
		x = t.Add(x, l.think(t, x, m.dropout, b))
	}
	return m.out.Apply(t, m.norm.Apply(t, t.Gather(x, first))), nil
}

// embed is the token of modality i, [B, d], zero where it is missing.
func (m *model) embed(t *nn.Tape, b *backbone.Batch, position *nn.Var, i int) *nn.Var {
	e, rows := m.encoders.Observed(t, b, i)
	if e == nil {
		return t.Const(b.Size, m.position.Cols, make([]float32, b.Size*m.position.Cols))
	}
	token := t.AddRow(m.token[i].Apply(t, e), t.Gather(position, []int32{int32(i + 1)}))
	return t.Scatter(t.Dropout(token, m.dropout, b.Rand), rows, b.Size)
}

// attend is multi-head self-attention over the observed tokens of each row, on the
// normalised x [B·tokens, d].
func (l layer) attend(t *nn.Tape, x *nn.Var, heads, tokens int, observed []bool, dropout float64, b *backbone.Batch) *nn.Var {
	x = l.attentionNorm.Apply(t, x)
	y := t.Attention(l.query.Apply(t, x), l.key.Apply(t, x), l.value.Apply(t, x), heads, tokens, observed)
	return t.Dropout(l.merge.Apply(t, y), dropout, b.Rand)
}

// think is the feed-forward network of each token, on the normalised x.
func (l layer) think(t *nn.Tape, x *nn.Var, dropout float64, b *backbone.Batch) *nn.Var {
	x = t.GELU(l.wide.Apply(t, l.networkNorm.Apply(t, x)))
	return l.narrow.Apply(t, t.Dropout(x, dropout, b.Rand))
}
