package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// NoisyTop turns the scores of experts into gates as Shazeer et al. (Outrageously
// Large Neural Networks, ICLR 2017) do: the softmax over the K largest of
// scores + noise·softplus(x·W), without noise outside training.
type NoisyTop struct {
	K     int
	Noise *Param // W, [in, experts]
	// Draw fills a slice with standard normal numbers; nil draws from the stream of
	// Apply.
	Draw func(dst []float32)
}

// NewNoisyTop makes the parameter name, zero as in the paper. k is from 1 to experts.
func NewNoisyTop(ps *Params, name string, in, experts, k int) *NoisyTop {
	if k < 1 || k > experts {
		panic(fmt.Sprintf("nn: gates %s: %d of %d experts", name, k, experts))
	}
	return &NoisyTop{K: k, Noise: ps.New(name, in, experts, Zeros)}
}

// Apply maps x [B, in] and scores [B, experts] to gates [B, experts], of which K in a
// row are not zero and sum to 1, and to load [B, experts]: the probability, over
// another draw of its own noise, that an expert is among the K (equations 8 and 9).
// Load is nil outside training, where r is nil, and if all experts are taken.
func (l *NoisyTop) Apply(t *Tape, x, scores *Var, r *rand.Rand) (gates, load *Var) {
	if r == nil {
		return t.TopSoftmax(scores, l.K), nil
	}
	draws := t.arena.alloc(len(scores.Value))
	if l.Draw != nil {
		l.Draw(draws)
	} else {
		for i := range draws {
			draws[i] = float32(r.NormFloat64())
		}
	}
	// As in the authors' code, so that noise never vanishes.
	scale := t.Shift(t.Softplus(t.Linear(x, t.Param(l.Noise), nil)), 1e-2)
	noisy := t.Add(scores, t.Mul(t.Const(scores.Rows, scores.Cols, draws), scale))
	gates = t.TopSoftmax(noisy, l.K)
	if l.K == scores.Cols {
		return gates, nil
	}
	// The element that an expert must exceed: the K-th largest of the others.
	n := scores.Cols
	bar := t.int32s.alloc(len(noisy.Value))
	for i := range noisy.Rows {
		z := noisy.row(i)
		in, out := largest(z, l.K), largest(z, l.K+1)
		for j := range z {
			at := in
			if gates.Value[i*n+j] > 0 {
				at = out
			}
			bar[i*n+j] = int32(i*n + at)
		}
	}
	exceeded := t.Reshape(t.Gather(t.Reshape(noisy, len(noisy.Value), 1), bar), noisy.Rows, n)
	return gates, t.NormalCDF(t.Div(t.Sub(scores, exceeded), scale))
}

// largest is the position of the k-th largest value; of equal ones the first counts
// as larger.
func largest(z []float32, k int) int {
	for j, v := range z {
		above := 0
		for i, w := range z {
			if w > v || w == v && i < j {
				above++
			}
		}
		if above == k-1 {
			return j
		}
	}
	return 0 // NaN
}

// NormalCDF is the distribution function Φ of the standard normal distribution.
func (t *Tape) NormalCDF(x *Var) *Var {
	return t.each(x, func(v float32) float32 { return float32(math.Erfc(-float64(v)/math.Sqrt2) / 2) },
		func(v, _ float32) float32 { return density * exp32(-v*v/2) })
}

// Experts are networks x → W₂ f(W₁ x), of which each row uses those with a gate.
type Experts struct {
	Hidden, Out []*Linear
	Activation  Activation
	Dropout     float64
}

// NewExperts makes the parameters name.0.hidden, name.0.out and so on.
func NewExperts(ps *Params, name string, experts, in, hidden, out int, f Activation, dropout float64, r *rand.Rand) *Experts {
	l := &Experts{Activation: f, Dropout: dropout}
	for e := range experts {
		l.Hidden = append(l.Hidden, NewLinear(ps, fmt.Sprintf("%s.%d.hidden", name, e), in, hidden, r))
		l.Out = append(l.Out, NewLinear(ps, fmt.Sprintf("%s.%d.out", name, e), hidden, out, r))
	}
	return l
}

// Apply is the sum of the outputs of the experts times their gates, [B, out]. An expert
// computes only the rows whose gate is not zero.
func (l *Experts) Apply(t *Tape, x, gates *Var, r *rand.Rand) *Var {
	flat := t.Reshape(gates, len(gates.Value), 1)
	parts := t.lists.alloc(len(l.Hidden))[:0]
	all := t.int32s.alloc(len(gates.Value))[:0] // rows of the parts
	for e := range l.Hidden {
		first, at := len(all), t.int32s.alloc(x.Rows)[:0]
		for i := range x.Rows {
			if k := i*gates.Cols + e; gates.Value[k] != 0 {
				all, at = append(all, int32(i)), append(at, int32(k))
			}
		}
		rows := all[first:]
		if len(rows) == 0 {
			continue
		}
		y := t.Dropout(l.Activation(t, l.Hidden[e].Apply(t, t.Gather(x, rows))), l.Dropout, r)
		parts = append(parts, t.MulRows(l.Out[e].Apply(t, y), t.Gather(flat, at)))
	}
	if len(parts) == 0 {
		return t.Const(x.Rows, l.Out[0].Bias.Cols, t.Scratch(x.Rows*l.Out[0].Bias.Cols))
	}
	return t.Scatter(t.Stack(parts...), all, x.Rows)
}
