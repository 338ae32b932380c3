package nn

import "math"

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

// softmaxRows writes the softmax of rows of n values to y, which may be x.
func softmaxRows(y, x []float32, n int) {
	if n == 0 {
		return
	}
	for at := 0; at < len(x); at += n {
		subtractTop(y[at:at+n], x[at:at+n])
	}
	exponential(y, y)
	for ; len(y) > 0; y = y[n:] {
		row := y[:n]
		var sum float64
		for _, v := range row {
			sum += float64(v)
		}
		if sum == 0 { // all were -Inf
			continue
		}
		f := float32(1 / sum)
		for j := range row {
			row[j] *= f
		}
	}
}

// subtractTop writes x less its largest value to y, if that is not -Inf.
func subtractTop(y, x []float32) {
	top := float32(math.Inf(-1))
	for _, v := range x {
		top = max(top, v)
	}
	if math.IsInf(float64(top), -1) {
		top = 0
	}
	for j, v := range x {
		y[j] = v - top
	}
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
