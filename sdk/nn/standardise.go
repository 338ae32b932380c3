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
		for j, v := range x.row(i) {
			d := float64(v) - mean[j]
			variance[j] += d * d
		}
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
		h := y[i*x.Cols : (i+1)*x.Cols]
		for j, v := range x.row(i) {
			h[j] = float32((float64(v) - mean[j]) * inverse[j])
		}
	}
}

// standardiseGradient adds to dx the gradient through hat = (x - µ)·inverse, given
// dhat, for µ and inverse of the rows themselves.
func (t *Tape) standardiseGradient(dx, dhat, hat []float32, inverse []float64, rows int) {
	cols := len(inverse)
	mean, along := t.scratch64(cols), t.scratch64(cols)
	for i := range rows {
		h := hat[i*cols : (i+1)*cols]
		for j, v := range dhat[i*cols : (i+1)*cols] {
			mean[j] += float64(v)
			along[j] += float64(v) * float64(h[j])
		}
	}
	n := float64(max(1, rows))
	for i := range rows {
		h, d := hat[i*cols:(i+1)*cols], dx[i*cols:(i+1)*cols]
		for j, v := range dhat[i*cols : (i+1)*cols] {
			d[j] += float32(inverse[j] * (float64(v) - mean[j]/n - float64(h[j])*along[j]/n))
		}
	}
}
