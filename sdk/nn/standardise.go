package nn

import "math"

// Standardise shifts and scales every column of x to mean 0 and variance 1 over
// the rows: (x - µ)/√(σ² + epsilon) with the variance of the population. The
// gradient goes through µ and σ.
func (t *Tape) Standardise(x *Var, epsilon float64) *Var {
	mean, variance := t.columnMoments(x)
	inverse := t.inverseRoots(variance, epsilon)
	out := t.op(x.Rows, x.Cols, record{a: x, wide: inverse, run: func(t *Tape, r *record) {
		out, x, inverse := r.out, r.a, r.wide
		t.standardiseGradient(x.Grad, out.Grad, out.Value, inverse, x.Rows)
	}})
	standardise(out.Value, x, mean, inverse)
	return out
}

// columnMoments are the mean and the population's variance of every column; zero
// without rows.
func (t *Tape) columnMoments(x *Var) (mean, variance []float64) {
	mean, variance = t.columnSums(x), t.scratch64(x.Cols)
	n := float64(max(1, x.Rows))
	for j := range mean {
		mean[j] /= n
	}
	for i := range x.Rows {
		columnSquares(variance, mean, x.row(i))
	}
	for j := range variance {
		variance[j] /= n
	}
	return mean, variance
}

func (t *Tape) inverseRoots(variance []float64, epsilon float64) []float64 {
	inverse := t.wide.alloc(len(variance))
	for j, v := range variance {
		inverse[j] = 1 / math.Sqrt(v+epsilon)
	}
	return inverse
}

// standardise writes (x - mean)·inverse to y.
func standardise(y []float32, x *Var, mean, inverse []float64) {
	for i := range x.Rows {
		standardiseRow(y[i*x.Cols:(i+1)*x.Cols], x.row(i), mean, inverse)
	}
}

// standardiseGradient adds to dx the gradient through hat = (x - µ)·inverse, given
// dhat, for µ and inverse of the rows themselves.
func (t *Tape) standardiseGradient(dx, dhat, hat []float32, inverse []float64, rows int) {
	cols := len(inverse)
	mean, along := t.scratch64(cols), t.scratch64(cols)
	for i := range rows {
		standardiseSums(mean, along, dhat[i*cols:(i+1)*cols], hat[i*cols:(i+1)*cols])
	}
	n := float64(max(1, rows))
	for j := range cols {
		mean[j] /= n
		along[j] /= n
	}
	for i := range rows {
		from, to := i*cols, (i+1)*cols
		standardiseSpread(dx[from:to], dhat[from:to], hat[from:to], inverse, mean, along)
	}
}
