package nn

import (
	"fmt"
	"math/rand/v2"
)

// Linear is x·w + b: x [B, in], w [in, out], b [1, out] or nil.
func (t *Tape) Linear(x, w, b *Var) *Var {
	if x.Cols != w.Rows {
		panic(fmt.Sprintf("nn: linear: x is %s, w is %s", shape(x), shape(w)))
	}
	if b != nil {
		checkShape("linear", "b", b, 1, w.Cols)
	}
	m, n, k := x.Rows, w.Cols, x.Cols
	out := t.op(m, n, func(out *Var) {
		if x.Grad != nil {
			gemm(&t.pack, false, true, m, k, n, out.Grad, n, w.Value, n, x.Grad, k, true)
		}
		if w.Grad != nil {
			gemm(&t.pack, true, false, k, n, m, x.Value, k, out.Grad, n, w.Grad, n, true)
		}
		if b != nil && b.Grad != nil {
			addRows(b.Grad, out.Grad)
		}
	}, x, w, b)
	if b != nil {
		for i := range m {
			copy(out.row(i), b.Value)
		}
	}
	gemm(&t.pack, false, false, m, n, k, x.Value, k, w.Value, n, out.Value, n, b != nil)
	return out
}

// Linear is a layer with weight [in, out] and bias [1, out].
type Linear struct {
	Weight, Bias *Param
}

// NewLinear makes the parameters name.weight, as KaimingUniform draws it, and
// name.bias, zero.
func NewLinear(ps *Params, name string, in, out int, r *rand.Rand) *Linear {
	return &Linear{
		Weight: ps.New(name+".weight", in, out, KaimingUniform(r)),
		Bias:   ps.noDecay(name+".bias", out, Zeros),
	}
}

// Apply maps x [B, in] to [B, out].
func (l *Linear) Apply(t *Tape, x *Var) *Var {
	return t.Linear(x, t.Param(l.Weight), t.Param(l.Bias))
}
