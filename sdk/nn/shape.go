package nn

import "fmt"

// Concat puts matrices of equally many rows side by side.
func (t *Tape) Concat(vars ...*Var) *Var {
	if len(vars) == 0 {
		panic("nn: concat: no matrices")
	}
	cols := 0
	for _, v := range vars {
		if v.Rows != vars[0].Rows {
			panic(fmt.Sprintf("nn: concat: %d and %d rows", vars[0].Rows, v.Rows))
		}
		cols += v.Cols
	}
	list := t.listOf(vars...) // the caller may reuse its slice
	out := t.op(vars[0].Rows, cols, record{list: list, first: true, run: func(t *Tape, r *record) {
		out, vars := r.out, r.list
		at := 0
		for _, v := range vars {
			if v.Grad != nil {
				copied := v.fresh()
				for i := range v.Rows {
					if d := out.gradRow(i)[at : at+v.Cols]; copied {
						copy(v.gradRow(i), d)
					} else {
						addTo(v.gradRow(i), d)
					}
				}
			}
			at += v.Cols
		}
	}})
	at := 0
	for _, v := range vars {
		for i := range v.Rows {
			copy(out.row(i)[at:], v.row(i))
		}
		at += v.Cols
	}
	return out
}

// Slice takes the columns from (inclusive) to (exclusive).
func (t *Tape) Slice(x *Var, from, to int) *Var {
	if from < 0 || to < from || to > x.Cols {
		panic(fmt.Sprintf("nn: slice %d:%d of %d columns", from, to, x.Cols))
	}
	out := t.op(x.Rows, to-from, record{a: x, from: from, to: to, run: func(t *Tape, r *record) {
		out, x, from, to := r.out, r.a, r.from, r.to
		for i := range x.Rows {
			addTo(x.gradRow(i)[from:to], out.gradRow(i))
		}
	}})
	for i := range x.Rows {
		copy(out.row(i), x.row(i)[from:to])
	}
	return out
}

// Gather takes rows of x, in the order of rows; a row may be taken repeatedly.
// The list is not copied.
func (t *Tape) Gather(x *Var, rows []int32) *Var {
	for _, r := range rows {
		checkRow("gather", r, x.Rows)
	}
	out := t.op(len(rows), x.Cols, record{a: x, rows: rows, first: true, run: gatherGradient})
	for i, r := range rows {
		copy(out.row(i), x.row(int(r)))
	}
	return out
}

func gatherGradient(t *Tape, r *record) {
	out, x := r.out, r.a
	if !x.fresh() {
		for i, row := range r.rows {
			addTo(x.gradRow(int(row)), out.gradRow(i))
		}
		return
	}
	taken := t.int32s.alloc(x.Rows) // how often
	clear(taken)
	for i, row := range r.rows {
		if taken[row] == 0 {
			copy(x.gradRow(int(row)), out.gradRow(i))
		} else {
			addTo(x.gradRow(int(row)), out.gradRow(i))
		}
		taken[row]++
	}
	for row, n := range taken {
		if n == 0 {
			clear(x.gradRow(row))
		}
	}
}

// Scatter is a matrix of n rows: row rows[i] is row i of x, rows not named are
// zero, and a row named repeatedly is the sum. The list is not copied.
func (t *Tape) Scatter(x *Var, rows []int32, n int) *Var {
	checkLength("scatter", "rows are named", len(rows), x.Rows)
	for _, r := range rows {
		checkRow("scatter", r, n)
	}
	out := t.op(n, x.Cols, record{a: x, rows: rows, run: func(t *Tape, r *record) {
		out, x, rows := r.out, r.a, r.rows
		for i, r := range rows {
			addTo(x.gradRow(i), out.gradRow(int(r)))
		}
	}})
	clear(out.Value)
	for i, r := range rows {
		addTo(out.row(int(r)), x.row(i))
	}
	return out
}
