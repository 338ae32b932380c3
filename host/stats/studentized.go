package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// rangeCDF is the probability that the range of k independent standard normal
// variables is at most q: the studentized range with infinitely many degrees of
// freedom,
//
//	k ∫ φ(z) (Φ(z) − Φ(z − q))^(k−1) dz
//
// by the trapezoidal rule, which is exact to rounding for such an integrand.
func rangeCDF(q float64, k int) float64 {
	if !(q > 0) {
		return 0
	}
	const low, step = -9.0, 1.0 / 64
	var sum float64
	for z := low; z < 9; z += step {
		sum += distuv.UnitNormal.Prob(z) * math.Pow(distuv.UnitNormal.CDF(z)-distuv.UnitNormal.CDF(z-q), float64(k-1))
	}
	return min(1, float64(k)*sum*step)
}

// rangeQuantile inverts rangeCDF.
func rangeQuantile(p float64, k int) float64 {
	return bisect(0, 40, func(q float64) bool { return rangeCDF(q, k) < p })
}

// bisect returns the point between low and high at which below changes from true
// to false.
func bisect(low, high float64, below func(x float64) bool) float64 {
	for range 100 {
		middle := (low + high) / 2
		if middle == low || middle == high {
			break
		}
		if below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}
