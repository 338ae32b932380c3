package main

import (
	"math"
	"math/bits"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "drfuse",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Yao et al., DrFuse: Learning Disentangled Representation for Clinical Multi-Modal Fusion with Missing Modality and Modal Inconsistency, AAAI 2024",
	Text: "DrFuse: every modality is turned into a representation that it shares with the others and one of its own. " +
		"The shared ones of the observed modalities are pooled as probabilities, and h is read from an attention over the " +
		"pooled one and the observed distinct ones. Losses predict the label from each of them, keep shared and distinct " +
		"orthogonal, bring the shared ones of a patient together, and rank the attention by which of them predicts best. " +
		"The mask shows through how many representations share the attention. Extended from the two modalities of the " +
		"paper to any number. One attention serves all labels of a multi-label task, as h is one vector for all; and the " +
		"divergence of the shared representations counts both outcomes of each probability, so that it is one.",
	Hyperparameters: append(encoder.HyperparametersWith(256, 0.3),
		sdk.Hyperparameter{Name: "branch", Type: sdk.Float, Default: 1.0, Min: 0, Max: 100, Text: "Weight of the losses of predicting the label from each representation alone."},
		sdk.Hyperparameter{Name: "orthogonal", Type: sdk.Float, Default: 1.0, Min: 0, Max: 100, Text: "Weight of |cos| between shared and distinct representation."},
		sdk.Hyperparameter{Name: "align", Type: sdk.Float, Default: 1.0, Min: 0, Max: 100, Text: "Weight of the Jensen-Shannon divergence between the shared representations of a patient."},
		sdk.Hyperparameter{Name: "ranking", Type: sdk.Float, Default: 1.0, Min: 0, Max: 100, Text: "Weight of the loss that ranks the attention."},
		sdk.Hyperparameter{Name: "margin", Type: sdk.Float, Default: 0.1, Min: 0, Max: 1, Text: "By how much the attention to the representation that predicts better must be larger."},
	),
	Capabilities: sdk.Capabilities{NeedsLabels: true, BatchIndependent: true, Deterministic: true},
}

// model is section 3 of the paper with shared s_m = S(ReLU(A_m e_m)), where S is
// common to all modalities, and distinct p_m = D_m(e_m), both two-layer networks:
//
//	s = logit(mean of σ(s_m) over the observed m)               (pooling of logits)
//	w = softmax_k(q̄ᵀ K t_k/√d), q̄ = mean_k Q t_k, t = (p_m observed; s)
//	h = Linear(Σ_k w_k V t_k)
//
// The losses are Σ_k of the mean loss of the label predicted from t_k alone; Σ_m of
// the mean of |cos(s_m, p_m)|; the mean over patients with several modalities, and
// over columns, of H(mean σ(s_m)) - mean H(σ(s_m)), the Jensen-Shannon divergence of
// Bernoulli distributions; and the mean over all pairs of representations of
// max(0, margin - sign(l_j - l_i)·(w_i - w_j)) for their losses l.
type model struct {
	params  nn.Params
	task    sdk.Task
	weights [4]float64
	margin  float64
	width   int

	encoders          *encoder.Set
	shared            []*nn.Linear
	common            *nn.MLP
	distinct          []*nn.MLP
	query, key, value *nn.Linear
	out               *nn.Linear
	heads             []*nn.Linear // of the distinct representations, then of s
	pairs             []float32    // [heads, pairs]: 1 and -1 at the first and the second
	branches          []string     // names of the losses of the distinct representations

	tokens nn.Tokens
	stack  []*nn.Var
	own    []own
	losses []*nn.Var
	known  []int32 // rows with a modality
	terms  []backbone.Term
}

