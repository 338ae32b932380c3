package nn

import "fmt"

// MatMul is a·b, a [m, k], b [k, n].
func (t *Tape) MatMul(a, b *Var) *Var {
	if a.Cols != b.Rows {
		panic(fmt.Sprintf("nn: matmul: %s times %s", shape(a), shape(b)))
	}
	m, n, k := a.Rows, b.Cols, a.Cols
	out := t.op(m, n, record{a: a, b: b, first: true, run: func(t *Tape, r *record) {
		out, a, b, m, n, k := r.out, r.a, r.b, r.a.Rows, r.b.Cols, r.a.Cols
		if a.Grad != nil {
			add := !a.fresh()
			gemm(&t.pack, false, true, m, k, n, out.Grad, n, b.Value, n, a.Grad, k, add)
		}
		if b.Grad != nil {
			add := !b.fresh()
			gemm(&t.pack, true, false, k, n, m, a.Value, k, out.Grad, n, b.Grad, n, add)
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
	out := t.op(m, n, record{a: a, b: b, first: true, run: func(t *Tape, r *record) {
		out, a, b, m, n, k := r.out, r.a, r.b, r.a.Rows, r.b.Rows, r.a.Cols
		if a.Grad != nil {
			add := !a.fresh()
			gemm(&t.pack, false, false, m, k, n, out.Grad, n, b.Value, k, a.Grad, k, add)
		}
		if b.Grad != nil {
			add := !b.fresh()
			gemm(&t.pack, true, false, n, k, m, out.Grad, n, a.Value, k, b.Grad, k, add)
		}
	}})
	gemm(&t.pack, false, true, m, n, k, a.Value, k, b.Value, k, out.Value, n, false)
	return out
}

// BatchMatMul is a·b of every block of a batch: block i of the result [batch·m, n] is
// that of a [batch·m, k] times that of b [batch·k, n].
func (t *Tape) BatchMatMul(a, b *Var, batch int) *Var {
	if batch < 1 || a.Rows%batch != 0 || b.Rows != batch*a.Cols {
		panic(fmt.Sprintf("nn: batch matmul: %d blocks of %s times %s", batch, shape(a), shape(b)))
	}
	out := t.op(a.Rows, b.Cols, record{a: a, b: b, from: batch, first: true, run: func(t *Tape, r *record) {
		m, n, k := r.a.Rows/r.from, r.b.Cols, r.a.Cols
		if r.a.Grad != nil {
			add := !r.a.fresh()
			gemmBatch(&t.pack, r.from, false, true, m, k, n, r.out.Grad, n, m*n, r.b.Value, n, k*n, r.a.Grad, k, m*k, add)
		}
		if r.b.Grad != nil {
			add := !r.b.fresh()
			gemmBatch(&t.pack, r.from, true, false, k, n, m, r.a.Value, k, m*k, r.out.Grad, n, m*n, r.b.Grad, n, k*n, add)
		}
	}})
	m, n, k := a.Rows/batch, b.Cols, a.Cols
	gemmBatch(&t.pack, batch, false, false, m, n, k, a.Value, k, m*k, b.Value, n, k*n, out.Value, n, m*n, false)
	return out
}
