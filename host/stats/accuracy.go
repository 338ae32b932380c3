package stats

import "math"

// Accuracy is the weighted share of rows whose score is on the side of 0.5 of
// their label; a score of exactly 0.5 predicts the event.
func Accuracy(scores, labels, weights []float64) float64 {
	return meanLoss(scores, labels, weights, hit)
}

// BalancedAccuracy is the mean of sensitivity and specificity at 0.5. It is NaN
// when events or non-events have no weight.
func BalancedAccuracy(scores, labels, weights []float64) float64 {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	if !validWeights(w) || !validProbabilities(scores, labels) {
		return math.NaN()
	}
	return newRecalls(scores, labels, sequence(len(scores))).value(w)
}

func hit(p, y float64) float64 {
	if (p >= 0.5) == (y == 1) {
		return 1
	}
	return 0
}

// recalls is the mean over classes of the share of a class that is recognised.
type recalls []losses

func newRecalls(scores, labels []float64, rows []int32) recalls {
	r := make(recalls, 2)
	for i, y := range labels {
		if !math.IsNaN(y) {
			r[int(y)] = append(r[int(y)], rowLoss{loss: hit(scores[i], y), row: rows[i]})
		}
	}
	return r
}

func (r recalls) value(weights []float64) float64 {
	var sum float64
	for _, class := range r {
		sum += class.value(weights)
	}
	return sum / float64(len(r))
}

// argmax returns the class with the highest score; the first one on ties.
func argmax(scores []float64) int {
	best := 0
	for c, p := range scores {
		if p > scores[best] {
			best = c
		}
	}
	return best
}
