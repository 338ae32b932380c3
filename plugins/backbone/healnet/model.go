package main

import (
	"fmt"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "healnet",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Hemker et al., HEALNet: Multimodal Fusion for Heterogeneous Biomedical Data, NeurIPS 2024",
	Text: "HEALNet: an array of learned latents is updated, in every layer, by cross-attention to the raw tokens of one " +
		"observed modality after the other and by self-attention, and h is read from the mean of the latents. A table is " +
		"one token, a sequence one for each time step, with Fourier features of its position. Missing modalities are " +
		"skipped, so the mask shows through the number of updates only. Repaired: skipping follows the mask, not an " +
		"error that is caught; features, which are standardised by column already, are not normalised once more across " +
		"the columns of a row. The defaults are smaller than the 128 latents of width 128 of the paper, which cost " +
		"seconds a step without an accelerator.",
	Hyperparameters: []sdk.Hyperparameter{
		{Name: "hidden", Type: sdk.Int, Default: 64, Min: 1, Max: 4096, Log: true, Text: "Width of the latents."},
		{Name: "latents", Type: sdk.Int, Default: 16, Min: 1, Max: 1024, Log: true, Text: "Number of latents."},
		{Name: "layers", Type: sdk.Int, Default: 3, Min: 1, Max: 12, Text: "Number of layers (depth)."},
		{Name: "heads", Type: sdk.Int, Default: 8, Min: 1, Max: 64, Text: "Number of attention heads; it must divide hidden."},
		{Name: "dropout", Type: sdk.Float, Default: 0.25, Min: 0, Max: 0.95, Text: "Rate of dropout after attention and in feed-forward networks, in training."},
	},
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is algorithm 1 of the paper. With latents S, the tokens X_m of the observed m
// and N for layer normalisation, every layer does
//
//	S ← S + CrossAttention(N(S), X_m),  S ← S + Network(N(S))   for observed m in order
//	S ← S + SelfAttention(N(S)),        S ← S + Network(N(S))
//
// and h = Linear(N(mean of S)).
type model struct {
	params       nn.Params
	start        *nn.Param // [latents, hidden]
	layers       []layer
	norm         *nn.LayerNorm
	out          *nn.Linear
	count, width int // of latents
	heads        int
	dropout      float64

	// Latents are stacked: the first of all rows, then the second of all rows.
	tokens nn.Tokens
	inputs []input
}

// input is a modality of a batch.
type input struct {
	raw     *encoder.Raw
	tokens  *nn.Var // nil if no row has it
	seen    []bool
	latents []int32 // of those rows, row by row, in the stack
}

type layer struct {
	cross []cross // one for each modality
	self  *nn.TransformerLayer
}

// cross is an update of the latents by one modality. A table has one token, whose
// value is all that attention can answer: it has neither norm nor query nor key.
type cross struct {
	norm                     *nn.LayerNorm
	query, key, value, merge *nn.Linear
	network                  *nn.FeedForward
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
	if err := encoder.CheckHeads("hidden", d, heads); err != nil {
		return nil, err
	}
	m := &model{count: c.Int("latents"), width: d, heads: heads, dropout: c.Float("dropout")}
	ps := &m.params
	m.start = ps.New("latents", m.count, d, nn.Normal(c.Rand("latents"), 1))
	for i := range c.Modalities {
		m.inputs = append(m.inputs, input{raw: encoder.NewRaw(c, i)})
	}
	for i := range c.Int("layers") {
		var l layer
		for k, modality := range c.Modalities {
			raw := m.inputs[k].raw
			l.cross = append(l.cross, newCross(ps, fmt.Sprintf("layer%d.%s", i, modality.Name), d, raw.Columns(), raw.Sequence(), m.dropout, c.Rand("cross", i, k)))
		}
		l.self = nn.NewTransformerLayer(ps, fmt.Sprintf("layer%d.self", i), d, heads, m.dropout, c.Rand("self", i))
		m.layers = append(m.layers, l)
	}
	m.norm = nn.NewLayerNorm(ps, "norm", d)
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m, nil
}

func newCross(ps *nn.Params, name string, d, width int, sequence bool, dropout float64, r *rand.Rand) cross {
	var l cross
	if sequence {
		l.norm = nn.NewLayerNorm(ps, name+".norm", d)
		l.query, l.key = nn.NewLinear(ps, name+".query", d, d, r), nn.NewLinear(ps, name+".key", width, d, r)
	}
	l.value, l.merge = nn.NewLinear(ps, name+".value", width, d, r), nn.NewLinear(ps, name+".merge", d, d, r)
	l.network = nn.NewFeedForward(ps, name+".network", d, 4*d, dropout, r)
	return l
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.tokens.Reset(b.Size, m.count)
	all := b.All()
	for k := range m.count {
		m.tokens.Add(k, all)
	}
	for i := range m.inputs {
		m.inputs[i].read(t, b, m.count)
	}
	x := t.Repeat(t.Param(m.start), b.Size)
	for _, l := range m.layers {
		for i := range l.cross {
			if in := &m.inputs[i]; in.tokens != nil {
				x = m.attend(t, b, x, l.cross[i], in)
			}
		}
		x = l.self.Apply(t, x, &m.tokens, -1, b.Rand)
	}
	mean := t.Scale(m.tokens.Sum(t, x), 1/float64(m.count))
	return m.out.Apply(t, m.norm.Apply(t, mean)), nil
}

// read puts the tokens on the tape, for as many latents a row.
func (in *input) read(t *nn.Tape, b *backbone.Batch, latents int) {
	var rows []int32
	in.tokens, in.seen, rows = in.raw.Read(t, b)
	in.latents = in.latents[:0]
	for _, row := range rows {
		for k := range latents {
			in.latents = append(in.latents, int32(k*b.Size)+row)
		}
	}
}

// attend updates the latents of the rows that have a modality.
func (m *model) attend(t *nn.Tape, b *backbone.Batch, x *nn.Var, c cross, in *input) *nn.Var {
	old := t.Gather(x, in.latents)
	value := c.value.Apply(t, in.tokens)
	var y *nn.Var
	if c.query == nil {
		y = t.Repeat(c.merge.Apply(t, value), m.count)
	} else {
		query, key := c.query.Apply(t, c.norm.Apply(t, old)), c.key.Apply(t, in.tokens)
		y = c.merge.Apply(t, t.CrossAttention(query, key, value, m.heads, m.count, in.raw.Tokens(), in.seen))
	}
	y = c.network.Apply(t, t.Add(old, t.Dropout(y, m.dropout, b.Rand)), b.Rand)
	return t.Add(x, t.Scatter(t.Sub(y, old), in.latents, x.Rows))
}
