package stats

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestBinaryMetrics_ScikitLearn(t *testing.T) {
	for _, f := range load(t).Binary {
		near(t, "auroc", AUROC(f.Scores, f.Labels, f.Weights), f.AUROC, 1e-12)
		near(t, "auprc", AUPRC(f.Scores, f.Labels, f.Weights), f.AUPRC, 1e-12)
		near(t, "brier", Brier(f.Scores, f.Labels, f.Weights), f.Brier, 1e-12)
		near(t, "log_loss", LogLoss(f.Scores, f.Labels, f.Weights), f.LogLoss, 1e-12)
		near(t, "ece", ECE(f.Scores, f.Labels, f.Weights, 15), f.ECE, 1e-12)
		near(t, "accuracy", Accuracy(f.Scores, f.Labels, f.Weights), f.Accuracy, 1e-12)
		near(t, "balanced_accuracy", BalancedAccuracy(f.Scores, f.Labels, f.Weights), f.BalancedAccuracy, 1e-12)
		slope, intercept := Calibration(f.Scores, f.Labels, f.Weights)
		near(t, "slope", slope, f.CalibrationSlope, 1e-6)
		near(t, "intercept", intercept, f.CalibrationIntercept, 1e-6)
		if f.ECEMass != nil {
			near(t, "ece_mass", ECEMass(f.Scores, f.Labels, f.Weights, 10), *f.ECEMass, 1e-12)
		}
	}
}

func TestDeLong_Definition(t *testing.T) {
	for _, f := range load(t).Binary {
		auroc, variance := DeLong(f.Scores, f.Labels)
		near(t, "auroc", auroc, AUROC(f.Scores, f.Labels, nil), 1e-12)
		near(t, "variance", variance, f.DeLongVariance, 1e-12)
		d, variance, p := DeLongPaired(f.Scores, f.Other, f.Labels)
		near(t, "difference", d, f.DeLongDifference, 1e-12)
		near(t, "difference sign", d, AUROC(f.Other, f.Labels, nil)-AUROC(f.Scores, f.Labels, nil), 1e-12)
		near(t, "difference variance", variance, f.DeLongDifferenceVariance, 1e-12)
		near(t, "p", p, f.DeLongP, 1e-10)
	}
	_, variance := DeLong([]float64{0.1, 0.2}, []float64{0, 1})
	nan(t, "variance of one event", variance)
	_, _, p := DeLongPaired([]float64{1, 2, 3, 4}, []float64{1, 2, 3, 4}, []float64{0, 1, 0, 1})
	nan(t, "p of equal scores", p)
	auroc, _ := DeLong([]float64{math.NaN(), 0.2}, []float64{0, 1})
	nan(t, "auroc of a NaN score", auroc)
}

func TestMacroAUROC_ScikitLearn(t *testing.T) {
	for _, f := range load(t).Multiclass {
		near(t, "macro auroc", MacroAUROC(f.Scores, f.Labels, f.Weights, f.Classes), f.AUROC, 1e-12)
		nan(t, "a class is missing", MacroAUROC(f.Scores[:f.Classes], f.Labels[:1], nil, f.Classes))
	}
	known := MacroAUROC([]float64{.9, .1, .2, .8, .5, .5}, []float64{0, 1, math.NaN()}, nil, 2)
	near(t, "unknown label", known, 1, 0)
}

