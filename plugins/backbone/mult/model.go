package main

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "mult",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Tsai et al., Multimodal Transformer for Unaligned Multimodal Language Sequences, ACL 2019",
	Text: "MulT: the tokens of each modality attend to those of each other one in a crossmodal transformer for every " +
		"ordered pair, the results of a modality are put side by side and pass through self-attention, and a residual " +
		"network turns their means into h. A sequence has a token for each time step, a table or embedding some learned " +
		"ones. Tokens of a row that lacks the other modality are left as they are: attention to nothing adds nothing. The " +
		"mask shows through that, and through zeros for the modalities that a row lacks.",
	Hyperparameters: []sdk.Hyperparameter{
		{Name: "embed", Type: sdk.Int, Default: 30, Min: 1, Max: 1024, Log: true, Text: "Width of the tokens."},
		{Name: "tokens", Type: sdk.Int, Default: 4, Min: 2, Max: 256, Log: true, Text: "Number of tokens of a modality that is not a sequence."},
		{Name: "layers", Type: sdk.Int, Default: 3, Min: 1, Max: 12, Text: "Number of layers of every transformer."},
		{Name: "heads", Type: sdk.Int, Default: 3, Min: 1, Max: 64, Text: "Number of attention heads; it must divide embed."},
		{Name: "dropout", Type: sdk.Float, Default: 0.1, Min: 0, Max: 0.95, Text: "Rate of dropout after attention and in feed-forward networks, in training."},
		{Name: "embed_dropout", Type: sdk.Float, Default: 0.25, Min: 0, Max: 0.95, Text: "Rate of dropout of the tokens, in training."},
	},
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is section 3 of the paper. With tokens Z_i of modality i, Linear(x) of each
// time step or reshaped Linear(x) of a table, layers Z ← Z + MultiHead(N(Z), N(Z_j)),
// Z ← Z + Network(N(Z)) from Z_i make Z_{j→i} in the rows that have both; then
//
//	u_i = mean of the tokens of Transformer([Z_{j→i}, j ≠ i])   0 in rows without i
//	u   = [u_1; …; u_M],  h = Linear(u + W₂ ReLU(W₁ u))
//
// The mean takes the place of the last token, as rows of a table have no last one.
type model struct {
	params         nn.Params
	width          int
	dropout, embed float64
	channels       []*channel
	first, second  *nn.Linear
	out            *nn.Linear
	means          []*nn.Var
}

// channel is a modality as the target of the others.
type channel struct {
	raw     *encoder.Raw
	project *nn.Linear
	norm    *nn.LayerNorm // of the tokens when others attend to them
	count   int           // tokens of a row
	from    []*crossmodal // by source; nil for the modality itself
	layers  []*nn.TransformerLayer
	wide    int // width of a token in layers

	// Of a batch.
	x, keys *nn.Var // tokens [n·count, width]; nil if no row has the modality
	rows    []int32
	seen    []bool
	at      []int32 // of each row of the batch: its position in rows
	tokens  nn.Tokens
	parts   []*nn.Var
}

// crossmodal is the transformer of one ordered pair, with the tokens of a batch in rows
// that have both.
type crossmodal struct {
	layers        []crossLayer
	queries, keys []int32
	seen          []bool
}

type crossLayer struct {
	norm      *nn.LayerNorm
	attention *nn.MultiHeadAttention
	network   *nn.FeedForward
}

func build(c backbone.Config) (backbone.Model, error) {
	m, err := newModel(c)
	if err != nil {
		return nil, err
	}
	return backbone.FromTape(m), nil
}

