package nn

// Softmax is the softmax of every row. A row of -Inf becomes zero.
func (t *Tape) Softmax(x *Var) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, run: func(t *Tape, r *record) {
		out, x := r.out, r.a
		for i := range out.Rows {
			y, g, d := out.row(i), out.gradRow(i), x.gradRow(i)
			mean := float32(dot64(y, g))
			for j, v := range y {
				d[j] += v * (g[j] - mean)
			}
		}
	}})
	softmaxRows(out.Value, x.Value, x.Cols)
	return out
}

// LogSoftmax is the logarithm of the softmax of every row.
func (t *Tape) LogSoftmax(x *Var) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, run: func(t *Tape, r *record) {
		out, x := r.out, r.a
		shares := t.arena.alloc(out.Cols)
		for i := range out.Rows {
			g, d := out.gradRow(i), x.gradRow(i)
			exponential(shares, out.row(i))
			addTo(d, g)
			addScaled(d, -float32(sum64(g)), shares)
		}
	}})
	for i := range x.Rows {
		z, y := x.row(i), out.row(i)
		norm := logNormalizer(z)
		for j, v := range z {
			y[j] = float32(float64(v) - norm)
		}
	}
	return out
}
