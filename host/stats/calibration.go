package stats

import (
	"cmp"
	"math"
	"slices"
)

// The bins of the calibration errors of Evaluate.
const (
	ECEBins     = 15
	ECEMassBins = 10
)

// ECE is the expected calibration error with bins of equal width (Guo et al.,
// ICML 2017, eq. 3, on the probability of the event): the weighted mean over
// bins of |share of events − mean score|. Bins are [b/bins, (b+1)/bins), the
// last one closed. NaN without rows.
func ECE(scores, labels, weights []float64, bins int) float64 {
	return calibrationError(scores, labels, weights, bins, func(w []float64, rows []int32) []int32 {
		return widthBins(scores, bins)
	})
}

// ECEMass is ECE with bins of equal weight. Rows with the same score share a
// bin: the one that holds the middle of their weight.
func ECEMass(scores, labels, weights []float64, bins int) float64 {
	return calibrationError(scores, labels, weights, bins, func(w []float64, rows []int32) []int32 {
		return massBins(scores, labels, w, rows, bins)
	})
}

func calibrationError(scores, labels, weights []float64, bins int, assign func(w []float64, rows []int32) []int32) float64 {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	if bins < 1 || !validWeights(w) || !validProbabilities(scores, labels) {
		return math.NaN()
	}
	rows := sequence(len(scores))
	return binnedError(scores, labels, w, rows, assign(w, rows), bins)
}

func widthBins(scores []float64, bins int) []int32 {
	out := make([]int32, len(scores))
	for i, p := range scores {
		out[i] = int32(max(0, min(int(p*float64(bins)), bins-1)))
	}
	return out
}

func massBins(scores, labels, weights []float64, rows []int32, bins int) []int32 {
	out := make([]int32, len(scores))
	order := make([]int, 0, len(scores))
	var total float64
	for i, y := range labels {
		if !math.IsNaN(y) {
			order = append(order, i)
			total += weights[rows[i]]
		}
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	var before float64
	for from := 0; from < len(order); {
		to, group := from, 0.0
		for ; to < len(order) && scores[order[to]] == scores[order[from]]; to++ {
			group += weights[rows[order[to]]]
		}
		bin := int32(0)
		if total > 0 {
			bin = int32(min(int(float64(bins)*(before+group/2)/total), bins-1))
		}
		for _, i := range order[from:to] {
			out[i] = bin
		}
		before += group
		from = to
	}
	return out
}

// binnedError needs the weights of rows[i] for the i-th score.
func binnedError(scores, labels, weights []float64, rows, bin []int32, bins int) float64 {
	gap := make([]float64, bins) // Σ w (label − score)
	var total float64
	for i, y := range labels {
		if math.IsNaN(y) {
			continue
		}
		w := weights[rows[i]]
		gap[bin[i]] += w * (y - scores[i])
		total += w
	}
	var sum float64
	for _, g := range gap {
		sum += math.Abs(g)
	}
	return sum / total
}

// Calibration fits logit P(event) = intercept + slope · logit(score) by weighted
// maximum likelihood (Cox, Biometrika 1958). Slope 1 and intercept 0 are
// perfect; a slope below 1 means scores that are too extreme. Scores are clipped
// as in LogLoss. Both are NaN when the fit does not exist: one class, constant
// scores, or scores that separate the classes.
func Calibration(scores, labels, weights []float64) (slope, intercept float64) {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	if !validWeights(w) || !validProbabilities(scores, labels) {
		return math.NaN(), math.NaN()
	}
	return calibrationLine(scores, labels, w, sequence(len(scores)))
}

func calibrationLine(scores, labels, weights []float64, rows []int32) (slope, intercept float64) {
	var x, y, w []float64
	for i, label := range labels {
		if weight := weights[rows[i]]; !math.IsNaN(label) && weight > 0 {
			p := clip(scores[i])
			x, y, w = append(x, math.Log(p/(1-p))), append(y, label), append(w, weight)
		}
	}
	const (
		steps     = 50
		tolerance = 1e-10
		separated = 30 // no finite fit has so steep a slope on clipped logits
	)
	a, b := 0.0, 0.0
	for range steps {
		var g0, g1, h00, h01, h11 float64
		for i := range x {
			z := a + b*x[i]
			p := 1 / (1 + math.Exp(-z))
			r, v := w[i]*(y[i]-p), w[i]*p*(1-p)
			g0 += r
			g1 += r * x[i]
			h00 += v
			h01 += v * x[i]
			h11 += v * x[i] * x[i]
		}
		det := h00*h11 - h01*h01
		if !(det > 1e-12*h00*h11) || math.Abs(b) > separated {
			break
		}
		da, db := (h11*g0-h01*g1)/det, (h00*g1-h01*g0)/det
		// A Newton step can overshoot on skewed data; a bounded one cannot diverge.
		if size := math.Max(math.Abs(da), math.Abs(db)); size > 2 {
			da, db = da*2/size, db*2/size
		}
		a, b = a+da, b+db
		if math.Abs(da)+math.Abs(db) < tolerance {
			return b, a
		}
	}
	return math.NaN(), math.NaN()
}
