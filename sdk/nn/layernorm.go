package nn

import "math"

// normEpsilon is added to variances, as in PyTorch.
const normEpsilon = 1e-5

// LayerNorm standardises every row of x [B, C], multiplies by g and adds b, both
// [1, C] (Ba et al., arXiv 1607.06450, equation 4).
func (t *Tape) LayerNorm(x, g, b *Var) *Var {
	checkShape("layer norm", "the gain", g, 1, x.Cols)
	checkShape("layer norm", "the bias", b, 1, x.Cols)
	hat := t.arena.alloc(len(x.Value))
	inverse := t.arena.alloc(x.Rows)
	out := t.op(x.Rows, x.Cols, record{a: x, b: g, c: b, values: hat, more: inverse, run: func(t *Tape, r *record) {
		out, x, g, b, hat, inverse := r.out, r.a, r.b, r.c, r.values, r.more
		n := x.Cols
		ones, d := t.ones(n), t.arena.alloc(n)
		for i := range x.Rows {
			dy, h := out.gradRow(i), hat[i*n:(i+1)*n]
			if g.Grad != nil {
				addProduct(g.Grad, dy, h)
			}
			if b.Grad != nil {
				addTo(b.Grad, dy)
			}
			if x.Grad == nil {
				continue
			}
			times(d, dy, g.Value)
			mean, along := dot64(d, ones)/float64(n), dot64(d, h)/float64(n)
			dx := x.gradRow(i)
			addScaled(dx, inverse[i], d)
			addScaled(dx, -inverse[i]*float32(mean), ones)
			addScaled(dx, -inverse[i]*float32(along), h)
		}
	}})
	ones := t.ones(x.Cols)
	for i := range x.Rows {
		z, h, y := x.row(i), hat[i*x.Cols:(i+1)*x.Cols], out.row(i)
		n := float64(x.Cols)
		mean := dot64(z, ones) / n
		for j, v := range z {
			h[j] = float32(float64(v) - mean)
		}
		f := float32(1 / math.Sqrt(dot64(h, h)/n+normEpsilon))
		inverse[i] = f
		for j := range h {
			h[j] *= f
		}
		copy(y, b.Value)
		addProduct(y, h, g.Value)
	}
	return out
}

// ones returns n ones that live until the next Reset.
func (t *Tape) ones(n int) []float32 {
	x := t.arena.alloc(n)
	for i := range x {
		x[i] = 1
	}
	return x
}

// LayerNorm is a layer with gain and bias [1, width].
type LayerNorm struct {
	Gain, Bias *Param
}

// NewLayerNorm makes the parameters name.gain, one, and name.bias, zero.
func NewLayerNorm(ps *Params, name string, width int) *LayerNorm {
	return &LayerNorm{
		Gain: ps.noDecay(name+".gain", width, Ones),
		Bias: ps.noDecay(name+".bias", width, Zeros),
	}
}

// Apply maps x [B, width] to [B, width].
func (l *LayerNorm) Apply(t *Tape, x *Var) *Var {
	return t.LayerNorm(x, t.Param(l.Gain), t.Param(l.Bias))
}
