package strategy

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat/distuv"
)

// Beta draws from the symmetric beta distribution with both parameters alpha, which
// is positive.
func Beta(alpha float64, r *rand.Rand) float64 {
	v := distuv.Beta{Alpha: alpha, Beta: alpha, Src: r}.Rand()
	if math.IsNaN(v) {
		return 1 // both gamma variates of a tiny alpha were below what float64 has
	}
	return v
}
