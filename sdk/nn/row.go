package nn

// AddRow adds row [1, C] to every row of x [B, C].
func (t *Tape) AddRow(x, row *Var) *Var {
	checkShape("add row", "the row", row, 1, x.Cols)
	out := t.op(x.Rows, x.Cols, record{a: x, b: row, run: func(t *Tape, r *record) {
		out, x, row := r.out, r.a, r.b
		if x.Grad != nil {
			addTo(x.Grad, out.Grad)
		}
		if row.Grad != nil {
			addRows(row.Grad, out.Grad)
		}
	}})
	for i := range x.Rows {
		plus(out.row(i), x.row(i), row.Value)
	}
	return out
}

// MulRow multiplies every row of x [B, C] by row [1, C].
func (t *Tape) MulRow(x, row *Var) *Var {
	checkShape("mul row", "the row", row, 1, x.Cols)
	out := t.op(x.Rows, x.Cols, record{a: x, b: row, run: func(t *Tape, r *record) {
		out, x, row := r.out, r.a, r.b
		for i := range x.Rows {
			if x.Grad != nil {
				addProduct(x.gradRow(i), out.gradRow(i), row.Value)
			}
			if row.Grad != nil {
				addProduct(row.Grad, out.gradRow(i), x.row(i))
			}
		}
	}})
	for i := range x.Rows {
		times(out.row(i), x.row(i), row.Value)
	}
	return out
}

// MulRows multiplies row i of x [B, C] by s_i, s [B, 1].
func (t *Tape) MulRows(x, s *Var) *Var {
	checkShape("mul rows", "the column", s, x.Rows, 1)
	out := t.op(x.Rows, x.Cols, record{a: x, b: s, run: func(t *Tape, r *record) {
		out, x, s := r.out, r.a, r.b
		for i, f := range s.Value {
			g := out.gradRow(i)
			if x.Grad != nil {
				addScaled(x.gradRow(i), f, g)
			}
			if s.Grad != nil {
				s.Grad[i] += float32(dot64(g, x.row(i)))
			}
		}
	}})
	for i, f := range s.Value {
		y := out.row(i)
		for j, v := range x.row(i) {
			y[j] = f * v
		}
	}
	return out
}

// Repeat has every row of x k times, one after the other: row i becomes the rows
// i·k to i·k + k-1.
func (t *Tape) Repeat(x *Var, k int) *Var {
	out := t.op(x.Rows*k, x.Cols, record{a: x, from: k, run: func(t *Tape, r *record) {
		out, x, k := r.out, r.a, r.from
		for i := range out.Rows {
			addTo(x.gradRow(i/k), out.gradRow(i))
		}
	}})
	for i := range out.Rows {
		copy(out.row(i), x.row(i/k))
	}
	return out
}

// Where takes row i of a where mask[i], and of b elsewhere. The mask is not
// copied.
func (t *Tape) Where(mask []bool, a, b *Var) *Var {
	checkSame("where", a, b)
	checkLength("where", "rows in the mask", len(mask), a.Rows)
	out := t.op(a.Rows, a.Cols, record{a: a, b: b, mask: mask, run: func(t *Tape, r *record) {
		out, a, b, mask := r.out, r.a, r.b, r.mask
		for i, m := range mask {
			from := b
			if m {
				from = a
			}
			if from.Grad != nil {
				addTo(from.gradRow(i), out.gradRow(i))
			}
		}
	}})
	for i, m := range mask {
		from := b
		if m {
			from = a
		}
		copy(out.row(i), from.row(i))
	}
	return out
}
