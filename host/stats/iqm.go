package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// IQM is the interquartile mean of all values together: the mean after the
// ⌊n/4⌋ smallest and as many of the largest are left out (Agarwal et al.,
// NeurIPS 2021: less noise than a median, less pull by one outlier than a mean).
// NaN values are left out; without any it is NaN.
func IQM(values []float64) float64 {
	known := slices.Sorted(slices.Values(finite(values)))
	if len(known) == 0 {
		return math.NaN()
	}
	cut := len(known) / 4
	return stat.Mean(known[cut:len(known)-cut], nil)
}

// StratifiedIQM is the IQM over all strata with the percentile interval of the
// stratified bootstrap of Agarwal et al.: seeds are drawn with replacement within
// every stratum (a dataset and backbone), never across. values are
// [stratum][seed].
//
// Unlike theirs, the values of a stratum of n are drawn from a copy that is spread
// by √(n/(n−1)) about its mean, for draws of few values show too little of their
// spread (rescaled as by Rao and Wu, JASA 1988); TestCoverage_StratifiedIQM says
// what is left of that. The interval is about seeds alone, and about these strata.
func StratifiedIQM(values [][]float64, resamples int, confidence float64, r *rand.Rand) Interval {
	known, spread := make([][]float64, len(values)), make([][]float64, len(values))
	for i, stratum := range values {
		known[i] = finite(stratum)
		n, mean := float64(len(known[i])), stat.Mean(known[i], nil)
		for _, v := range known[i] {
			spread[i] = append(spread[i], mean+(v-mean)*math.Sqrt(n/max(1, n-1)))
		}
	}
	iqm := func(drawn [][]float64) float64 { return IQM(slices.Concat(drawn...)) }
	low, high := stratified(spread, resamples, confidence, r, iqm)
	return Interval{Number(iqm(known)), low, high}
}

// stratified is the percentile bootstrap of a statistic of [stratum][value]; the
// statistic must not keep its argument.
func stratified[T any](strata [][]T, resamples int, confidence float64, r *rand.Rand, statistic func(drawn [][]T) float64) (low, high Number) {
	drawn := make([][]T, len(strata))
	for i, stratum := range strata {
		drawn[i] = make([]T, len(stratum))
	}
	replicates := make([]float64, 0, resamples)
	for range resamples {
		for i, stratum := range strata {
			for j := range stratum {
				drawn[i][j] = stratum[r.IntN(len(stratum))]
			}
		}
		if v := statistic(drawn); !math.IsNaN(v) {
			replicates = append(replicates, v)
		}
	}
	a, b := percentiles(replicates, confidence)
	return Number(a), Number(b)
}
