package stats

import (
	"math"
	"math/bits"
	"math/rand/v2"
)

// permutationExact is the largest number of differences whose 2ⁿ sign patterns
// are all enumerated.
const permutationExact = 20

// SignFlip is the two-sided paired permutation test that the mean difference is
// 0: under the null every sign is as likely as its opposite. The p-value is the
// share of sign patterns whose |mean| reaches the observed one. It is exact (no
// randomness) for up to 20 differences; beyond, resamples patterns are drawn
// from r and p = (1 + hits)/(1 + resamples). NaN differences are left out;
// without differences p is NaN.
func SignFlip(differences []float64, resamples int, r *rand.Rand) (p float64) {
	d := finite(differences)
	if len(d) == 0 {
		return math.NaN()
	}
	var observed, scale float64
	for _, v := range d {
		observed += v
		scale += math.Abs(v)
	}
	// Patterns that differ only by rounding count as reaching it.
	bar := math.Abs(observed) - 1e-12*scale
	if len(d) <= permutationExact {
		return float64(signPatterns(d, bar)) / math.Exp2(float64(len(d)))
	}
	hits := 0
	for range resamples {
		var sum float64
		var coins uint64
		for i, v := range d {
			if i%64 == 0 {
				coins = r.Uint64()
			}
			if coins&1 == 1 {
				v = -v
			}
			coins >>= 1
			sum += v
		}
		if math.Abs(sum) >= bar {
			hits++
		}
	}
	return float64(1+hits) / float64(1+resamples)
}

// signPatterns counts the sign patterns whose |sum| is at least bar, visiting
// them in Gray code order: one sign changes at a time.
func signPatterns(d []float64, bar float64) int {
	signed := append([]float64(nil), d...)
	var sum float64
	for _, v := range d {
		sum += v
	}
	hits := 0
	for k := uint64(1); ; k++ {
		if math.Abs(sum) >= bar {
			hits++
		}
		if k == 1<<len(d) {
			return hits
		}
		i := bits.TrailingZeros64(k)
		sum -= 2 * signed[i]
		signed[i] = -signed[i]
	}
}
