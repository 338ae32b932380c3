package nn

import "fmt"

// Reshape is x as [rows, cols] with the same elements in row-major order. It
// shares the memory of x, its gradient included: [B, T·d] and [B·T, d] are two
// views of one matrix.
func (t *Tape) Reshape(x *Var, rows, cols int) *Var {
	if rows < 0 || cols < 0 || rows*cols != x.Rows*x.Cols {
		panic(fmt.Sprintf("nn: reshape: %s to [%d, %d]", shape(x), rows, cols))
	}
	x.hold()
	x.fixed = true
	v := t.newVar(rows, cols, x.Value, x.Grad)
	v.unset, v.whole = x.unset, x.whole
	return v
}

// Rows takes the rows from (inclusive) to (exclusive). It shares the memory of x,
// its gradient included.
func (t *Tape) Rows(x *Var, from, to int) *Var {
	if from < 0 || to < from || to > x.Rows {
		panic(fmt.Sprintf("nn: rows %d:%d of %d", from, to, x.Rows))
	}
	a, b := from*x.Cols, to*x.Cols
	v := t.newVar(to-from, x.Cols, x.Value[a:b:b], nil)
	if x.Grad != nil {
		x.hold()
		x.fixed = true
		v.Grad, v.whole = x.Grad[a:b:b], x
	}
	return v
}

// Stack puts matrices of equally many columns on top of each other.
func (t *Tape) Stack(vars ...*Var) *Var {
	if len(vars) == 0 {
		panic("nn: stack: no matrices")
	}
	rows := 0
	for _, v := range vars {
		if v.Cols != vars[0].Cols {
			panic(fmt.Sprintf("nn: stack: %d and %d columns", vars[0].Cols, v.Cols))
		}
		rows += v.Rows
	}
	list := t.listOf(vars...) // the caller may reuse its slice
	out := t.op(rows, vars[0].Cols, record{list: list, first: true, run: func(t *Tape, r *record) {
		out, vars := r.out, r.list
		at := 0
		for _, v := range vars {
			if v.Grad != nil {
				v.add(out.Grad[at : at+len(v.Value)])
			}
			at += len(v.Value)
		}
	}})
	at := 0
	for _, v := range vars {
		at += copy(out.Value[at:], v.Value)
	}
	return out
}

// Transpose is xᵀ.
func (t *Tape) Transpose(x *Var) *Var {
	out := t.op(x.Cols, x.Rows, record{a: x, run: func(t *Tape, r *record) {
		out, x := r.out, r.a
		for i := range x.Rows {
			d := x.gradRow(i)
			for j := range d {
				d[j] += out.Grad[j*x.Rows+i]
			}
		}
	}})
	for i := range x.Rows {
		for j, v := range x.row(i) {
			out.Value[j*x.Rows+i] = v
		}
	}
	return out
}