func TestMetrics_Undefined(t *testing.T) {
	bad := math.NaN()
	all := map[string]func(s, y, w []float64) float64{
		"auroc": AUROC, "auprc": AUPRC, "brier": Brier, "log_loss": LogLoss, "accuracy": Accuracy,
		"balanced_accuracy": BalancedAccuracy,
		"ece":               func(s, y, w []float64) float64 { return ECE(s, y, w, 15) },
		"ece_mass":          func(s, y, w []float64) float64 { return ECEMass(s, y, w, 10) },
		"reliability":       func(s, y, w []float64) float64 { return DecomposeBrier(s, y, w, 15).Reliability },
		"uncertainty":       func(s, y, w []float64) float64 { return DecomposeBrier(s, y, w, 15).Uncertainty },
		"net_benefit":       func(s, y, w []float64) float64 { return NetBenefit(s, y, w, 0.2) },
		"slope":             func(s, y, w []float64) float64 { v, _ := Calibration(s, y, w); return v },
		"intercept":         func(s, y, w []float64) float64 { _, v := Calibration(s, y, w); return v },
	}
	for name, metric := range all {
		s, y := []float64{.1, .6, .7, .2, .8, .3}, []float64{0, 1, 0, 0, 1, 1}
		if v := metric(s, y, nil); math.IsNaN(v) {
			t.Errorf("%s of a good sample is NaN", name)
		}
		nan(t, name+" without rows", metric(nil, nil, nil))
		nan(t, name+" of a NaN score", metric([]float64{bad, .6, .7, .2, .8, .3}, y, nil))
		nan(t, name+" of label 2", metric(s, []float64{2, 1, 0, 0, 1, 1}, nil))
		nan(t, name+" of a negative weight", metric(s, y, []float64{-1, 1, 1, 1, 1, 1}))
		nan(t, name+" without weight", metric(s, y, make([]float64, 6)))
		unknown := metric(append(s, bad), append(y, bad), nil)
		near(t, name+" with an unknown label", unknown, metric(s, y, nil), 1e-12)
		if !panics(func() { metric(s, y[:2], nil) }) {
			t.Errorf("%s of slices of different length does not panic", name)
		}
	}
	for _, name := range []string{"auroc", "auprc", "balanced_accuracy", "slope"} {
		nan(t, name+" without events", all[name]([]float64{.1, .2}, []float64{0, 0}, nil))
		nan(t, name+" without non-events", all[name]([]float64{.1, .2}, []float64{1, 1}, nil))
	}
	for _, name := range []string{"brier", "log_loss", "ece", "ece_mass", "reliability", "net_benefit", "accuracy", "slope"} {
		nan(t, name+" of a score above 1", all[name]([]float64{1.5, .2}, []float64{1, 0}, nil))
	}
	slope, _ := Calibration([]float64{.1, .2, .8, .9}, []float64{0, 0, 1, 1}, nil)
	nan(t, "slope of separated classes", slope)
	near(t, "log loss is clipped", LogLoss([]float64{0}, []float64{1}, nil), math.Log(1<<23), 1e-12)
	near(t, "log loss is clipped at 1", LogLoss([]float64{1}, []float64{0}, nil), math.Log(1<<23), 1e-6)
	near(t, "auroc of infinite scores", AUROC([]float64{math.Inf(-1), math.Inf(1)}, []float64{0, 1}, nil), 1, 0)
}

func TestMacroAUROC_Panics(t *testing.T) {
	if !panics(func() { MacroAUROC([]float64{1, 2, 3}, []float64{0, 1}, nil, 2) }) {
		t.Error("3 scores for 2 rows of 2 classes do not panic")
	}
}

func panics(f func()) (did bool) {
	defer func() { did = recover() != nil }()
	f()
	return false
}

// drawSample draws tied scores, both classes and integer weights.
func drawSample(t *rapid.T) (scores, labels, weights []float64) {
	n := rapid.IntRange(4, 40).Draw(t, "n")
	for i := range n {
		scores = append(scores, float64(rapid.IntRange(1, 19).Draw(t, "score"))/20)
		labels = append(labels, float64(rapid.IntRange(0, 1).Draw(t, "label")))
		weights = append(weights, float64(rapid.IntRange(0, 3).Draw(t, "weight")))
		if i < 2 {
			labels[i], weights[i] = float64(i), 1
		}
	}
	return scores, labels, weights
}

func closeTo(a, b float64) bool { return math.Abs(a-b) < 1e-9 }

func TestAUROC_Mirror(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, y, w := drawSample(t)
		mirrored := make([]float64, len(s))
		for i := range s {
			mirrored[i] = 1 - s[i]
		}
		if a, b := AUROC(s, y, w), AUROC(mirrored, y, w); !closeTo(a, 1-b) {
			t.Fatalf("AUROC(s) = %v but 1 - AUROC(1-s) = %v", a, 1-b)
		}
	})
}

