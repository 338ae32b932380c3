package stats

import "math"

// LogLossClip is the distance that probabilities keep from 0 and 1 in LogLoss:
// the epsilon of float32, the precision predictions are made and stored in (and
// the clip scikit-learn takes for float32 input). A confident miss thus costs
// at most 15.9 nats.
const LogLossClip = 1.0 / (1 << 23)

// Brier is the weighted mean of (score − label)². NaN without rows.
func Brier(scores, labels, weights []float64) float64 {
	return meanLoss(scores, labels, weights, brierLoss)
}

// LogLoss is the weighted mean negative log-likelihood in nats, scores clipped
// to [LogLossClip, 1 − LogLossClip]. NaN without rows.
func LogLoss(scores, labels, weights []float64) float64 {
	return meanLoss(scores, labels, weights, logLoss)
}

func brierLoss(p, y float64) float64 { return (p - y) * (p - y) }

func logLoss(p, y float64) float64 {
	if y == 0 {
		p = 1 - p
	}
	return -math.Log(clip(p))
}

func clip(p float64) float64 { return min(max(p, LogLossClip), 1-LogLossClip) }

func meanLoss(scores, labels, weights []float64, loss func(p, y float64) float64) float64 {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	if !validWeights(w) || !validProbabilities(scores, labels) {
		return math.NaN()
	}
	return newLosses(scores, labels, sequence(len(scores)), loss).value(w)
}

// losses is a metric that is a weighted mean over rows.
type losses []rowLoss

type rowLoss struct {
	loss float64
	row  int32
}

func newLosses(scores, labels []float64, rows []int32, loss func(p, y float64) float64) losses {
	l := make(losses, 0, len(rows))
	for i, y := range labels {
		if !math.IsNaN(y) {
			l = append(l, rowLoss{loss: loss(scores[i], y), row: rows[i]})
		}
	}
	return l
}

func (l losses) value(weights []float64) float64 {
	var sum, total float64
	for _, e := range l {
		w := weights[e.row]
		sum += w * e.loss
		total += w
	}
	return sum / total // 0/0 is NaN
}
