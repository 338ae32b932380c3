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
	out := t.op(x.Rows, x.Cols, func(out *Var) {
		n := x.Cols
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
			var mean, along float64
			for j, v := range dy {
				d := float64(v * g.Value[j])
				mean += d
				along += d * float64(h[j])
			}
			m, a := float32(mean/float64(n)), float32(along/float64(n))
			dx := x.gradRow(i)
			for j, v := range dy {
				dx[j] += inverse[i] * (v*g.Value[j] - m - h[j]*a)
			}
		}
	}, x, g, b)
	for i := range x.Rows {
		z, h, y := x.row(i), hat[i*x.Cols:(i+1)*x.Cols], out.row(i)
		n := float64(x.Cols)
		mean := sum64(z) / n
		var square float64
		for _, v := range z {
			d := float64(v) - mean
			square += d * d
		}
		f := 1 / math.Sqrt(square/n+normEpsilon)
		inverse[i] = float32(f)
		for j, v := range z {
			h[j] = float32((float64(v) - mean) * f)
			y[j] = h[j]*g.Value[j] + b.Value[j]
		}
	}
	return out
}

// LayerNorm is a layer with gain and bias [1, width].
type LayerNorm struct {
	Gain, Bias *Param
}

// NewLayerNorm makes the parameters name.gain, one, and name.bias, zero.
func NewLayerNorm(ps *Params, name string, width int) *LayerNorm {
	return &LayerNorm{
		Gain: ps.noDecay(name+".gain", 1, width, Ones),
		Bias: ps.noDecay(name+".bias", 1, width, Zeros),
	}
}

// Apply maps x [B, width] to [B, width].
func (l *LayerNorm) Apply(t *Tape, x *Var) *Var {
	return t.LayerNorm(x, t.Param(l.Gain), t.Param(l.Bias))
}