// own is what an observed modality has for itself.
type own struct {
	modality         int
	rows             []int32
	shared, distinct *nn.Var // [n, width]
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	m := &model{
		task: c.Task, margin: c.Float("margin"), width: c.Int("hidden"),
		weights: [4]float64{c.Float("branch"), c.Float("orthogonal"), c.Float("align"), c.Float("ranking")},
	}
	ps, d, dropout := &m.params, m.width, c.Float("dropout")
	m.encoders = encoder.For(ps, c, d)
	m.common = nn.NewMLP(ps, "common", []int{d, d, d}, nil, dropout, c.Rand("common"))
	for i, modality := range c.Modalities {
		r := c.Rand("modality", i)
		m.shared = append(m.shared, nn.NewLinear(ps, "shared."+modality.Name, d, d, r))
		m.distinct = append(m.distinct, nn.NewMLP(ps, "distinct."+modality.Name, []int{d, d, d}, nil, dropout, r))
		m.heads = append(m.heads, nn.NewLinear(ps, "head."+modality.Name, d, c.Task.Outputs(), r))
		m.branches = append(m.branches, "branch_"+modality.Name)
	}
	r := c.Rand("attention")
	m.query, m.key, m.value = nn.NewLinear(ps, "query", d, d, r), nn.NewLinear(ps, "key", d, d, r), nn.NewLinear(ps, "value", d, d, r)
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	m.heads = append(m.heads, nn.NewLinear(ps, "pooled.head", d, c.Task.Outputs(), c.Rand("head")))
	m.pairs = differences(len(m.heads))
	return m
}

// differences has a column for each pair i < j of n, 1 in row i and -1 in row j.
func differences(n int) []float32 {
	cols := n * (n - 1) / 2
	out := make([]float32, n*cols)
	at := 0
	for i := range n {
		for j := i + 1; j < n; j++ {
			out[i*cols+at], out[j*cols+at] = 1, -1
			at++
		}
	}
	return out
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.tokens.Reset(b.Size, len(m.heads))
	m.own, m.stack = m.own[:0], m.stack[:0]
	for i := range m.shared {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			continue
		}
		o := own{i, rows, m.common.Apply(t, m.shared[i].ApplyReLU(t, e), b.Rand), m.distinct[i].Apply(t, e, b.Rand)}
		m.own, m.stack = append(m.own, o), append(m.stack, o.distinct)
		m.tokens.Add(i, rows)
	}
	pooled := m.pool(t, b)
	m.stack = append(m.stack, pooled)
	m.tokens.Add(len(m.shared), b.All())

	x := t.Stack(m.stack...)
	share := t.Scratch(b.Size)
	for i, a := range b.Availability {
		share[i] = 1 / float32(1+bits.OnesCount64(a))
	}
	query := t.MulRows(m.tokens.Sum(t, m.query.Apply(t, x)), t.Const(b.Size, 1, share))
	scores := t.SumCols(t.Mul(t.Gather(query, m.tokens.Rows), m.key.Apply(t, x)))
	attention := m.tokens.Softmax(t, t.Scale(scores, 1/math.Sqrt(float64(m.width))))
	h := m.out.Apply(t, m.tokens.Sum(t, m.tokens.Weigh(t, m.value.Apply(t, x), attention)))
	if !b.Train || b.Labels == nil {
		return h, nil
	}
	m.terms = m.terms[:0]
	m.predict(t, b, pooled)
	m.terms = append(m.terms,
		backbone.Term{Name: "orthogonal", Weight: m.weights[1], Value: m.angle(t)},
		backbone.Term{Name: "align", Weight: m.weights[2], Value: m.divergence(t, b, pooled)},
		backbone.Term{Name: "ranking", Weight: m.weights[3], Value: m.rank(t, b, attention)},
	)
	return h, m.terms
}

// floor keeps the logarithm of a pooled probability finite.
const floor = 1e-12

// pool is s, [Size, width]: 0 for a row without any modality.
func (m *model) pool(t *nn.Tape, b *backbone.Batch) *nn.Var {
	yes := t.Const(b.Size, m.width, t.Scratch(b.Size*m.width))
	no := yes
	for _, o := range m.own {
		yes = t.Add(yes, t.Scatter(t.Sigmoid(o.shared), o.rows, b.Size))
		no = t.Add(no, t.Scatter(t.Sigmoid(t.Scale(o.shared, -1)), o.rows, b.Size))
	}
	share := m.share(t, b)
	return t.Sub(t.Log(t.Shift(t.MulRows(yes, share), floor)), t.Log(t.Shift(t.MulRows(no, share), floor)))
}

