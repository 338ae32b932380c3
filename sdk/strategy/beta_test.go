package strategy_test

import (
	"math"
	"slices"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// The largest distance to the distribution function is below the 99.9 % point of
// Kolmogorov's distribution. A smaller alpha has draws that round to 1.
func TestBeta(t *testing.T) {
	const n = 4000
	for _, alpha := range []float64{0.2, 1, 2, 10} {
		r := rng.Stream(3, "beta", int(100*alpha))
		drawn := make([]float64, n)
		for i := range drawn {
			drawn[i] = strategy.Beta(alpha, r)
		}
		slices.Sort(drawn)
		want := distuv.Beta{Alpha: alpha, Beta: alpha}
		var distance float64
		for i, v := range drawn {
			p := want.CDF(v)
			distance = max(distance, p-float64(i)/n, float64(i+1)/n-p)
		}
		if limit := 1.95 / math.Sqrt(n); !(distance < limit) {
			t.Errorf("alpha %v: the distance to the distribution is %v, above %v", alpha, distance, limit)
		}
	}
}
