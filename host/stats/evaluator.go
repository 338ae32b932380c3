package stats

import (
	"fmt"
	"math"
	"slices"
)

// evaluator is a metric of fixed scores and labels as a function of the row
// weights, indexed as in the sample.
type evaluator interface {
	value(weights []float64) float64
}

type weighted func(weights []float64) float64

func (f weighted) value(weights []float64) float64 { return f(weights) }

// macro is the unweighted mean over outputs.
type macro []evaluator

func (m macro) value(weights []float64) float64 {
	var sum float64
	for _, e := range m {
		sum += e.value(weights)
	}
	return sum / float64(len(m))
}

// newEvaluator prepares a metric on some rows of a valid sample. outputs are
// the ones that have enough events; they matter to metrics that are averaged
// over outputs.
func newEvaluator(metric Metric, task Task, s Sample, rows []int32, outputs []int) (evaluator, error) {
	if slices.Contains(TruthMetrics(), metric) {
		return newTruth(metric, task, s, rows)
	}
	if task.Kind == Multiclass {
		if e := newMulticlass(metric, task, s, rows); e != nil {
			return e, nil
		}
	}
	m := make(macro, 0, len(outputs))
	for _, c := range outputs {
		scores, labels := s.output(task, rows, c)
		e, err := newBinary(metric, scores, labels, rows)
		if err != nil {
			return nil, err
		}
		m = append(m, e)
	}
	if len(m) == 1 {
		return m[0], nil
	}
	return m, nil
}

func newBinary(metric Metric, scores, labels []float64, rows []int32) (evaluator, error) {
	if t, ok := metric.threshold(); ok {
		return newLosses(scores, labels, rows, benefit(t)), nil
	}
	switch metric {
	case MetricAUROC, MetricAUPRC:
		r, ok := newRanking(scores, labels, rows)
		if !ok {
			return nil, fmt.Errorf("scores or labels are not finite")
		}
		if metric == MetricAUROC {
			return weighted(r.auroc), nil
		}
		return weighted(r.auprc), nil
	case MetricBrier:
		return newLosses(scores, labels, rows, brierLoss), nil
	case MetricLogLoss:
		return newLosses(scores, labels, rows, logLoss), nil
	case MetricAccuracy:
		return newLosses(scores, labels, rows, hit), nil
	case MetricBalancedAccuracy:
		return newRecalls(scores, labels, rows), nil
	case MetricECE:
		bin := widthBins(scores, ECEBins)
		return weighted(func(w []float64) float64 {
			return binnedError(scores, labels, w, rows, bin, ECEBins)
		}), nil
	case MetricECEMass:
		return weighted(func(w []float64) float64 {
			return binnedError(scores, labels, w, rows, massBins(scores, labels, w, rows, ECEMassBins), ECEMassBins)
		}), nil
	case MetricBrierReliability, MetricBrierResolution:
		bin := widthBins(scores, ECEBins)
		return weighted(func(w []float64) float64 {
			parts := brierParts(scores, labels, w, rows, bin, ECEBins)
			if metric == MetricBrierResolution {
				return parts.Resolution
			}
			return parts.Reliability
		}), nil
	case MetricCalibrationSlope:
		return weighted(func(w []float64) float64 {
			slope, _ := calibrationLine(scores, labels, w, rows)
			return slope
		}), nil
	case MetricCalibrationIntercept:
		return weighted(func(w []float64) float64 {
			_, intercept := calibrationLine(scores, labels, w, rows)
			return intercept
		}), nil
	}
	return nil, fmt.Errorf("unknown metric %q", metric)
}

// newMulticlass returns the metrics that are defined on all classes at once,
// and nil for those that are a mean over one-vs-rest problems.
func newMulticlass(metric Metric, task Task, s Sample, rows []int32) evaluator {
	known := make([]int32, 0, len(rows))
	for _, i := range rows {
		if !math.IsNaN(s.Labels[i]) {
			known = append(known, i)
		}
	}
	row := func(i int32) (scores []float64, class int) {
		return s.Scores[int(i)*task.Classes : (int(i)+1)*task.Classes], int(s.Labels[i])
	}
	mean := func(loss func(scores []float64, class int) float64) losses {
		l := make(losses, len(known))
		for k, i := range known {
			scores, class := row(i)
			l[k] = rowLoss{loss: loss(scores, class), row: i}
		}
		return l
	}
	correct := func(scores []float64, class int) float64 {
		if argmax(scores) == class {
			return 1
		}
		return 0
	}
	switch metric {
	case MetricBrier:
		// The original definition (Brier 1950): the sum over classes, in [0, 2].
		return mean(func(scores []float64, class int) float64 {
			var sum float64
			for c, p := range scores {
				if c == class {
					p = 1 - p
				}
				sum += p * p
			}
			return sum
		})
	case MetricLogLoss:
		return mean(func(scores []float64, class int) float64 { return -math.Log(clip(scores[class])) })
	case MetricAccuracy:
		return mean(correct)
	case MetricBalancedAccuracy:
		r := make(recalls, task.Classes)
		for _, i := range known {
			scores, class := row(i)
			r[class] = append(r[class], rowLoss{loss: correct(scores, class), row: i})
		}
		return r
	case MetricECE, MetricECEMass:
		// Of the predicted class: confidence against being right (Guo et al. 2017).
		confidence, right := make([]float64, len(known)), make([]float64, len(known))
		for k, i := range known {
			scores, class := row(i)
			confidence[k], right[k] = scores[argmax(scores)], correct(scores, class)
		}
		e, _ := newBinary(metric, confidence, right, known)
		return e
	}
	return nil
}
