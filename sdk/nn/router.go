package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// TopSoftmax is the softmax over the k largest elements of every row, and 0
// elsewhere (Shazeer et al., ICLR 2017, equations 3 and 5). Of equal elements the
// first ones count. k is from 1 to C.
func (t *Tape) TopSoftmax(x *Var, k int) *Var {
	if k < 1 || k > x.Cols {
		panic(fmt.Sprintf("nn: top softmax: %d of %d columns", k, x.Cols))
	}
	out := t.op(x.Rows, x.Cols, record{a: x, run: func(_ *Tape, r *record) {
		for i := range r.out.Rows {
			y, g, d := r.out.row(i), r.out.gradRow(i), r.a.gradRow(i)
			mean := float32(dot64(y, g))
			for j, v := range y {
				d[j] += v * (g[j] - mean)
			}
		}
	}})
	for i := range x.Rows {
		z, y := x.row(i), out.row(i)
		for j, v := range z {
			above := 0
			for l, w := range z {
				if w > v || w == v && l < j {
					above++
				}
			}
			y[j] = v
			if above >= k {
				y[j] = float32(math.Inf(-1))
			}
		}
	}
	softmaxRows(out.Value, out.Value, x.Cols)
	return out
}

// Variation is the squared coefficient of variation of all elements, [1, 1]: the
// unbiased variance over the squared mean, 0 for fewer than two. Of the sums of
// gates over a batch it is the loss that balances experts (Shazeer et al., ICLR
// 2017, equation 7).
func (t *Tape) Variation(x *Var) *Var {
	n := float64(len(x.Value))
	if n < 2 {
		return t.Const(1, 1, t.Scratch(1))
	}
	mean := sum64(x.Value) / n
	var variance float64
	for _, v := range x.Value {
		variance += (float64(v) - mean) * (float64(v) - mean) / (n - 1)
	}
	square := mean*mean + 1e-10
	wide := t.wide.alloc(3)
	wide[0], wide[1], wide[2] = mean, variance, square
	out := t.op(1, 1, record{a: x, wide: wide, run: func(_ *Tape, r *record) {
		n := float64(len(r.a.Value))
		mean, variance, square := r.wide[0], r.wide[1], r.wide[2]
		g := float64(r.out.Grad[0])
		for i, v := range r.a.Value {
			d := 2*(float64(v)-mean)/(n-1)/square - 2*mean*variance/(square*square)/n
			r.a.Grad[i] += float32(g * d)
		}
	}})
	out.Value[0] = float32(variance / square)
	return out
}

// Router is a layer that sends rows to k of its experts, with noise in training
// (Shazeer et al., ICLR 2017, equations 3 to 5).
type Router struct {
	K             int
	Weight, Noise *Param // [in, experts]
}

// NewRouter makes the parameters name.weight and name.noise, zero as in the paper:
// all experts are equal at first. k is from 1 to experts.
func NewRouter(ps *Params, name string, in, experts, k int) *Router {
	if k < 1 || k > experts {
		panic(fmt.Sprintf("nn: router %s: %d of %d experts", name, k, experts))
	}
	return &Router{K: k, Weight: ps.New(name+".weight", in, experts, Zeros), Noise: ps.New(name+".noise", in, experts, Zeros)}
}

// Apply maps x [B, in] to gates [B, experts] of which K in a row are not zero and
// sum to 1. The noise draws from r; nil, outside of training, adds none. To use the
// gates, multiply the output of each expert by its column with MulRows.
func (l *Router) Apply(t *Tape, x *Var, r *rand.Rand) *Var {
	logits := t.Linear(x, t.Param(l.Weight), nil)
	if r != nil {
		draws := t.Const(logits.Rows, logits.Cols, t.arena.alloc(len(logits.Value)))
		for i := range draws.Value {
			draws.Value[i] = float32(r.NormFloat64())
		}
		logits = t.Add(logits, t.Mul(draws, t.Softplus(t.Linear(x, t.Param(l.Noise), nil))))
	}
	return t.TopSoftmax(logits, l.K)
}
