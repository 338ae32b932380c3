package stats

import (
	"cmp"
	"maps"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// DeLong returns the AUROC and its variance (DeLong et al., Biometrics 1988) in
// O(n log n) by mid-ranks (Sun and Xu 2014). Unweighted; rows with a NaN label
// are left out. The variance needs two events and two non-events, else NaN.
func DeLong(scores, labels []float64) (auroc, variance float64) {
	checkLengths(scores, labels, nil)
	events, nonEvents := split(scores, labels)
	v10, v01, auroc := placements(events, nonEvents)
	return auroc, stat.Variance(v10, nil)/float64(len(v10)) + stat.Variance(v01, nil)/float64(len(v01))
}

// DeLongPaired tests two sets of scores of the same rows: difference is
// AUROC(b) − AUROC(a), variance that of the difference, p two-sided normal (NaN
// when the variance is 0 or cannot be had).
func DeLongPaired(a, b, labels []float64) (difference, variance, p float64) {
	checkLengths(a, labels, nil)
	checkLengths(b, labels, nil)
	a10, a01, first := placements(split(a, labels))
	b10, b01, second := placements(split(b, labels))
	for i := range a10 {
		a10[i] = b10[i] - a10[i]
	}
	for i := range a01 {
		a01[i] = b01[i] - a01[i]
	}
	difference = second - first
	variance = stat.Variance(a10, nil)/float64(len(a10)) + stat.Variance(a01, nil)/float64(len(a01))
	if !(variance > 0) {
		return difference, variance, math.NaN()
	}
	return difference, variance, math.Erfc(math.Abs(difference) / math.Sqrt(2*variance))
}

func split(scores, labels []float64) (events, nonEvents []float64) {
	for i, y := range labels {
		switch y {
		case 1:
			events = append(events, scores[i])
		case 0:
			nonEvents = append(nonEvents, scores[i])
		}
	}
	return events, nonEvents
}

// placements are the structural components: for every event the share of
// non-events below it, for every non-event the share of events above it.
func placements(events, nonEvents []float64) (v10, v01 []float64, auroc float64) {
	m, n := float64(len(events)), float64(len(nonEvents))
	if slices.ContainsFunc(events, math.IsNaN) || slices.ContainsFunc(nonEvents, math.IsNaN) || m == 0 || n == 0 {
		return nil, nil, math.NaN()
	}
	all := midRanks(append(slices.Clone(events), nonEvents...))
	own, other := midRanks(events), midRanks(nonEvents)
	v10, v01 = make([]float64, len(events)), make([]float64, len(nonEvents))
	for i := range v10 {
		v10[i] = (all[i] - own[i]) / n
		auroc += v10[i] / m
	}
	for j := range v01 {
		v01[j] = 1 - (all[len(events)+j]-other[j])/m
	}
	return v10, v01, auroc
}

func midRanks(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	ranks := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			ranks[i] = float64(from+to+1) / 2
		}
		from = to
	}
	return ranks
}

// DeLongSeeds is DeLongPaired for the mean difference over seeds, and for
// patients with several rows: the structural components of all rows of a patient,
// of all seeds, are added up before they are squared (for clusters as in
// Obuchowski, Biometrics 1997). So a patient whom every seed tests counts once.
// With one seed and one row a patient it is DeLongPaired.
//
// Trainings are taken as given: p is about other patients, not about what other
// trainings would give. Seeds without an AUROC do not enter. Binary and
// unweighted; the result is NaN if a weight is not 1, if a seed has fewer than two
// events or non-events, or without seeds.
func DeLongSeeds(seeds []Paired) (difference, variance, p float64) {
	nan := math.NaN()
	patients := map[int64]float64{}
	used := 0
	for _, s := range seeds {
		labels := s.Baseline.Labels
		if len(s.Clusters) != len(labels) {
			panic("stats: clusters and labels differ in length")
		}
		if slices.ContainsFunc(s.Baseline.Weights, func(w float64) bool { return w != 1 }) {
			return nan, nan, nan
		}
		a10, a01, first := placements(split(s.Baseline.Scores, labels))
		b10, b01, second := placements(split(s.Variant, labels))
		if math.IsNaN(first) || math.IsNaN(second) {
			continue
		}
		used++
		difference += second - first
		event, nonEvent := components(a10, b10), components(a01, b01)
		for i, y := range labels {
			switch y {
			case 1:
				patients[s.Clusters[i]] += event[0]
				event = event[1:]
			case 0:
				patients[s.Clusters[i]] += nonEvent[0]
				nonEvent = nonEvent[1:]
			}
		}
	}
	if used == 0 {
		return nan, nan, nan
	}
	// In the order of the patients, so that the sum has the same bits every time.
	for _, c := range slices.Sorted(maps.Keys(patients)) {
		variance += patients[c] * patients[c]
	}
	difference /= float64(used)
	variance /= float64(used * used)
	if !(variance > 0) {
		return difference, variance, nan
	}
	return difference, variance, math.Erfc(math.Abs(difference) / math.Sqrt(2*variance))
}

// components are what every row adds to the difference of two AUROCs, about their
// mean, scaled so that their squares sum up to the variance of the mean.
func components(a, b []float64) []float64 {
	n := float64(len(a))
	out := make([]float64, len(a))
	for i := range a {
		out[i] = b[i] - a[i]
	}
	mean := stat.Mean(out, nil)
	for i := range out {
		out[i] = (out[i] - mean) / math.Sqrt(n*(n-1)) // 0/0 is NaN
	}
	return out
}
