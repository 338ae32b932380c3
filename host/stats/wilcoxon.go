package stats

import (
	"cmp"
	"math"
	"slices"
)

// wilcoxonExact is the largest number of differences whose null distribution is
// enumerated.
const wilcoxonExact = 25

// Wilcoxon is the two-sided signed-rank test that paired differences are
// symmetric about 0, with SciPy's semantics: zeros are dropped
// (zero_method="wilcox"), the statistic is the smaller of the two rank sums.
// The p-value is exact for up to 25 differences without ties and zeros, else
// from the normal approximation with tie correction and without continuity
// correction. NaN differences are left out; without a nonzero one both results
// are NaN.
//
// With n seeds the smallest possible exact p is 2^(1−n): 0.0625 for five.
func Wilcoxon(differences []float64) (statistic, p float64) {
	known := finite(differences)
	d := slices.DeleteFunc(slices.Clone(known), func(v float64) bool { return v == 0 })
	if len(d) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.SortFunc(d, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	n := float64(len(d))
	var plus, ties float64
	for from := 0; from < len(d); {
		to := from
		for to < len(d) && math.Abs(d[to]) == math.Abs(d[from]) {
			to++
		}
		t := float64(to - from)
		ties += t*t*t - t
		for _, v := range d[from:to] {
			if v > 0 {
				plus += float64(from+to+1) / 2
			}
		}
		from = to
	}
	minus := n*(n+1)/2 - plus
	statistic = min(plus, minus)
	if len(d) <= wilcoxonExact && ties == 0 && len(d) == len(known) {
		return statistic, signedRankTail(len(d), int(statistic))
	}
	variance := n*(n+1)*(2*n+1)/24 - ties/48
	z := (statistic - n*(n+1)/4) / math.Sqrt(variance)
	return statistic, min(1, math.Erfc(-z/math.Sqrt2))
}

// signedRankTail is min(1, 2 P(W ≤ w)) under the null: every subset of the ranks
// 1..n is equally likely to be the positive one.
func signedRankTail(n, w int) float64 {
	subsets := make([]float64, w+1) // number of subsets with a given rank sum
	subsets[0] = 1
	for rank := 1; rank <= n; rank++ {
		for sum := w; sum >= rank; sum-- {
			subsets[sum] += subsets[sum-rank]
		}
	}
	var below float64
	for _, s := range subsets {
		below += s
	}
	return min(1, 2*below/math.Exp2(float64(n)))
}
