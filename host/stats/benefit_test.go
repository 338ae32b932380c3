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
		e, err := newEvaluator("net_benefit@0.3", binary, Sample{Scores: c.Scores, Labels: c.Labels, Weights: c.Weights}, sequence(len(c.Labels)), []int{0})
		if err != nil {
			t.Fatal(err)
		}
		near(t, "as a metric", e.value(orOnes(c.Weights, len(c.Labels))), f.Decision[i].NetBenefit[2].Model, 1e-12)
	}
	for _, threshold := range []float64{0, 1, -0.1} {
		nan(t, "net benefit at an impossible threshold", NetBenefit([]float64{0.5}, []float64{1}, nil, threshold))
	}
}

func TestMeanDecisionCurve(t *testing.T) {
	in := input(MetricAUROC)
	runs, thresholds := in.Cells[1].Runs[:2], []float64{0.1, 0.4}
	few := Run{Sample: Sample{Scores: []float64{0.1, 0.9}, Labels: []float64{0, 1}}}
	got := MeanDecisionCurve(append(runs, few), thresholds)
	for i, threshold := range thresholds {
		var model float64
		for _, r := range runs {
			model += NetBenefit(r.Scores, r.Labels, nil, threshold) / 2
		}
		near(t, "mean net benefit", float64(got[i].Model), model, 1e-12)
		if got[i].Threshold != threshold || !(got[i].All < got[i].Model) {
			t.Errorf("got %+v", got[i])
		}
	}
	if MeanDecisionCurve([]Run{few}, thresholds) != nil || MeanDecisionCurve(nil, thresholds) != nil {
		t.Error("a curve of too few events")
	}
}
