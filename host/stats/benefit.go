package stats

import (
	"math"
	"strconv"
	"strings"
)

// NetBenefit is the net benefit of treating the rows whose score is at least
// threshold (Vickers and Elkin, Medical Decision Making 2006):
//
//	(true positives − false positives · threshold/(1 − threshold)) / rows
//
// all by weight: the share of rows that are rightly treated, less those that are
// wrongly treated at the exchange rate that the threshold states. It is NaN
// without rows and for a threshold outside (0, 1).
func NetBenefit(scores, labels, weights []float64, threshold float64) float64 {
	if !(threshold > 0 && threshold < 1) {
		return math.NaN()
	}
	return meanLoss(scores, labels, weights, benefit(threshold))
}

// benefit is what a row contributes to the net benefit.
func benefit(threshold float64) func(p, y float64) float64 {
	return func(p, y float64) float64 {
		switch {
		case p < threshold:
			return 0
		case y == 1:
			return 1
		}
		return -threshold / (1 - threshold)
	}
}

// Benefit is a point of a decision curve.
type Benefit struct {
	Threshold float64 `json:"threshold"`
	// Model is the net benefit of treating by score, All that of treating
	// everybody. To treat nobody has 0.
	Model Number `json:"model"`
	All   Number `json:"all"`
}

// DecisionCurve is the net benefit at every threshold. A model is of use at a
// threshold where it has more than All and than 0.
func DecisionCurve(scores, labels, weights, thresholds []float64) []Benefit {
	certain := make([]float64, len(scores))
	for i := range certain {
		certain[i] = 1
	}
	out := make([]Benefit, len(thresholds))
	for i, t := range thresholds {
		out[i] = Benefit{t, Number(NetBenefit(scores, labels, weights, t)), Number(NetBenefit(certain, labels, weights, t))}
	}
	return out
}

// MeanDecisionCurve is the mean over seeds of the decision curves of a binary task.
// Seeds with fewer than MinEvents events or non-events do not enter; it is nil
// without any.
func MeanDecisionCurve(runs []Run, thresholds []float64) []Benefit {
	var mean []Benefit
	seeds := Number(0)
	for _, run := range runs {
		var count Report
		if _, reason := count.count(Task{Kind: Binary}, run.Sample, sequence(len(run.Labels))); reason != "" {
			continue
		}
		curve := DecisionCurve(run.Scores, run.Labels, run.Weights, thresholds)
		if mean == nil {
			mean = make([]Benefit, len(curve))
		}
		seeds++
		for i, b := range curve {
			mean[i] = Benefit{b.Threshold, mean[i].Model + b.Model, mean[i].All + b.All}
		}
	}
	for i := range mean {
		mean[i].Model /= seeds
		mean[i].All /= seeds
	}
	return mean
}

// netBenefitPrefix begins the name of a net benefit; its threshold follows.
const netBenefitPrefix = "net_benefit@"

// threshold reads that of a net benefit, such as net_benefit@0.1.
func (m Metric) threshold() (float64, bool) {
	text, ok := strings.CutPrefix(string(m), netBenefitPrefix)
	if !ok {
		return 0, false
	}
	t, err := strconv.ParseFloat(text, 64)
	return t, err == nil && t > 0 && t < 1
}
