package nn

import "fmt"

// SumCols is the sum of every row, [B, 1].
func (t *Tape) SumCols(x *Var) *Var { return t.rowSums(x, 1) }

// MeanCols is the mean of every row, [B, 1]; 0 without columns.
func (t *Tape) MeanCols(x *Var) *Var { return t.rowSums(x, 1/float64(max(1, x.Cols))) }

// SumRows is the sum of every column, [1, C].
func (t *Tape) SumRows(x *Var) *Var { return t.colSums(x, 1) }

// MeanRows is the mean of every column, [1, C]; 0 without rows.
func (t *Tape) MeanRows(x *Var) *Var { return t.colSums(x, 1/float64(max(1, x.Rows))) }

// SumAll is the sum of all elements, [1, 1].
func (t *Tape) SumAll(x *Var) *Var {
	out := t.op(1, 1, record{a: x, run: func(t *Tape, r *record) {
		out, x := r.out, r.a
		for i := range x.Grad {
			x.Grad[i] += out.Grad[0]
		}
	}})
	out.Value[0] = float32(sum64(x.Value))
	return out
}

// rowSums is f times the sum of every row.
func (t *Tape) rowSums(x *Var, f float64) *Var {
	out := t.op(x.Rows, 1, record{a: x, scale: f, run: func(t *Tape, r *record) {
		out, x, f := r.out, r.a, r.scale
		for i, g := range out.Grad {
			g *= float32(f)
			d := x.gradRow(i)
			for j := range d {
				d[j] += g
			}
		}
	}})
	for i := range out.Value {
		out.Value[i] = float32(f * sum64(x.row(i)))
	}
	return out
}

// colSums is f times the sum of every column.
func (t *Tape) colSums(x *Var, f float64) *Var {
	out := t.op(1, x.Cols, record{a: x, scale: f, run: func(t *Tape, r *record) {
		out, x, f := r.out, r.a, r.scale
		for i := range x.Rows {
			addScaled(x.gradRow(i), float32(f), out.Grad)
		}
	}})
	for j, s := range t.columnSums(x) {
		out.Value[j] = float32(f * s)
	}
	return out
}

// MeanBlocks is the mean of every k rows, one block after the other: x [B·k, C]
// becomes [B, C].
func (t *Tape) MeanBlocks(x *Var, k int) *Var {
	if k < 1 || x.Rows%k != 0 {
		panic(fmt.Sprintf("nn: mean of blocks: %d rows in blocks of %d", x.Rows, k))
	}
	f := float32(1 / float64(k))
	out := t.op(x.Rows/k, x.Cols, record{a: x, from: k, first: true, run: func(_ *Tape, r *record) {
		out, x, k := r.out, r.a, r.from
		f, fresh := float32(1/float64(k)), x.fresh()
		for i := range x.Rows {
			if d := out.gradRow(i / k); fresh {
				scale(x.gradRow(i), f, d)
			} else {
				addScaled(x.gradRow(i), f, d)
			}
		}
	}})
	for i := range out.Rows {
		y := out.row(i)
		scale(y, f, x.row(i*k))
		for j := i*k + 1; j < (i+1)*k; j++ {
			addScaled(y, f, x.row(j))
		}
	}
	return out
}

// WeightedMean is Σwx/Σw, [1, 1], of x [B, 1] and weights [B], and 0 where Σw is
// 0; nil weighs all rows the same. The weights are not copied.
func (t *Tape) WeightedMean(x *Var, w []float32) *Var {
	checkShape("weighted mean", "x", x, x.Rows, 1)
	total := float64(x.Rows)
	if w != nil {
		checkLength("weighted mean", "weights", len(w), x.Rows)
		total = sum64(w)
	}
	var inverse float64
	if total != 0 {
		inverse = 1 / total
	}
	out := t.op(1, 1, record{a: x, values: w, scale: inverse, run: func(t *Tape, r *record) {
		out, x, w, inverse := r.out, r.a, r.values, r.scale
		g := float64(out.Grad[0]) * inverse
		for i := range x.Grad {
			if w == nil {
				x.Grad[i] += float32(g)
			} else {
				x.Grad[i] += float32(g * float64(w[i]))
			}
		}
	}})
	if w == nil {
		out.Value[0] = float32(sum64(x.Value) * inverse)
	} else {
		out.Value[0] = float32(dot64(w, x.Value) * inverse)
	}
	return out
}

// Scaled is a matrix and its factor in a sum.
type Scaled struct {
	Scale float64
	Var   *Var
}

// AddScaled is Σ scale·matrix of matrices of one shape, for example an objective
// of scalars.
func (t *Tape) AddScaled(terms ...Scaled) *Var {
	if len(terms) == 0 {
		panic("nn: add scaled: no terms")
	}
	first := terms[0]
	for _, term := range terms {
		if term.Var.Rows != first.Var.Rows || term.Var.Cols != first.Var.Cols {
			panic(fmt.Sprintf("nn: add scaled: shapes %s and %s differ", shape(first.Var), shape(term.Var)))
		}
	}
	kept := t.terms.alloc(len(terms)) // the caller may reuse its slice
	copy(kept, terms)
	out := t.op(first.Var.Rows, first.Var.Cols, record{terms: kept, first: true, run: func(t *Tape, r *record) {
		out, terms := r.out, r.terms
		for _, term := range terms {
			if term.Var.Grad != nil {
				term.Var.addScaled(float32(term.Scale), out.Grad)
			}
		}
	}})
	scale(out.Value, float32(first.Scale), first.Var.Value)
	for _, term := range terms[1:] {
		addScaled(out.Value, float32(term.Scale), term.Var.Value)
	}
	return out
}

// Sum is the sum of matrices of one shape.
func (t *Tape) Sum(vars ...*Var) *Var {
	terms := t.terms.alloc(len(vars))
	for i, v := range vars {
		terms[i] = Scaled{1, v}
	}
	return t.AddScaled(terms...)
}

// sum64 is the sum, in float64.
func sum64(x []float32) float64 {
	var sum float64
	for _, v := range x {
		sum += float64(v)
	}
	return sum
}

// columnSums are the sums of the columns, in float64.
func (t *Tape) columnSums(x *Var) []float64 {
	sums := t.scratch64(x.Cols)
	for i := range x.Rows {
		columnSums(sums, x.row(i))
	}
	return sums
}
