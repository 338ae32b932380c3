package main

import (
	"fmt"
	"math/bits"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "flexmoe",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Yun et al., Flex-MoE: Modeling Arbitrary Modality Combination via the Flexible Mixture-of-Experts, NeurIPS 2024",
	Text: "Flex-MoE: the embedding of every modality is cut into patch tokens, those of a missing modality come from a " +
		"learned bank with an entry for each pair of observed combination and missing modality, and transformer layers " +
		"with a sparse mixture of experts give h. Routing losses balance the experts and send rows with missing " +
		"modalities to the expert of their combination. The mask is explicit: bank and router are told the combination " +
		"by design. Repaired: the residual of the attention is added to its input; combinations beyond the number of " +
		"experts share those that there are. The order of training by the number of modalities is left to the host.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.5),
		sdk.Hyperparameter{Name: "patches", Type: sdk.Int, Default: 16, Min: 1, Max: 256, Log: true, Text: "Number of patch tokens of a modality."},
		sdk.Hyperparameter{Name: "layers", Type: sdk.Int, Default: 1, Min: 1, Max: 12, Text: "Number of transformer layers; the first, third and so on have experts, the others one network."},
		sdk.Hyperparameter{Name: "heads", Type: sdk.Int, Default: 4, Min: 1, Max: 64, Text: "Number of attention heads; it must divide hidden."},
		sdk.Hyperparameter{Name: "experts", Type: sdk.Int, Default: 16, Min: 2, Max: 256, Text: "Number of experts."},
		sdk.Hyperparameter{Name: "top", Type: sdk.Int, Default: 4, Min: 1, Max: 256, Text: "Number of experts that a token is sent to, at most experts."},
		sdk.Hyperparameter{Name: "gate", Type: sdk.Float, Default: 0.01, Min: 0, Max: 100, Text: "Weight of the routing losses."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// maxModalities bounds the bank, which doubles with every modality.
const maxModalities = 10

// model is section 3 of the paper. A token of modality m and patch p is
// Linear_m(patch p of e_m), or bank[combination, m, p] if m is missing, plus
// position[m, p]. A layer is attention over all tokens and, in the odd ones, experts
// with noisy top gates of scores N(x)·W, both pre-norm with residual; h is an MLP of
// the means over the patches of each modality.
//
// The routing losses of a layer are, over the tokens of complete rows and of the
// others apart, the squared coefficients of variation of importance (the sums of the
// gates) and load, in the others without expert 0; and the mean cross-entropy of the
// scores of the others' tokens with their combination. Combinations are numbered by
// size, descending, so that 0 is the complete one.
type model struct {
	params  nn.Params
	dropout float64
	weight  float64
	patches int
	size    int // of a patch
	width   int // of a token
	experts int

	encoders *encoder.Set
	embed    []*nn.Linear
	bank     *nn.Param // [combination·modalities·patches, hidden]
	position *nn.Param // [modalities·patches, hidden]
	layers   []layer
	out      *nn.MLP
	number   []int32 // of every pattern: its combination

	tokens nn.Tokens
	stack  []*nn.Var
	ids    []int32 // in the bank
	places []int32 // positions
	absent [][]int32
	class  []int32 // of incomplete tokens
	split  [2][]int32
	pooled []int32
	terms  [1]backbone.Term
}

type layer struct {
	attention *nn.TokenAttention
	norm      *nn.LayerNorm // of the experts
	scores    *nn.Param     // [hidden, experts]
	gates     *nn.NoisyTop
	experts   *nn.Experts
	network   *nn.FeedForward // instead of experts
}

func build(c backbone.Config) (backbone.Model, error) {
	m, err := newModel(c)
	if err != nil {
		return nil, err
	}
	return backbone.FromTape(m), nil
}

func newModel(c backbone.Config) (*model, error) {
	d, heads, count := c.Int("hidden"), c.Int("heads"), len(c.Modalities)
	if err := encoder.CheckHeads("hidden", d, heads); err != nil {
		return nil, err
	}
	if count > maxModalities {
		return nil, sdk.Errorf(sdk.CodeUnsupported, "backbone flexmoe has a bank for each combination of at most %d modalities, not %d", maxModalities, count)
	}
	m := &model{
		dropout: c.Float("dropout"), weight: c.Float("gate"), patches: c.Int("patches"), width: d, experts: c.Int("experts"),
		number: combinations(count), absent: make([][]int32, count),
	}
	top := c.Int("top")
	if top > m.experts {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "backbone flexmoe: top is %d of %d experts", top, m.experts)
	}
	m.size = (d + m.patches - 1) / m.patches
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	for i, modality := range c.Modalities {
		m.embed = append(m.embed, nn.NewLinear(ps, "patch."+modality.Name, m.size, d, c.Rand("patch", i)))
	}
	m.bank = ps.New("bank", len(m.number)*count*m.patches, d, nn.Normal(c.Rand("bank"), 1))
	m.position = ps.New("position", count*m.patches, d, nn.Zeros)
	for i := range c.Int("layers") {
		name, r := fmt.Sprintf("layer%d", i), c.Rand("layer", i)
		l := layer{attention: nn.NewTokenAttention(ps, name+".attention", d, heads, m.dropout, r)}
		if i%2 == 1 {
			l.network = nn.NewFeedForward(ps, name+".network", d, 2*d, m.dropout, r)
		} else {
			l.norm = nn.NewLayerNorm(ps, name+".norm", d)
			l.scores = ps.New(name+".scores", d, m.experts, nn.KaimingUniform(r))
			l.gates = nn.NewNoisyTop(ps, name+".noise", d, m.experts, top)
			l.experts = nn.NewExperts(ps, name+".expert", m.experts, d, 2*d, d, (*nn.Tape).GELU, m.dropout, r)
		}
		m.layers = append(m.layers, l)
	}
	m.out = nn.NewMLP(ps, "out", []int{count * d, d, c.Width}, nil, m.dropout, c.Rand("out"))
	return m, nil
}

// combinations numbers the patterns of n modalities by size, descending, and of one
// size by their bits; a row without any modality is last.
func combinations(n int) []int32 {
	patterns := make([]uint64, 1<<n)
	for i := range patterns {
		patterns[i] = uint64(i)
	}
	slices.SortStableFunc(patterns, func(a, b uint64) int { return bits.OnesCount64(b) - bits.OnesCount64(a) })
	number := make([]int32, len(patterns))
	for i, p := range patterns {
		number[p] = int32(i)
	}
	return number
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	x := m.input(t, b)
	if b.Train {
		m.sort(b)
	}
	loss := t.Const(1, 1, t.Scratch(1))
	for _, l := range m.layers {
		x = l.attention.Apply(t, x, &m.tokens, -1, b.Rand)
		if l.network != nil {
			x = l.network.Apply(t, x, b.Rand)
			continue
		}
		z := l.norm.Apply(t, x)
		scores := t.Linear(z, t.Param(l.scores), nil)
		gates, load := l.gates.Apply(t, z, scores, b.Rand)
		x = t.Add(x, t.Dropout(l.experts.Apply(t, z, gates, b.Rand), m.dropout, b.Rand))
		if b.Train {
			loss = t.Add(loss, m.route(t, scores, gates, load))
		}
	}
	// The means over the patches of each modality, side by side.
	count := len(m.embed)
	m.pooled = m.pooled[:0]
	for _, place := range m.tokens.Place {
		m.pooled = append(m.pooled, place/int32(m.patches))
	}
	mean := t.Scale(t.Scatter(x, m.pooled, b.Size*count), 1/float64(m.patches))
	h := m.out.Apply(t, t.Reshape(mean, b.Size, count*m.width), b.Rand)
	if !b.Train {
		return h, nil
	}
	m.terms[0] = backbone.Term{Name: "gate", Weight: m.weight, Value: loss}
	return h, m.terms[:]
}

// input is the tokens of all rows, observed or from the bank.
func (m *model) input(t *nn.Tape, b *backbone.Batch) *nn.Var {
	count := len(m.embed)
	m.tokens.Reset(b.Size, count*m.patches)
	m.stack, m.ids, m.places = m.stack[:0], m.ids[:0], m.places[:0]
	for i := range m.embed {
		if e, rows := m.encoders.Observed(t, b, i); e != nil {
			if fill := m.patches*m.size - m.width; fill > 0 {
				e = t.Concat(e, t.Const(e.Rows, fill, t.Scratch(e.Rows*fill)))
			}
			m.stack = append(m.stack, m.embed[i].Apply(t, t.Reshape(e, e.Rows*m.patches, m.size)))
			m.tokens.AddRuns(i*m.patches, m.patches, rows)
		}
	}
	for i := range m.embed {
		m.absent[i] = m.absent[i][:0]
		for row, a := range b.Availability {
			if a>>i&1 == 1 {
				continue
			}
			m.absent[i] = append(m.absent[i], int32(row))
			for p := range m.patches {
				m.ids = append(m.ids, (m.number[a]*int32(count)+int32(i))*int32(m.patches)+int32(p))
			}
		}
		m.tokens.AddRuns(i*m.patches, m.patches, m.absent[i])
	}
	m.stack = append(m.stack, t.Embedding(t.Param(m.bank), m.ids))
	for _, place := range m.tokens.Place {
		m.places = append(m.places, place%int32(count*m.patches))
	}
	return t.Add(t.Stack(m.stack...), t.Gather(t.Param(m.position), m.places))
}

// sort tells the tokens of complete rows, in m.split[0], from those of others, and
// finds the experts of these.
func (m *model) sort(b *backbone.Batch) {
	m.split[0], m.split[1], m.class = m.split[0][:0], m.split[1][:0], m.class[:0]
	for i, row := range m.tokens.Rows {
		number := m.number[b.Availability[row]]
		if number == 0 {
			m.split[0] = append(m.split[0], int32(i))
			continue
		}
		m.split[1] = append(m.split[1], int32(i))
		m.class = append(m.class, 1+(number-1)%int32(m.experts-1))
	}
}

// route is the sum of the routing losses of a layer.
func (m *model) route(t *nn.Tape, scores, gates, load *nn.Var) *nn.Var {
	loss := t.Const(1, 1, t.Scratch(1))
	for incomplete, tokens := range m.split {
		if len(tokens) == 0 {
			continue
		}
		loss = t.Add(loss, t.Variation(t.SumRows(t.Slice(t.Gather(gates, tokens), incomplete, m.experts))))
		if load != nil {
			loss = t.Add(loss, t.Variation(t.SumRows(t.Slice(t.Gather(load, tokens), incomplete, m.experts))))
		}
	}
	if len(m.class) > 0 {
		loss = t.Add(loss, t.WeightedMean(t.CrossEntropy(t.Gather(scores, m.split[1]), m.class), nil))
	}
	return loss
}
