package nn

import "fmt"

// MatMul is a·b, a [m, k], b [k, n].
func (t *Tape) MatMul(a, b *Var) *Var {
	if a.Cols != b.Rows {
		panic(fmt.Sprintf("nn: matmul: %s times %s", shape(a), shape(b)))
	}
	m, n, k := a.Rows, b.Cols, a.Cols
	out := t.op(m, n, record{a: a, b: b, run: func(t *Tape, r *record) {
		out, a, b, m, n, k := r.out, r.a, r.b, r.a.Rows, r.b.Cols, r.a.Cols
		if a.Grad != nil {
			gemm(&t.pack, false, true, m, k, n, out.Grad, n, b.Value, n, a.Grad, k, true)
		}
		if b.Grad != nil {
			gemm(&t.pack, true, false, k, n, m, a.Value, k, out.Grad, n, b.Grad, n, true)
		}
	}})
	gemm(&t.pack, false, false, m, n, k, a.Value, k, b.Value, n, out.Value, n, false)
	return out
}

// MatMulT is a·bᵀ, a [m, k], b [n, k].
func (t *Tape) MatMulT(a, b *Var) *Var {
	if a.Cols != b.Cols {
		panic(fmt.Sprintf("nn: matmul: %s times the transpose of %s", shape(a), shape(b)))
	}
	m, n, k := a.Rows, b.Rows, a.Cols
	out := t.op(m, n, record{a: a, b: b, run: func(t *Tape, r *record) {
		out, a, b, m, n, k := r.out, r.a, r.b, r.a.Rows, r.b.Rows, r.a.Cols
		if a.Grad != nil {
			gemm(&t.pack, false, false, m, k, n, out.Grad, n, b.Value, k, a.Grad, k, true)
		}
		if b.Grad != nil {
			gemm(&t.pack, true, false, n, k, m, out.Grad, n, a.Value, k, b.Grad, k, true)
		}
	}})
	gemm(&t.pack, false, true, m, n, k, a.Value, k, b.Value, k, out.Value, n, false)
	return out
}
