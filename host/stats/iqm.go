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
// It is about seeds alone, and about these strata. A bootstrap of few values is
// too narrow: see TestCoverage_StratifiedIQM for by how much.
func StratifiedIQM(values [][]float64, resamples int, confidence float64, r *rand.Rand) Interval {
	known := make([][]float64, 0, len(values))
	for _, stratum := range values {
		known = append(known, finite(stratum))
	}
	return stratified(known, resamples, confidence, r, func(drawn [][]float64) float64 {
		return IQM(slices.Concat(drawn...))
	})
}

// stratified is the percentile bootstrap of a statistic of [stratum][value]; the
// statistic must not keep its argument.
func stratified[T any](strata [][]T, resamples int, confidence float64, r *rand.Rand, statistic func(drawn [][]T) float64) Interval {
	estimate := statistic(strata)
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
	low, high := percentiles(replicates, confidence)
	return Interval{Number(estimate), Number(low), Number(high)}
}
