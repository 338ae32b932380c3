package stats

import "testing"

func TestDecomposeBrier_Reference(t *testing.T) {
	f := load(t)
	for i, c := range f.Binary {
		got, want := DecomposeBrier(c.Scores, c.Labels, c.Weights, 15), f.Decision[i].BrierParts
		near(t, "reliability", got.Reliability, want.Reliability, 1e-12)
		near(t, "resolution", got.Resolution, want.Resolution, 1e-12)
		near(t, "uncertainty", got.Uncertainty, want.Uncertainty, 1e-12)
		near(t, "within variance", got.WithinVariance, want.WithinVariance, 1e-12)
		near(t, "within covariance", got.WithinCovariance, want.WithinCovariance, 1e-12)
		sum := got.Reliability - got.Resolution + got.Uncertainty + got.WithinVariance - got.WithinCovariance
		near(t, "brier", sum, Brier(c.Scores, c.Labels, c.Weights), 1e-12)
		report, err := Evaluate(binary, Sample{Scores: c.Scores, Labels: c.Labels, Weights: c.Weights})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "reliability of Evaluate", report.Values[MetricBrierReliability], want.Reliability, 1e-12)
		near(t, "resolution of Evaluate", report.Values[MetricBrierResolution], want.Resolution, 1e-12)
	}
	nan(t, "reliability without bins", DecomposeBrier([]float64{0.5}, []float64{1}, nil, 0).Reliability)
}
