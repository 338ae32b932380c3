package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "m3care",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Zhang et al., M3Care: Learning with Missing Modalities in Multimodal Healthcare Data, KDD 2022",
	Text: "M3Care: patients are linked by how similar the modalities are that both have; the embedding of every modality " +
		"passes through two graph convolutions on these links, which also make one for patients who lack it; and a " +
		"transformer over the tokens of all modalities, made ones included, gives h. The mask shows weakly, through the " +
		"filled embeddings. Repaired: outside training the graph links a row to the latest training rows and to itself, " +
		"so that a prediction does not depend on who else is in the batch; links of a row are divided by their sum, so " +
		"that convolutions do not grow with the batch; and the stabiliser, which known code computes and drops, is a loss.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.5),
		sdk.Hyperparameter{Name: "heads", Type: sdk.Int, Default: 4, Min: 1, Max: 64, Text: "Number of attention heads of the first transformer layer, the second has one; it must divide hidden."},
		sdk.Hyperparameter{Name: "bank", Type: sdk.Int, Default: 256, Min: 1, Max: 4096, Log: true, Text: "Number of the latest training rows that rows are linked to outside training."},
		sdk.Hyperparameter{Name: "stabiliser", Type: sdk.Float, Default: 0.1, Min: 0, Max: 100, Text: "Weight of keeping the norm of embeddings in the space where they are compared."},
		sdk.Hyperparameter{
			Name: "batch_independent", Type: sdk.Bool, Default: true,
			Text: "Link rows to training rows outside training. If false they are linked to each other, as published.",
		},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is section 4 of the paper. With embeddings h_m, column-standardised N and the
// kernel k(x, y) = mean of exp(-|x-y|²/b) over b = β/2, β, 2β for the mean β of the
// squared distances,
//
//	S_m = (1-σ(ε_m)) k(N ReLU(P_m h_m)) + σ(ε_m) k(N h_m)
//	S   = mean of S_m over the modalities that both rows have
//	A   = ReLU(S - σ(θ)), rows divided by their sum
//	g_m = ReLU(A·r V + b), r = ReLU(A·h_m W + a), where h_m is 0 if it is missing
//	t_m = (w g_m + v h_m)/(w + v)  if observed, w = σ(linear g_m), v = σ(linear h_m)
//	t_m = g_m                      if missing
//	h   = MLP([two transformer layers on t_m + type_m])
//
// The loss is Σ_m of the mean of | |P_m h_m| - |h_m| |.
type model struct {
	params     nn.Params
	width      int
	dropout    float64
	stabiliser float64
	frozen     bool

	encoders  *encoder.Set
	channels  []channel
	threshold *nn.Param // θ
	kind      *nn.Param // token types, [modalities, hidden]
	layers    [2]*nn.TransformerLayer
	out       *nn.MLP

	bank      *bank
	rows      []int32 // of the bank and the batch
	pattern   []uint64
	has       [][]bool // of modality m: whether each of the rows has it
	embedding []*nn.Var
	stack     []*nn.Var
	tokens    nn.Tokens
	terms     [1]backbone.Term
}

// channel is what a modality has for itself.
type channel struct {
	space          *nn.Linear // P
	mix            *nn.Param  // ε
	first, second  *nn.Linear // of the graph convolutions
	made, own      *nn.Linear // gates
	projected, raw *nn.Running
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
	m := &model{
		width: d, dropout: c.Float("dropout"), stabiliser: c.Float("stabiliser"), frozen: c.Bool("batch_independent"),
		bank: newBank(c.Int("bank")), has: make([][]bool, len(c.Modalities)),
	}
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	for i, modality := range c.Modalities {
		name, r := modality.Name, c.Rand("channel", i)
		m.channels = append(m.channels, channel{
			space:     nn.NewLinear(ps, "space."+name, d, d, r),
			mix:       ps.New("mix."+name, 1, 1, nil),
			first:     nn.NewLinear(ps, "convolution."+name+".0", d, d, r),
			second:    nn.NewLinear(ps, "convolution."+name+".1", d, d, r),
			made:      nn.NewLinear(ps, "gate.made."+name, d, 1, r),
			own:       nn.NewLinear(ps, "gate.own."+name, d, 1, r),
			projected: nn.NewRunning(d),
			raw:       nn.NewRunning(d),
		})
	}
	m.threshold = ps.New("threshold", 1, 1, func(p *nn.Param) { p.Value[0] = 2 })
	m.threshold.NoDecay = true
	m.kind = ps.New("type", len(c.Modalities), d, nn.Normal(c.Rand("type"), 0.02))
	for i, heads := range []int{heads, 1} {
		m.layers[i] = nn.NewTransformerLayer(ps, []string{"layer0", "layer1"}[i], d, heads, m.dropout, c.Rand("layer", i))
	}
	m.out = nn.NewMLP(ps, "out", []int{len(c.Modalities) * d, 2 * d, c.Width}, nil, m.dropout, c.Rand("out"))
	return m, nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	size, known := b.Size, 0 // rows of the batch, and of the bank before them
	if !b.Train && m.frozen {
		known = len(m.bank.rows)
		own := *b
		m.rows, m.pattern = append(append(m.rows[:0], m.bank.rows...), b.Rows...), append(append(m.pattern[:0], m.bank.availability...), b.Availability...)
		b.Size, b.Rows, b.Availability = known+size, m.rows, m.pattern
		defer func() { b.Size, b.Rows, b.Availability = own.Size, own.Rows, own.Availability }()
	}
	links, norms := m.graph(t, b, known)
	m.tokens.Reset(size, len(m.channels))
	m.stack = m.stack[:0]
	kinds := t.Param(m.kind)
	for i := range m.channels {
		token := m.channels[i].fill(t, links, m.embedding[i], m.has[i])
		token = t.AddRow(t.Rows(token, known, known+size), t.Rows(kinds, i, i+1))
		m.stack = append(m.stack, token)
	}
	x := t.Stack(m.stack...)
	b.Size = size
	all := b.All()
	for i := range m.channels {
		m.tokens.Add(i, all)
	}
	for _, l := range m.layers {
		x = l.Apply(t, x, &m.tokens, -1, b.Rand)
	}
	for i := range m.stack {
		m.stack[i] = t.Rows(x, i*size, (i+1)*size)
	}
	h := m.out.Apply(t, t.Concat(m.stack...), b.Rand)
	if !b.Train {
		return h, nil
	}
	m.bank.observe(t, h, b)
	m.terms[0] = backbone.Term{Name: "stabiliser", Weight: m.stabiliser, Value: norms}
	return h, m.terms[:]
}

// fill is t_m of all rows, given h_m, which is 0 where has is false.
func (c *channel) fill(t *nn.Tape, links, h *nn.Var, has []bool) *nn.Var {
	g := c.first.ApplyReLU(t, t.MatMul(links, h))
	g = c.second.ApplyReLU(t, t.MatMul(links, g))
	made, own := t.Sigmoid(c.made.Apply(t, g)), t.Sigmoid(c.own.Apply(t, h))
	both := t.Add(t.MulRows(g, made), t.MulRows(h, own))
	sum := t.Add(made, own)
	return t.Where(has, t.MulRows(both, inverse(t, sum)), g)
}

// inverse is 1/x, [n, 1].
func inverse(t *nn.Tape, x *nn.Var) *nn.Var {
	ones := t.Scratch(x.Rows)
	for i := range ones {
		ones[i] = 1
	}
	return t.Div(t.Const(x.Rows, 1, ones), x)
}
