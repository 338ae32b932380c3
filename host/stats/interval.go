package stats

import (
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Interval is an estimate with its confidence limits; NaN limits mean that none
// can be given.
type Interval struct {
	Estimate Number `json:"estimate"`
	Low      Number `json:"low"`
	High     Number `json:"high"`
}

// MeanInterval is the mean of values, one a seed, with a confidence interval
// from Student's t with n − 1 degrees of freedom. NaN values are left out. One
// value has no interval.
func MeanInterval(values []float64, confidence float64) Interval {
	known := finite(values)
	none := Number(math.NaN())
	switch len(known) {
	case 0:
		return Interval{none, none, none}
	case 1:
		return Interval{Number(known[0]), none, none}
	}
	mean, sd := stat.MeanStdDev(known, nil)
	n := float64(len(known))
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}.Quantile(0.5 + confidence/2)
	half := t * sd / math.Sqrt(n)
	return Interval{Number(mean), Number(mean - half), Number(mean + half)}
}

// BootstrapInterval is the percentile bootstrap (Efron 1979) of a statistic of
// weighted rows, resampling patients: rows of the same cluster are drawn
// together. base are the row weights (nil = 1); statistic gets base times how
// often the row's cluster was drawn and must not keep the slice. Replicates in
// which it is NaN are left out; all NaN gives NaN limits.
func BootstrapInterval(statistic func(weights []float64) float64, clusters []int64, base []float64, resamples int, confidence float64, r *rand.Rand) Interval {
	w := orOnes(base, len(clusters))
	if len(w) != len(clusters) {
		panic("stats: clusters and weights differ in length")
	}
	index, count := indexClusters(clusters)
	drawn := make([]float64, count)
	weights := make([]float64, len(w))
	replicates := make([]float64, 0, resamples)
	for range resamples {
		drawClusters(drawn, r)
		for i, c := range index {
			weights[i] = w[i] * drawn[c]
		}
		if v := statistic(weights); !math.IsNaN(v) {
			replicates = append(replicates, v)
		}
	}
	copy(weights, w)
	low, high := percentiles(replicates, confidence)
	return Interval{Number(statistic(weights)), Number(low), Number(high)}
}

// indexClusters numbers the clusters from 0 in the order they appear.
func indexClusters(clusters []int64) (index []int32, count int) {
	number := make(map[int64]int32, len(clusters))
	index = make([]int32, len(clusters))
	for i, c := range clusters {
		k, ok := number[c]
		if !ok {
			k = int32(len(number))
			number[c] = k
		}
		index[i] = k
	}
	return index, len(number)
}

// drawClusters draws len(drawn) clusters with replacement and sets drawn[c] to
// how often c came.
func drawClusters[T int32 | float64](drawn []T, r *rand.Rand) {
	clear(drawn)
	for range drawn {
		drawn[r.IntN(len(drawn))]++
	}
}

// percentiles sorts replicates and returns their central interval (linear
// interpolation, type 7 of Hyndman and Fan).
func percentiles(replicates []float64, confidence float64) (low, high float64) {
	if len(replicates) == 0 {
		return math.NaN(), math.NaN()
	}
	slices.Sort(replicates)
	at := func(q float64) float64 {
		h := q * float64(len(replicates)-1)
		i := int(h)
		if i+1 >= len(replicates) {
			return replicates[len(replicates)-1]
		}
		return replicates[i] + (h-float64(i))*(replicates[i+1]-replicates[i])
	}
	return at((1 - confidence) / 2), at((1 + confidence) / 2)
}

func finite(values []float64) []float64 {
	out := make([]float64, 0, len(values))
	for _, v := range values {
		if !math.IsNaN(v) {
			out = append(out, v)
		}
	}
	return out
}
