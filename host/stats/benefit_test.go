package stats

import "testing"

func TestNetBenefit_Reference(t *testing.T) {
	f := load(t)
	for i, c := range f.Binary {
		var thresholds []float64
		for _, point := range f.Decision[i].NetBenefit {
			thresholds = append(thresholds, point.Threshold)
		}
		for k, got := range DecisionCurve(c.Scores, c.Labels, c.Weights, thresholds) {
			want := f.Decision[i].NetBenefit[k]
			near(t, "net benefit", float64(got.Model), want.Model, 1e-12)
			near(t, "net benefit of treating all", float64(got.All), want.All, 1e-12)
		}
		e, err := newEvaluator("net_benefit@0.3", binary, Sample{c.Scores, c.Labels, c.Weights}, sequence(len(c.Labels)), []int{0})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "as a metric", e.value(orOnes(c.Weights, len(c.Labels))), f.Decision[i].NetBenefit[2].Model, 1e-12)
	}
	for _, threshold := range []float64{0, 1, -0.1} {
		nan(t, "net benefit at an impossible threshold", NetBenefit([]float64{0.5}, []float64{1}, nil, threshold))
	}
}
