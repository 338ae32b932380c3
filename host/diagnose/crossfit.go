package diagnose

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Folds deals the clusters into k folds of nearly equal numbers, so that rows of
// one patient share a fold. The result does not depend on the order of rows.
func Folds(clusters []int64, k int, r *rand.Rand) []int {
	ids := slices.Clone(clusters)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	fold := make(map[int64]int, len(ids))
	for place, i := range r.Perm(len(ids)) {
		fold[ids[i]] = place % k
	}
	out := make([]int, len(clusters))
	for i, c := range clusters {
		out[i] = fold[c]
	}
	return out
}

// CrossFit predicts every row by a logistic regression that was fitted without
// the row's fold (Chernozhukov et al., Econometrics Journal 2018): columns
// standardised and penalised with l2 on the rows of the other folds. An error
// says which fold could not be fitted.
func CrossFit(x []float64, width int, y []float64, folds []int, l2 float64) ([]float64, error) {
	n := len(y)
	check("values", len(x), n*width)
	check("folds", len(folds), n)
	out := make([]float64, n)
	for fold := range slices.Max(folds) + 1 {
		var inside, outside []int
		for i, f := range folds {
			if f == fold {
				inside = append(inside, i)
			} else {
				outside = append(outside, i)
			}
		}
		if len(inside) == 0 {
			continue
		}
		p, err := fitPredict(x, width, y, outside, inside, l2)
		if err != nil {
			return nil, fmt.Errorf("without fold %d: %w", fold, err)
		}
		for i, row := range inside {
			out[row] = p[i]
		}
	}
	return out, nil
}

// fitPredict fits on some rows and predicts others.
func fitPredict(x []float64, width int, y []float64, fit, predict []int, l2 float64) ([]float64, error) {
	mean, scale := moments(x, width, fit)
	model, err := FitLogit(standardised(x, width, fit, mean, scale), width, pick(y, fit), LogitOptions{L2: l2})
	if err != nil {
		return nil, err
	}
	if width == 0 { // a constant predictor has no columns to count rows by
		out := make([]float64, len(predict))
		for i := range out {
			out[i] = sigmoid(model.Coefficients[0])
		}
		return out, nil
	}
	return model.Predict(standardised(x, width, predict, mean, scale), width), nil
}

// moments are mean and population standard deviation of every column; a constant
// column has deviation 0.
func moments(x []float64, width int, rows []int) (mean, scale []float64) {
	mean, scale = make([]float64, width), make([]float64, width)
	n := float64(len(rows))
	for _, i := range rows {
		for j, v := range x[i*width : (i+1)*width] {
			mean[j] += v / n
		}
	}
	for _, i := range rows {
		for j, v := range x[i*width : (i+1)*width] {
			scale[j] += (v - mean[j]) * (v - mean[j]) / n
		}
	}
	for j, v := range scale {
		scale[j] = math.Sqrt(v)
	}
	return mean, scale
}

// standardised takes rows; a column that was constant becomes 0.
func standardised(x []float64, width int, rows []int, mean, scale []float64) []float64 {
	out := make([]float64, 0, len(rows)*width)
	for _, i := range rows {
		for j, v := range x[i*width : (i+1)*width] {
			if scale[j] > 0 {
				out = append(out, (v-mean[j])/scale[j])
			} else {
				out = append(out, 0)
			}
		}
	}
	return out
}

func pick(values []float64, rows []int) []float64 {
	out := make([]float64, len(rows))
	for i, row := range rows {
		out[i] = values[row]
	}
	return out
}

func sequence(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}

// FitPropensity fits P(block available | W) as CrossFit does, on some rows, and
// predicts others.
func FitPropensity(w []float64, width int, available []float64, fit, predict []int) ([]float64, error) {
	check("values", len(w), len(available)*width)
	return fitPredict(w, width, available, fit, predict, 1)
}