// share is 1/n for each row with n modalities, [Size, 1].
func (m *model) share(t *nn.Tape, b *backbone.Batch) *nn.Var {
	out := t.Scratch(b.Size)
	for i, a := range b.Availability {
		out[i] = 1 / float32(max(1, bits.OnesCount64(a)))
	}
	return t.Const(b.Size, 1, out)
}

// predict adds the losses of all heads to the terms; m.losses are those of the rows, as
// the heads of m.own and the pooled one.
func (m *model) predict(t *nn.Tape, b *backbone.Batch, pooled *nn.Var) {
	m.losses, m.known = m.losses[:0], m.known[:0]
	for _, o := range m.own {
		loss := b.Loss(t, m.task, m.heads[o.modality].Apply(t, o.distinct), o.rows)
		m.losses = append(m.losses, loss)
		m.terms = append(m.terms, backbone.Term{Name: m.branches[o.modality], Weight: m.weights[0], Rows: loss, Of: o.rows})
	}
	for i, a := range b.Availability {
		if a != 0 {
			m.known = append(m.known, int32(i))
		}
	}
	loss := b.Loss(t, m.task, m.heads[len(m.shared)].Apply(t, pooled), b.All())
	m.losses = append(m.losses, loss)
	m.terms = append(m.terms, backbone.Term{Name: "branch", Weight: m.weights[0], Rows: t.Gather(loss, m.known), Of: m.known})
}

// atLeast is 1 for rows with n modalities or more, [Size].
func (m *model) atLeast(t *nn.Tape, b *backbone.Batch, n int) []float32 {
	out := t.Scratch(b.Size)
	for i, a := range b.Availability {
		if bits.OnesCount64(a) >= n {
			out[i] = 1
		}
	}
	return out
}

func (m *model) angle(t *nn.Tape) *nn.Var {
	sum := t.Const(1, 1, t.Scratch(1))
	for _, o := range m.own {
		sum = t.Add(sum, t.WeightedMean(t.Abs(t.Cosine(o.shared, o.distinct)), nil))
	}
	return sum
}

func (m *model) divergence(t *nn.Tape, b *backbone.Batch, pooled *nn.Var) *nn.Var {
	mean := t.Const(b.Size, 1, t.Scratch(b.Size))
	for _, o := range m.own {
		mean = t.Add(mean, t.Scatter(entropy(t, o.shared), o.rows, b.Size))
	}
	mean = t.Mul(mean, m.share(t, b))
	return t.WeightedMean(t.Sub(entropy(t, pooled), mean), m.atLeast(t, b, 2))
}

// entropy is the mean over the columns of the entropy of σ(s), [n, 1].
func entropy(t *nn.Tape, s *nn.Var) *nn.Var {
	return t.MeanCols(t.Sub(t.Softplus(s), t.Mul(s, t.Sigmoid(s))))
}

// rank reads the losses that predict left. They are targets: no gradient goes there.
func (m *model) rank(t *nn.Tape, b *backbone.Batch, attention *nn.Var) *nn.Var {
	n := len(m.heads)
	cols := len(m.pairs) / n
	losses, seen := t.Scratch(b.Size*n), m.tokens.Seen
	places := m.tokens.Place
	for _, loss := range m.losses { // in the order of the tokens
		for i, v := range loss.Value {
			losses[places[i]] = v
		}
		places = places[loss.Rows:]
	}
	sign, both, margin := t.Scratch(b.Size*cols), t.Scratch(b.Size*cols), t.Scratch(b.Size*cols)
	at := 0
	for row := range b.Size {
		for i := range n {
			for j := i + 1; j < n; j++ {
				first, second := row*n+i, row*n+j
				if seen[first] && seen[second] {
					both[at], margin[at] = 1, float32(m.margin)
					switch {
					case losses[first] < losses[second]:
						sign[at] = -1
					case losses[first] > losses[second]:
						sign[at] = 1
					}
				}
				at++
			}
		}
	}
	gaps := t.MatMul(attention, t.Const(n, cols, m.pairs))
	hinge := t.ReLU(t.Add(t.Mul(gaps, t.Const(b.Size, cols, sign)), t.Const(b.Size, cols, margin)))
	return t.WeightedMean(t.Reshape(hinge, b.Size*cols, 1), both)
}