func newModel(c backbone.Config) (*model, error) {
	d, heads, count := c.Int("embed"), c.Int("heads"), len(c.Modalities)
	if err := encoder.CheckHeads("embed", d, heads); err != nil {
		return nil, err
	}
	m := &model{width: d, dropout: c.Float("dropout"), embed: c.Float("embed_dropout")}
	ps, layers := &m.params, c.Int("layers")
	for i, modality := range c.Modalities {
		name := modality.Name
		l := &channel{raw: encoder.NewRaw(c, i), count: c.Int("tokens"), wide: max(1, count-1) * d}
		columns := l.count * d
		if l.raw.Sequence() {
			l.count, columns = l.raw.Tokens(), d
		}
		l.project = nn.NewLinear(ps, "token."+name, l.raw.Columns(), columns, c.Rand("token", i))
		if count > 1 {
			l.norm = nn.NewLayerNorm(ps, "norm."+name, d)
		}
		for j, source := range c.Modalities {
			if i == j {
				l.from = append(l.from, nil)
				continue
			}
			p := &crossmodal{}
			for k := range layers {
				name, r := fmt.Sprintf("%s.from.%s.%d", name, source.Name, k), c.Rand("cross", i, j, k)
				p.layers = append(p.layers, crossLayer{
					norm:      nn.NewLayerNorm(ps, name+".norm", d),
					attention: nn.NewMultiHeadAttention(ps, name+".attention", d, heads, r),
					network:   nn.NewFeedForward(ps, name+".network", d, 4*d, m.dropout, r),
				})
			}
			l.from = append(l.from, p)
		}
		for k := range layers {
			l.layers = append(l.layers, nn.NewTransformerLayer(ps, fmt.Sprintf("%s.self.%d", name, k), l.wide, heads, m.dropout, c.Rand("self", i, k)))
		}
		m.channels = append(m.channels, l)
	}
	u := count * max(1, count-1) * d
	r := c.Rand("out")
	m.first, m.second = nn.NewLinear(ps, "residual.0", u, u, r), nn.NewLinear(ps, "residual.1", u, u, r)
	m.out = nn.NewLinear(ps, "out", u, c.Width, r)
	return m, nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	for _, l := range m.channels {
		l.read(t, b, m)
	}
	m.means = m.means[:0]
	for _, l := range m.channels {
		m.means = append(m.means, m.target(t, b, l))
	}
	u := t.Concat(m.means...)
	residual := t.Dropout(m.first.ApplyReLU(t, u), m.dropout, b.Rand)
	return m.out.Apply(t, t.Add(u, m.second.Apply(t, residual))), nil
}

// read puts the tokens of a modality on the tape.
func (l *channel) read(t *nn.Tape, b *backbone.Batch, m *model) {
	var raw *nn.Var
	raw, l.seen, l.rows = l.raw.Read(t, b)
	if l.x = nil; raw == nil {
		return
	}
	x := l.project.Apply(t, raw)
	l.x = t.Dropout(t.Reshape(x, len(l.rows)*l.count, m.width), m.embed, b.Rand)
	if l.norm != nil {
		l.keys = l.norm.Apply(t, l.x)
	}
	l.at = l.at[:0]
	for range b.Size {
		l.at = append(l.at, -1)
	}
	for i, row := range l.rows {
		l.at[row] = int32(i)
	}
}

// target is u of a modality, [Size, wide].
func (m *model) target(t *nn.Tape, b *backbone.Batch, l *channel) *nn.Var {
	if l.x == nil {
		return t.Const(b.Size, l.wide, t.Scratch(b.Size*l.wide))
	}
	l.parts = l.parts[:0]
	for j, p := range l.from {
		if p != nil {
			l.parts = append(l.parts, m.cross(t, b, p, l, m.channels[j]))
		}
	}
	x := l.x
	if len(l.parts) > 0 {
		x = t.Concat(l.parts...)
	}
	l.tokens.Reset(b.Size, l.count)
	l.tokens.AddRuns(0, l.count, l.rows)
	share := t.Scratch(len(l.tokens.Place))
	for i, place := range l.tokens.Place {
		if l.seen != nil {
			l.tokens.Seen[place] = l.seen[i]
		}
	}
	for from := 0; from < len(share); from += l.count {
		n := 0
		for i := from; i < from+l.count; i++ {
			if l.seen == nil || l.seen[i] {
				share[i] = 1
				n++
			}
		}
		for i := from; i < from+l.count; i++ {
			share[i] /= float32(max(1, n))
		}
	}
	for _, layer := range l.layers {
		x = layer.Apply(t, x, &l.tokens, -1, b.Rand)
	}
	return l.tokens.Sum(t, t.MulRows(x, t.Const(x.Rows, 1, share)))
}

// cross is the tokens of target after attention to those of source.
func (m *model) cross(t *nn.Tape, b *backbone.Batch, p *crossmodal, target, source *channel) *nn.Var {
	if source.x == nil {
		return target.x
	}
	p.queries, p.keys, p.seen = p.queries[:0], p.keys[:0], p.seen[:0]
	for i, row := range target.rows {
		j := int(source.at[row])
		if j < 0 {
			continue
		}
		for s := range target.count {
			p.queries = append(p.queries, int32(i*target.count+s))
		}
		for s := range source.count {
			p.keys = append(p.keys, int32(j*source.count+s))
			p.seen = append(p.seen, source.seen == nil || source.seen[j*source.count+s])
		}
	}
	if len(p.queries) == 0 {
		return target.x
	}
	own, keys := t.Gather(target.x, p.queries), t.Gather(source.keys, p.keys)
	x := own
	for _, l := range p.layers {
		y := l.attention.ApplyCross(t, l.norm.Apply(t, x), keys, target.count, source.count, p.seen)
		x = l.network.Apply(t, t.Add(x, t.Dropout(y, m.dropout, b.Rand)), b.Rand)
	}
	return t.Add(target.x, t.Scatter(t.Sub(x, own), p.queries, target.x.Rows))
}
