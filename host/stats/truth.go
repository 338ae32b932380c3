package stats

import (
	"errors"
	"fmt"
	"math"
)

// ErrNoTruth says that a metric against the causal truth was asked of rows whose
// truth is not known.
var ErrNoTruth = errors.New("the truth of these rows is not known")

// TruthMetrics are those that hold scores against P(Y = 1 | do(x)), which is known
// of generated data alone: Sample.Truth.
func TruthMetrics() []Metric { return []Metric{MetricIRMSE, MetricExcessLogLoss} }

// IRMSE is the interventional root mean squared error, the root of the weighted
// mean of (score − truth)². NaN without rows.
func IRMSE(scores, truth, weights []float64) float64 {
	checkLengths(scores, truth, weights)
	w := orOnes(weights, len(scores))
	if !validWeights(w) {
		return math.NaN()
	}
	e := root(newLosses(scores, truth, sequence(len(scores)), brierLoss))
	return e.value(w)
}

// ExcessLogLoss is the LogLoss of the scores less that of the truth on the same
// rows: on rows under intervention its expectation is never negative. NaN without
// rows.
func ExcessLogLoss(scores, labels, truth, weights []float64) float64 {
	return LogLoss(scores, labels, weights) - LogLoss(truth, labels, weights)
}

// root is the root of a weighted mean.
type root losses

func (r root) value(weights []float64) float64 { return math.Sqrt(losses(r).value(weights)) }

// newTruth prepares a truth metric on some rows of a binary sample.
func newTruth(metric Metric, task Task, s Sample, rows []int32) (evaluator, error) {
	if s.Truth == nil {
		return nil, fmt.Errorf("metric %s: %w", metric, ErrNoTruth)
	}
	scores, labels := s.output(task, rows, 0)
	l := make(losses, 0, len(rows))
	for k, i := range rows {
		if math.IsNaN(labels[k]) {
			continue
		}
		loss := brierLoss(scores[k], s.Truth[i])
		if metric == MetricExcessLogLoss {
			loss = logLoss(scores[k], labels[k]) - logLoss(s.Truth[i], labels[k])
		}
		l = append(l, rowLoss{loss: loss, row: i})
	}
	if metric == MetricIRMSE {
		return root(l), nil
	}
	return l, nil
}
