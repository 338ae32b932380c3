package causal

import (
	"fmt"
	"math"
)

// shares returns w_i / sum w, the factor of row i in every weighted mean; nil
// weights count as 1. If all are 0 so are the shares, and nothing is learned.
func shares(weights []float32, rows int) ([]float64, error) {
	out := make([]float64, rows)
	if weights == nil {
		for i := range out {
			out[i] = 1 / float64(rows)
		}
		return out, nil
	}
	if len(weights) != rows {
		return nil, fmt.Errorf("%d weights for %d rows", len(weights), rows)
	}
	sum := 0.0
	for i, w := range weights {
		v := float64(w)
		if !(v >= 0) || math.IsInf(v, 1) {
			return nil, fmt.Errorf("weight %v of batch row %d is not a finite number of at least 0", w, i)
		}
		out[i] = v
		sum += v
	}
	if sum > 0 {
		for i := range out {
			out[i] /= sum
		}
	}
	return out, nil
}

// weighted returns sum_i shares_i values_i. A row with share 0 is left out even
// if its value is not finite.
func weighted(share, values []float64) float64 {
	sum := 0.0
	for i, s := range share {
		if s != 0 {
			sum += s * values[i]
		}
	}
	return sum
}

// present lists the rows with a share above 0.
func present(share []float64) []int32 {
	out := make([]int32, 0, len(share))
	for i, s := range share {
		if s > 0 {
			out = append(out, int32(i))
		}
	}
	return out
}

func product(a, b []float64) []float64 {
	out := make([]float64, len(a))
	for i := range a {
		if a[i] != 0 {
			out[i] = a[i] * b[i]
		}
	}
	return out
}

func narrow(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}

func scaled(c float64, values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = c * v
	}
	return out
}
