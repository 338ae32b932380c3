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

// Forward keeps the tokens that exist one below the other, CLS first and then one
// modality after the other: everything but the attention itself works on those
// rows alone.
func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	width := 1 + len(m.token)
	p := places{tokens: width, rows: make([]int32, 0, b.Size*width), observed: make([]bool, b.Size*width)}
	position := t.Param(m.position)
	stack := []*nn.Var{t.Gather(position, make([]int32, b.Size))}
	for i := range b.Size {
		p.add(int32(i), 0)
	}
	for i := range m.token {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			continue
		}
		token := t.AddRow(m.token[i].Apply(t, e), t.Gather(position, []int32{int32(i + 1)}))
		stack = append(stack, t.Dropout(token, m.dropout, b.Rand))
		for _, row := range rows {
			p.add(row, i+1)
		}
	}
	x := t.Stack(stack...)
	for i, l := range m.layers {
		y := l.attend(t, x, m.heads, p)
		if i == len(m.layers)-1 {
			// Nothing reads the other tokens any more.
			x, y = t.Rows(x, 0, b.Size), t.Rows(y, 0, b.Size)
		}
		x = t.Add(x, t.Dropout(l.merge.Apply(t, y), m.dropout, b.Rand))
		y = t.GELU(l.wide.Apply(t, l.networkNorm.Apply(t, x)))
		x = t.Add(x, l.narrow.Apply(t, t.Dropout(y, m.dropout, b.Rand)))
	}
	return m.out.Apply(t, m.norm.Apply(t, x)), nil
}

// places says where the stacked tokens belong in a matrix with room for all tokens
// of all rows of the batch, row·tokens + token.
type places struct {
	tokens   int
	rows     []int32
	observed []bool // of all places
}

func (p *places) add(row int32, token int) {
	at := row*int32(p.tokens) + int32(token)
	p.rows = append(p.rows, at)
	p.observed[at] = true
}

// attend is multi-head self-attention among the tokens of each row, before the
// heads are merged.
func (l layer) attend(t *nn.Tape, x *nn.Var, heads int, p places) *nn.Var {
	x = l.attentionNorm.Apply(t, x)
	spread := func(projection *nn.Linear) *nn.Var {
		return t.Scatter(projection.Apply(t, x), p.rows, len(p.observed))
	}
	y := t.Attention(spread(l.query), spread(l.key), spread(l.value), heads, p.tokens, p.observed)
	return t.Gather(y, p.rows)
}
