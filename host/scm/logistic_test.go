package scm

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// ridge is the L2 penalty of the fits; the intercept is not penalised.
const ridge = 1e-3

// logistic is a logistic regression on a row-major design [rows, width].
type logistic struct{ coefficients []float64 }

// fit maximises the likelihood by Newton's method.
func fit(t testing.TB, x []float64, width int, y []float32) logistic {
	t.Helper()
	rows, p := len(y), width+1
	beta, row := make([]float64, p), make([]float64, p)
	row[width] = 1
	for range 12 {
		gradient := make([]float64, p)
		hessian := make([]float64, p*p)
		for j := range width {
			gradient[j] = -ridge * beta[j]
			hessian[j*p+j] = ridge
		}
		for i := range rows {
			copy(row, x[i*width:(i+1)*width])
			q := sigmoid(dot(beta, row))
			weight, residual := q*(1-q), float64(y[i])-q
			for j, v := range row {
				if v == 0 {
					continue
				}
				gradient[j] += residual * v
				v *= weight
				h := hessian[j*p:]
				for k := j; k < p; k++ {
					h[k] += v * row[k]
				}
			}
		}
		var factor mat.Cholesky
		if !factor.Factorize(mat.NewSymDense(p, hessian)) {
			t.Fatal("the design is singular")
		}
		var step mat.VecDense
		if err := factor.SolveVecTo(&step, mat.NewVecDense(p, gradient)); err != nil {
			t.Fatal(err)
		}
		for j := range beta {
			beta[j] += step.AtVec(j)
		}
		if mat.Norm(&step, 2) < 1e-3 {
			return logistic{beta}
		}
	}
	t.Fatal("the fit does not converge")
	return logistic{}
}

// linear returns the log-odds of every row.
func (l logistic) linear(x []float64, width int) []float64 {
	out := make([]float64, len(x)/width)
	for i := range out {
		out[i] = dot(l.coefficients[:width], x[i*width:(i+1)*width]) + l.coefficients[width]
	}
	return out
}

// averaged is the mean of σ(z + c) over weighted constants c.
func averaged(z, constants, weights []float64) []float64 {
	out := make([]float64, len(z))
	for i, v := range z {
		for k, c := range constants {
			out[i] += weights[k] * sigmoid(v+c)
		}
	}
	return out
}

// quantiles are n points that stand for a sample with equal weights: the means of
// its parts in ascending order would be finer, their middles do.
func quantiles(sorted []float64, n int) (points, weights []float64) {
	for k := range n {
		points = append(points, sorted[(2*k+1)*len(sorted)/(2*n)])
		weights = append(weights, 1/float64(n))
	}
	return points, weights
}

func rootMeanSquare(got, want []float64) float64 {
	sum := 0.0
	for i, v := range want {
		sum += (got[i] - v) * (got[i] - v)
	}
	return math.Sqrt(sum / float64(len(want)))
}
