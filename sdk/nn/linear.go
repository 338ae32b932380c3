package nn

import (
	"fmt"
	"math/rand/v2"
)

// Linear is x·w + b: x [B, in], w [in, out], b [1, out] or nil.
func (t *Tape) Linear(x, w, b *Var) *Var { return t.linear(x, w, b, nil, false) }

// LinearReLU is ReLU of Linear, with the same bits, in one operation.
func (t *Tape) LinearReLU(x, w, b *Var) *Var { return t.linear(x, w, b, nil, true) }

// LinearAdd is y plus Linear, with the same bits, in one operation: y [B, out].
func (t *Tape) LinearAdd(y, x, w, b *Var) *Var {
	checkShape("linear add", "y", y, x.Rows, w.Cols)
	return t.linear(x, w, b, y, false)
}

// linear is LinearAdd or, without y, one of the others.
func (t *Tape) linear(x, w, b, y *Var, rectified bool) *Var {
	if x.Cols != w.Rows {
		panic(fmt.Sprintf("nn: linear: x is %s, w is %s", shape(x), shape(w)))
	}
	if b != nil {
		checkShape("linear", "b", b, 1, w.Cols)
	}
	out := t.op(x.Rows, w.Cols, record{a: x, b: w, c: b, d: y, flag: rectified, first: true, run: linearGradient})
	end := epilogue{relu: rectified}
	if y != nil {
		end.plus = y.Value
	}
	if b != nil {
		end.bias = b.Value
	}
	m, n, k := x.Rows, w.Cols, x.Cols
	gemmWith(&t.pack, false, false, m, n, k, x.Value, k, w.Value, n, out.Value, n, false, end)
	return out
}

func linearGradient(t *Tape, r *record) {
	x, w, b := r.a, r.b, r.c
	m, n, k := x.Rows, w.Cols, x.Cols
	d := r.out.Grad
	if r.flag {
		d = t.consumed(r.out)
	}
	var sum []float32
	if b != nil && b.Grad != nil {
		b.settle()
		sum = b.Grad
	}
	switch {
	case r.flag:
		takePositiveRows(d, r.out.Grad, r.out.Value, sum, n)
	case sum != nil:
		addRows(sum, d)
	}
	if x.Grad != nil {
		add := !x.fresh()
		gemm(&t.pack, false, true, m, k, n, d, n, w.Value, n, x.Grad, k, add)
	}
	if w.Grad != nil {
		add := !w.fresh()
		gemm(&t.pack, true, false, k, n, m, x.Value, k, d, n, w.Grad, n, add)
	}
	if r.d != nil && r.d.Grad != nil {
		t.give(r.d, r.out)
	}
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

// ApplyAdd is y plus Apply, in one operation.
func (l *Linear) ApplyAdd(t *Tape, y, x *Var) *Var {
	return t.LinearAdd(y, x, t.Param(l.Weight), t.Param(l.Bias))
}

// ApplyReLU is ReLU of Apply, in one operation.
func (l *Linear) ApplyReLU(t *Tape, x *Var) *Var {
	return t.LinearReLU(x, t.Param(l.Weight), t.Param(l.Bias))
}
