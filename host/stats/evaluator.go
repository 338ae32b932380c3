package stats

import (
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
	if e, err := whole(metric, task, s, rows); e != nil || err != nil {
		return e, err
	}
	return newMacro(metric, newProblems(task, s, rows, outputs))
}

// whole prepares a metric that is defined on all outputs at once; nil for one that
// is a mean over binary problems.
func whole(metric Metric, task Task, s Sample, rows []int32) (evaluator, error) {
	if slices.Contains(TruthMetrics(), metric) {
		return newTruth(metric, task, s, rows)
	}
	if task.Kind == Multiclass {
		return newMulticlass(metric, task, s, rows), nil
	}
	return nil, nil
}

// newMacro prepares the mean of a metric over binary problems.
func newMacro(metric Metric, problems []*problem) (evaluator, error) {
	m := make(macro, 0, len(problems))
	for _, p := range problems {
		e, err := p.evaluator(metric)
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
		e, _ := (&problem{scores: confidence, labels: right, rows: known}).evaluator(metric)
		return e
	}
	return nil
}
