package stats

import "math"

// BrierParts is a decomposition of the Brier score over bins of equal width:
//
//	Brier = Reliability − Resolution + Uncertainty + WithinVariance − WithinCovariance
//
// The first three are those of Murphy (J. Applied Meteorology 1973), with the mean
// score of a bin as its forecast; the last two are what binning leaves over
// (Stephenson et al., Weather and Forecasting 2008), both 0 when every bin holds
// one score. Small is better of Reliability, large of Resolution; Uncertainty is
// that of the events alone.
type BrierParts struct {
	Reliability, Resolution, Uncertainty float64
	WithinVariance, WithinCovariance     float64
}

// DecomposeBrier splits the Brier score over so many bins, [b/bins, (b+1)/bins),
// the last one closed. All parts are NaN where Brier is, and without a bin.
func DecomposeBrier(scores, labels, weights []float64, bins int) BrierParts {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	if bins < 1 || !validWeights(w) || !validProbabilities(scores, labels) {
		nan := math.NaN()
		return BrierParts{nan, nan, nan, nan, nan}
	}
	return brierParts(scores, labels, w, sequence(len(scores)), widthBins(scores, bins), bins)
}

// brierParts needs the weights of rows[i] for the i-th score.
func brierParts(scores, labels, weights []float64, rows, bin []int32, bins int) BrierParts {
	type sums struct{ weight, score, event, square, product float64 }
	in := make([]sums, bins)
	var all sums
	for i, y := range labels {
		if math.IsNaN(y) {
			continue
		}
		w, p := weights[rows[i]], scores[i]
		b := &in[bin[i]]
		b.weight += w
		b.score += w * p
		b.event += w * y
		b.square += w * p * p
		b.product += w * p * y
		all.weight += w
		all.event += w * y
	}
	rate := all.event / all.weight // 0/0 is NaN
	parts := BrierParts{Uncertainty: rate * (1 - rate)}
	for _, b := range in {
		if b.weight == 0 {
			continue
		}
		p, y := b.score/b.weight, b.event/b.weight
		share := b.weight / all.weight
		parts.Reliability += share * (p - y) * (p - y)
		parts.Resolution += share * (y - rate) * (y - rate)
		parts.WithinVariance += (b.square - b.weight*p*p) / all.weight
		parts.WithinCovariance += 2 * (b.product - b.weight*p*y) / all.weight
	}
	if all.weight == 0 {
		nan := math.NaN()
		return BrierParts{nan, nan, nan, nan, nan}
	}
	return parts
}
