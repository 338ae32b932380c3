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

// LinearColumns is Concat of Linear of every x, with the same bits, in one operation:
// x_i [B, in_i], w_i [in_i, out_i], b_i [1, out_i] or nil.
func (t *Tape) LinearColumns(xs, ws, bs []*Var) *Var {
	if len(xs) == 0 || len(ws) != len(xs) || len(bs) != len(xs) {
		panic(fmt.Sprintf("nn: linear columns: %d matrices, %d weights and %d biases", len(xs), len(ws), len(bs)))
	}
	cols := 0
	list := t.lists.alloc(3 * len(xs))
	for i, x := range xs {
		w, b := ws[i], bs[i]
		if x.Cols != w.Rows || x.Rows != xs[0].Rows {
			panic(fmt.Sprintf("nn: linear columns: x is %s, w is %s", shape(x), shape(w)))
		}
		if b != nil {
			checkShape("linear columns", "b", b, 1, w.Cols)
		}
		cols += w.Cols
		list[3*i], list[3*i+1], list[3*i+2] = x, w, b
	}
	out := t.op(xs[0].Rows, cols, record{list: list, first: true, run: linearColumnsGradient})
	at := 0
	for ; len(list) > 0; list = list[3:] {
		x, w, b := list[0], list[1], list[2]
		var end epilogue
		if b != nil {
			end.bias = b.Value
		}
		if len(out.Value) > 0 {
			gemmWith(&t.pack, false, false, x.Rows, w.Cols, x.Cols, x.Value, x.Cols, w.Value, w.Cols, out.Value[at:], cols, false, end)
		}
		at += w.Cols
	}
	return out
}

func linearColumnsGradient(t *Tape, r *record) {
	rows, cols, at := r.out.Rows, r.out.Cols, 0
	for list := r.list; len(list) > 0 && len(r.out.Grad) > 0; list = list[3:] {
		x, w, b := list[0], list[1], list[2]
		n, k, d := w.Cols, x.Cols, r.out.Grad[at:]
		at += n
		if b != nil && b.Grad != nil {
			b.settle()
			for i := range rows {
				addTo(b.Grad, d[i*cols:i*cols+n])
			}
		}
		if x.Grad != nil {
			add := !x.fresh()
			gemm(&t.pack, false, true, rows, k, n, d, cols, w.Value, n, x.Grad, k, add)
		}
		if w.Grad != nil {
			add := !w.fresh()
			gemm(&t.pack, true, false, k, n, rows, x.Value, k, d, cols, w.Grad, n, add)
		}
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
