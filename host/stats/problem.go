package stats

import "fmt"

// problem is one binary problem: some rows of a sample and one output. What
// several metrics begin with is done once.
type problem struct {
	scores, labels []float64
	rows           []int32 // of the weights
	// fixed are the weights that every metric is asked for, so that what depends on
	// them is done once too; nil if they change, as in a bootstrap.
	fixed []float64

	ranked           ranking
	ranks, sorted    bool // ranked is known; it could be made
	slope, intercept float64
	lined            bool // slope and intercept are known
}

// newProblems returns the problem of every output.
func newProblems(task Task, s Sample, rows []int32, outputs []int) []*problem {
	out := make([]*problem, len(outputs))
	for i, c := range outputs {
		out[i] = &problem{rows: rows}
		out[i].scores, out[i].labels = s.output(task, rows, c)
	}
	return out
}

func (p *problem) ranking() (ranking, bool) {
	if !p.ranks {
		p.ranked, p.sorted = newRanking(p.scores, p.labels, p.rows)
		p.ranks = true
	}
	return p.ranked, p.sorted
}

func (p *problem) line(weights []float64) (slope, intercept float64) {
	if p.fixed == nil {
		return calibrationLine(p.scores, p.labels, weights, p.rows)
	}
	if !p.lined {
		p.slope, p.intercept = calibrationLine(p.scores, p.labels, p.fixed, p.rows)
		p.lined = true
	}
	return p.slope, p.intercept
}

// evaluator prepares a metric.
func (p *problem) evaluator(metric Metric) (evaluator, error) {
	if t, ok := metric.threshold(); ok {
		return newLosses(p.scores, p.labels, p.rows, benefit(t)), nil
	}
	switch metric {
	case MetricAUROC, MetricAUPRC:
		r, ok := p.ranking()
		if !ok {
			return nil, fmt.Errorf("scores or labels are not finite")
		}
		if metric == MetricAUROC {
			return area{r}, nil
		}
		return weighted(r.auprc), nil
	case MetricBrier:
		return newLosses(p.scores, p.labels, p.rows, brierLoss), nil
	case MetricLogLoss:
		return newLosses(p.scores, p.labels, p.rows, logLoss), nil
	case MetricAccuracy:
		return newLosses(p.scores, p.labels, p.rows, hit), nil
	case MetricBalancedAccuracy:
		return newRecalls(p.scores, p.labels, p.rows), nil
	case MetricECE:
		bin := widthBins(p.scores, ECEBins)
		return weighted(func(w []float64) float64 {
			return binnedError(p.scores, p.labels, w, p.rows, bin, ECEBins)
		}), nil
	case MetricECEMass:
		return weighted(func(w []float64) float64 {
			return binnedError(p.scores, p.labels, w, p.rows, massBins(p.scores, p.labels, w, p.rows, ECEMassBins), ECEMassBins)
		}), nil
	case MetricBrierReliability, MetricBrierResolution:
		bin := widthBins(p.scores, ECEBins)
		return weighted(func(w []float64) float64 {
			parts := brierParts(p.scores, p.labels, w, p.rows, bin, ECEBins)
			if metric == MetricBrierResolution {
				return parts.Resolution
			}
			return parts.Reliability
		}), nil
	case MetricCalibrationSlope:
		return weighted(func(w []float64) float64 {
			slope, _ := p.line(w)
			return slope
		}), nil
	case MetricCalibrationIntercept:
		return weighted(func(w []float64) float64 {
			_, intercept := p.line(w)
			return intercept
		}), nil
	}
	return nil, fmt.Errorf("unknown metric %q", metric)
}
