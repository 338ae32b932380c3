package train

import (
	"fmt"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
)

// InverseGroup is the group of validation metrics that are weighted by the inverse
// propensity of availability.
const InverseGroup = "inverse_propensity"

// mostInverseWeight caps the weight of a validation row.
const mostInverseWeight = 20

// measureInverse adds the metrics of the validation rows as if availability did not
// depend on the always-observed covariates W: rows are weighted by
//
//	Π_m P(δ_m) / P(δ_m | W)
//
// at most mostInverseWeight, with propensities that a logistic regression (L2,
// C = 1) has of the training rows (stabilised weights: Robins, Hernán and Brumback,
// Epidemiology 2000). Without covariates, or where availability does not vary, there
// is nothing to weight and nothing is added.
func (r *Run) measureInverse(values Values, s scores) error {
	rows := r.data.Split.Validation
	weights := r.inverseWeights(rows)
	if weights == nil {
		return nil
	}
	sample := stats.Sample{Scores: widen(s.Do), Labels: widen(gather(r.labels, rows, r.labelWidth)), Weights: weights}
	report, err := stats.Evaluate(stats.Task{Kind: stats.Kind(r.task.Kind), Classes: r.task.Classes}, sample)
	if err != nil {
		return fmt.Errorf("measure validation rows by inverse propensity: %w", err)
	}
	values.add("val", InverseGroup, "", sample.Metrics(), report)
	return nil
}

// inverseWeights are those of rows; nil if there is nothing to weight.
func (r *Run) inverseWeights(rows []int32) []float64 {
	width, train := r.data.Store.CovariateWidth(), r.data.Split.Train
	if width == 0 {
		return nil
	}
	x, at := widen(r.covariates(train)), widen(r.covariates(rows))
	var out []float64
	for m := range r.data.Store.Modalities() {
		has := func(rows []int32) []float64 {
			y := make([]float64, len(rows))
			for i, a := range gather(r.availability, rows, 1) {
				y[i] = float64(a >> m & 1)
			}
			return y
		}
		fitted, err := diagnose.FitLogit(x, width, has(train), diagnose.LogitOptions{L2: 1})
		if err != nil {
			continue // every training row has it, or none: nothing tells them apart
		}
		if out == nil {
			out = make([]float64, len(rows))
			for i := range out {
				out[i] = 1
			}
		}
		for i, w := range diagnose.StabilisedWeights(fitted.Predict(at, width), has(rows)) {
			out[i] *= w
		}
	}
	for i := range out {
		out[i] = min(out[i], mostInverseWeight)
	}
	return out
}
