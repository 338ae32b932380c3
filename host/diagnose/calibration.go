package diagnose

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/host/stats"
)

// PatternCalibration is the calibration of the predictions within a pattern.
type PatternCalibration struct {
	Level  string
	N      int
	Events int
	// Slope and Intercept are those of logit P(y) = intercept + slope·logit p̂
	// (Cox 1958; stats.Calibration) with Wald's 95 % limits. NaN limits where the
	// pattern has fewer than 10 events or non-events.
	Slope, Intercept stats.Interval
	// Large is calibration in the large, the share of events minus the mean
	// prediction.
	Large float64
	Brier BrierParts
}

// BrierParts is Murphy's decomposition (J Appl Meteorol 1973) of the Brier score
// of binned predictions: Reliability − Resolution + Uncertainty is exactly the
// score of predictions replaced by their bin's mean.
type BrierParts struct{ Reliability, Resolution, Uncertainty float64 }

// CalibrationBins is the number of equal-width bins of the decomposition.
const CalibrationBins = stats.ECEBins

// CalibrateByPattern measures every level, in ascending order of its name. Rows
// with a NaN label are left out.
func CalibrateByPattern(scores, labels []float64, levels []string) []PatternCalibration {
	check("labels", len(labels), len(scores))
	check("levels", len(levels), len(scores))
	rows := map[string][]int{}
	var names []string
	for i, level := range levels {
		if math.IsNaN(labels[i]) {
			continue
		}
		if rows[level] == nil {
			names = append(names, level)
		}
		rows[level] = append(rows[level], i)
	}
	slices.Sort(names)
	var out []PatternCalibration
	for _, level := range names {
		out = append(out, calibrate(level, pick(scores, rows[level]), pick(labels, rows[level])))
	}
	return out
}

func calibrate(level string, scores, labels []float64) PatternCalibration {
	c := PatternCalibration{
		Level: level, N: len(labels), Slope: undefined(), Intercept: undefined(),
		Brier: DecomposeBrier(scores, labels, CalibrationBins),
	}
	x := make([]float64, len(scores))
	for i, p := range scores {
		c.Events += int(labels[i])
		c.Large += (labels[i] - p) / float64(len(labels))
		x[i] = clippedLogit(p)
	}
	if c.Events < stats.MinEvents || c.N-c.Events < stats.MinEvents {
		return c
	}
	if model, err := FitLogit(x, 1, labels, LogitOptions{}); err == nil {
		wald := func(j int) stats.Interval {
			b, se := model.Coefficients[j], math.Sqrt(model.Covariance.At(j, j))
			return stats.Interval{Estimate: number(b), Low: number(b - z95*se), High: number(b + z95*se)}
		}
		c.Intercept, c.Slope = wald(0), wald(1)
	}
	return c
}

// DecomposeBrier splits the Brier score over bins of equal width. NaN without rows.
func DecomposeBrier(scores, labels []float64, bins int) BrierParts {
	n := float64(len(labels))
	count, score, event := make([]float64, bins), make([]float64, bins), make([]float64, bins)
	mean := 0.0
	for i, p := range scores {
		b := max(0, min(int(p*float64(bins)), bins-1))
		count[b]++
		score[b] += p
		event[b] += labels[i]
		mean += labels[i] / n
	}
	parts := BrierParts{Uncertainty: mean * (1 - mean)}
	if n == 0 {
		parts.Uncertainty = math.NaN()
	}
	for b, c := range count {
		if c == 0 {
			continue
		}
		reliability, resolution := (score[b]-event[b])/c, event[b]/c-mean
		parts.Reliability += c / n * reliability * reliability
		parts.Resolution += c / n * resolution * resolution
	}
	return parts
}

// JudgeCalibration is calibration in the large of a pattern, the share of events
// minus the mean prediction, with limits over patients. It warns where 0 lies
// outside them, and fails where it is also off by a quarter of the share of events
// or more. c is that of CalibrateByPattern for the same rows.
func JudgeCalibration(name string, c PatternCalibration, scores, labels []float64, b Bootstrap) Finding {
	n := len(labels)
	if c.Events < stats.MinEvents || c.N-c.Events < stats.MinEvents {
		return unknown(name, c.N, "%d events and %d non-events are too few; at least %d of both are needed", c.Events, c.N-c.Events, stats.MinEvents)
	}
	f := found(name, c.Large, c.N, float64(distinct(b.Clusters, n)))
	f.Interval = b.interval(func(w []float64) float64 {
		var sum, total float64
		for i, p := range scores {
			if y := labels[i]; y == y {
				sum, total = sum+w[i]*(y-p), total+w[i]
			}
		}
		return sum / total
	})
	share := float64(c.Events) / float64(c.N)
	text := fmt.Sprintf("%.1f %% have the event, %.1f %% were predicted", 100*share, 100*(share-c.Large))
	if c.Slope.Estimate.Defined() {
		text += fmt.Sprintf("; slope %.2f", float64(c.Slope.Estimate))
	}
	switch certain := f.Low > 0 || f.High < 0; {
	case certain && math.Abs(c.Large) >= share/4:
		return f.judge(Fail, "%s", text)
	case certain:
		return f.judge(Warn, "%s", text)
	}
	return f.judge(OK, "%s", text)
}
