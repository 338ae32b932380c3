package stats

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// probeRidge is the penalty of a probe, a share of the number of rows; columns are
// standardised.
const probeRidge = 1e-3

// LinearProbe is the held-out R² of a linear prediction of y from columns x,
// [len(y), width] row-major: a ridge regression on the even rows, scored on the
// odd ones. It is 0 for columns that know nothing, a little below by chance, 1 for
// columns that hold y linearly; NaN without at least two rows of each kind or where
// y is constant among the scored ones.
func LinearProbe(x []float32, width int, y []float64) float64 {
	if len(x) != len(y)*width {
		panic("stats: columns and target differ in length")
	}
	if len(y) < 4 {
		return math.NaN()
	}
	fitted := (len(y) + 1) / 2
	mean, scale := make([]float64, width), make([]float64, width)
	center := 0.0
	for i := 0; i < len(y); i += 2 {
		center += y[i] / float64(fitted)
		for j, v := range x[i*width : (i+1)*width] {
			mean[j] += float64(v) / float64(fitted)
		}
	}
	for i := 0; i < len(y); i += 2 {
		for j, v := range x[i*width : (i+1)*width] {
			scale[j] += (float64(v) - mean[j]) * (float64(v) - mean[j]) / float64(fitted)
		}
	}
	standardised := func(dst []float64, i int) {
		for j, v := range x[i*width : (i+1)*width] {
			dst[j] = 0
			if scale[j] > 0 {
				dst[j] = (float64(v) - mean[j]) / math.Sqrt(scale[j])
			}
		}
	}
	gram, cross, row := make([]float64, width*width), mat.NewVecDense(width, nil), make([]float64, width)
	for i := 0; i < len(y); i += 2 {
		standardised(row, i)
		for j, v := range row {
			cross.SetVec(j, cross.AtVec(j)+v*(y[i]-center))
			for k := j; k < width; k++ {
				gram[j*width+k] += v * row[k]
			}
		}
	}
	for j := range width {
		gram[j*width+j] += probeRidge * float64(fitted)
	}
	var factor mat.Cholesky
	var beta mat.VecDense
	if !factor.Factorize(mat.NewSymDense(width, gram)) || factor.SolveVecTo(&beta, cross) != nil {
		return math.NaN() // not finite
	}
	var left, total, scoredMean float64
	for i := 1; i < len(y); i += 2 {
		scoredMean += y[i] / float64(len(y)/2)
	}
	for i := 1; i < len(y); i += 2 {
		standardised(row, i)
		e := y[i] - center - mat.Dot(&beta, mat.NewVecDense(width, row))
		left += e * e
		total += (y[i] - scoredMean) * (y[i] - scoredMean)
	}
	if total == 0 {
		return math.NaN()
	}
	return 1 - left/total
}