func TestRanking_MonotoneInvariance(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, y, w := drawSample(t)
		stretched := make([]float64, len(s))
		for i := range s {
			stretched[i] = math.Log(s[i]/(1-s[i])) * 7
		}
		if a, b := AUROC(s, y, w), AUROC(stretched, y, w); a != b {
			t.Fatalf("AUROC changed from %v to %v", a, b)
		}
		if a, b := AUPRC(s, y, w), AUPRC(stretched, y, w); a != b {
			t.Fatalf("AUPRC changed from %v to %v", a, b)
		}
	})
}

func TestAUROC_CountsPairs(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, y, w := drawSample(t)
		var won, pairs float64
		for i := range s {
			for j := range s {
				if y[i] != 1 || y[j] != 0 {
					continue
				}
				pairs += w[i] * w[j]
				switch {
				case s[i] > s[j]:
					won += w[i] * w[j]
				case s[i] == s[j]:
					won += w[i] * w[j] / 2
				}
			}
		}
		if a := AUROC(s, y, w); !closeTo(a, won/pairs) {
			t.Fatalf("AUROC = %v, pairs say %v", a, won/pairs)
		}
	})
}

func TestMetrics_WeightsAreRepetition(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, y, w := drawSample(t)
		var rs, ry []float64
		for i := range s {
			for range int(w[i]) {
				rs, ry = append(rs, s[i]), append(ry, y[i])
			}
		}
		for name, metric := range map[string]func(s, y, w []float64) float64{
			"auroc": AUROC, "auprc": AUPRC, "brier": Brier, "log_loss": LogLoss, "accuracy": Accuracy,
			"balanced_accuracy": BalancedAccuracy,
			"ece":               func(s, y, w []float64) float64 { return ECE(s, y, w, 15) },
			"ece_mass":          func(s, y, w []float64) float64 { return ECEMass(s, y, w, 10) },
			"resolution":        func(s, y, w []float64) float64 { return DecomposeBrier(s, y, w, 15).Resolution },
			"within":            func(s, y, w []float64) float64 { return DecomposeBrier(s, y, w, 5).WithinCovariance },
			"net_benefit":       func(s, y, w []float64) float64 { return NetBenefit(s, y, w, 0.2) },
		} {
			if a, b := metric(s, y, w), metric(rs, ry, nil); !closeTo(a, b) {
				t.Fatalf("%s: weighted %v, repeated %v", name, a, b)
			}
		}
	})
}

func TestParseMetric(t *testing.T) {
	for _, m := range Metrics() {
		if got, err := ParseMetric(string(m)); err != nil || got != m {
			t.Errorf("ParseMetric(%q) = %v, %v", m, got, err)
		}
	}
	if _, err := ParseMetric("auc"); err == nil || !strings.Contains(err.Error(), "auroc") {
		t.Errorf("an unknown metric gives %v, want the known names", err)
	}
	if m, err := ParseMetric("net_benefit@0.1"); err != nil || m.Better() != Higher {
		t.Errorf("net_benefit@0.1 is %q, better %s: %v", m, m.Better(), err)
	}
	for _, bad := range []string{"net_benefit", "net_benefit@", "net_benefit@1", "net_benefit@-1", "net_benefit@NaN"} {
		if _, err := ParseMetric(bad); err == nil || !strings.Contains(err.Error(), "net_benefit@0.1") {
			t.Errorf("%s gives %v", bad, err)
		}
	}
	higher := []Metric{MetricAUROC, MetricAUPRC, MetricAccuracy, MetricBalancedAccuracy, MetricBrierResolution}
	lower := []Metric{MetricBrier, MetricLogLoss, MetricECE, MetricECEMass, MetricBrierReliability}
	for _, m := range Metrics() {
		want := Neither
		if slices.Contains(higher, m) {
			want = Higher
		} else if slices.Contains(lower, m) {
			want = Lower
		}
		if m.Better() != want {
			t.Errorf("%s is better %s, want %s", m, m.Better(), want)
		}
	}
}
