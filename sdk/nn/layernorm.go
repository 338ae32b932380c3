package nn

// normEpsilon is added to variances, as in PyTorch.
const normEpsilon = 1e-5

// LayerNorm standardises every row of x [B, C], multiplies by g and adds b, both
// [1, C] (Ba et al., arXiv 1607.06450, equation 4).
func (t *Tape) LayerNorm(x, g, b *Var) *Var {
	checkShape("layer norm", "the gain", g, 1, x.Cols)
	checkShape("layer norm", "the bias", b, 1, x.Cols)
	mean, inverse := t.wide.alloc(x.Rows), t.arena.alloc(x.Rows)
	out := t.op(x.Rows, x.Cols, record{a: x, b: g, c: b, wide: mean, more: inverse, first: true, run: layerNormGradient})
	if x.Cols > 0 {
		for i := range x.Rows {
			mean[i], inverse[i] = normRow(out.row(i), x.row(i), g.Value, b.Value)
		}
	}
	return out
}

func layerNormGradient(t *Tape, r *record) {
	out, x, g, b, mean, inverse := r.out, r.a, r.b, r.c, r.wide, r.more
	g.settle()
	b.settle()
	n := x.Cols
	if n == 0 {
		return
	}
	dgain, dbias, d, hat := g.Grad, b.Grad, t.arena.alloc(n), t.arena.alloc(n)
	if dgain == nil {
		dgain = t.Scratch(n)
	}
	if dbias == nil {
		dbias = t.Scratch(n)
	}
	fresh := x.fresh()
	for i := range x.Rows {
		normHat(hat, x.row(i), mean[i], inverse[i])
		sum, along := normSums(d, out.gradRow(i), hat, g.Value, dgain, dbias)
		if x.Grad != nil {
			f := inverse[i]
			normSpread(x.gradRow(i), d, hat, f, -f*float32(sum/float64(n)), -f*float32(along/float64(n)), fresh)
		}
	}
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
