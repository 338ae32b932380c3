package stats

import (
	"math"
	"strings"
	"testing"
)

func TestEvaluate_BinaryAgreesWithMetrics(t *testing.T) {
	for _, f := range load(t).Binary {
		r, err := Evaluate(Task{Kind: Binary}, Sample{Scores: f.Scores, Labels: f.Labels, Weights: f.Weights})
		if err != nil {
			t.Fatal(err)
		}
		events := 0
		for _, y := range f.Labels {
			events += int(y)
		}
		if r.N != len(f.Labels) || r.Events != events || r.NonEvents != r.N-events {
			t.Errorf("n = %d, events = %d, non-events = %d of %d rows with %d events", r.N, r.Events, r.NonEvents, len(f.Labels), events)
		}
		for metric, want := range map[Metric]float64{
			MetricAUROC: f.AUROC, MetricAUPRC: f.AUPRC, MetricBrier: f.Brier, MetricLogLoss: f.LogLoss, MetricECE: f.ECE,
			MetricECEMass:  ECEMass(f.Scores, f.Labels, f.Weights, ECEMassBins),
			MetricAccuracy: f.Accuracy, MetricBalancedAccuracy: f.BalancedAccuracy,
		} {
			near(t, string(metric), r.Values[metric], want, 1e-12)
		}
		near(t, "slope", r.Values[MetricCalibrationSlope], f.CalibrationSlope, 1e-6)
		near(t, "intercept", r.Values[MetricCalibrationIntercept], f.CalibrationIntercept, 1e-6)
		if len(r.Undefined) != 0 {
			t.Errorf("undefined: %v", r.Undefined)
		}
	}
}

func TestEvaluate_MulticlassAgreesWithScikitLearn(t *testing.T) {
	for _, f := range load(t).Multiclass {
		task := Task{Kind: Multiclass, Classes: f.Classes}
		r, err := Evaluate(task, Sample{Scores: f.Scores, Labels: f.Labels, Weights: f.Weights})
		if err != nil {
			t.Fatal(err)
		}
		for metric, want := range map[Metric]float64{
			MetricAUROC: f.AUROC, MetricAUPRC: f.AUPRC, MetricBrier: f.Brier, MetricLogLoss: f.LogLoss,
			MetricECE: f.ECE, MetricAccuracy: f.Accuracy, MetricBalancedAccuracy: f.BalancedAccuracy,
		} {
			near(t, string(metric), r.Values[metric], want, 1e-9)
		}
		unknown := append([]float64{math.NaN()}, f.Labels...)
		scores := append(make([]float64, f.Classes), f.Scores...)
		var weights []float64
		if f.Weights != nil {
			weights = append([]float64{1}, f.Weights...)
		}
		again, err := Evaluate(task, Sample{Scores: scores, Labels: unknown, Weights: weights})
		if err != nil || again.N != r.N {
			t.Fatalf("with an unknown label n = %d, %v; want %d", again.N, err, r.N)
		}
		for m, v := range r.Values {
			near(t, string(m)+" with an unknown label", again.Values[m], v, 1e-12)
		}
	}
}

func TestEvaluate_MultilabelIsMacroOverLabelsWithEvents(t *testing.T) {
	f := load(t).Binary
	a, b := f[1], f[2] // 80 rows each
	s := Sample{}
	for i := range a.Labels {
		rare := 0.0
		if i < 9 {
			rare = 1
		}
		second := b.Labels[i]
		if i == 3 {
			second = math.NaN()
		}
		s.Scores = append(s.Scores, a.Scores[i], b.Scores[i], 0.5)
		s.Labels = append(s.Labels, a.Labels[i], second, rare)
	}
	r, err := Evaluate(Task{Kind: Multilabel, Classes: 3}, s)
	if err != nil {
		t.Fatal(err)
	}
	known := append([]float64(nil), b.Labels...)
	known[3] = math.NaN()
	near(t, "auroc", r.Values[MetricAUROC], (AUROC(a.Scores, a.Labels, nil)+AUROC(b.Scores, known, nil))/2, 1e-12)
	near(t, "brier", r.Values[MetricBrier], (Brier(a.Scores, a.Labels, nil)+Brier(b.Scores, known, nil))/2, 1e-12)
	if len(r.LeftOut) != 1 || r.LeftOut[0] != 2 || r.N != 80 {
		t.Errorf("left out %v, n = %d; want label 2 (9 events), 80", r.LeftOut, r.N)
	}
	few, err := Evaluate(Task{Kind: Multilabel, Classes: 3}, Sample{Scores: s.Scores[:30], Labels: s.Labels[:30]})
	if err != nil || len(few.Values) != 0 || !strings.Contains(few.Undefined[MetricAUROC], "no label has 10 events") {
		t.Errorf("of 10 rows: %v, %v", few, err)
	}
}

func TestEvaluate_TooFewEvents(t *testing.T) {
	sample := func(events, nonEvents int) Sample {
		var s Sample
		for i := range events + nonEvents {
			y := 0.0
			if i < events {
				y = 1
			}
			s.Labels, s.Scores = append(s.Labels, y), append(s.Scores, float64(i%7)/7)
		}
		return s
	}
	for _, c := range []struct {
		events, nonEvents int
		reason            string
	}{
		{9, 500, "9 events, fewer than 10"},
		{500, 9, "9 non-events, fewer than 10"},
		{10, 10, ""},
	} {
		r, err := Evaluate(Task{Kind: Binary}, sample(c.events, c.nonEvents))
		if err != nil {
			t.Fatal(err)
		}
		if r.Undefined[MetricAUROC] != c.reason || (len(r.Values) == 0) != (c.reason != "") {
			t.Errorf("%d events, %d non-events: reason %q, %d values; want %q", c.events, c.nonEvents, r.Undefined[MetricAUROC], len(r.Values), c.reason)
		}
		if r.Events != c.events || r.NonEvents != c.nonEvents {
			t.Errorf("counted %d and %d, want %d and %d", r.Events, r.NonEvents, c.events, c.nonEvents)
		}
	}
	s := sample(10, 10)
	s.Weights = orOnes(nil, 20)
	s.Weights[0] = 0
	if r, _ := Evaluate(Task{Kind: Binary}, s); r.Events != 9 || r.N != 19 {
		t.Errorf("a row of weight 0 counts: n = %d, events = %d", r.N, r.Events)
	}
	var multi Sample
	for i := range 60 {
		class := i % 2
		if i < 9 {
			class = 2
		}
		multi.Labels = append(multi.Labels, float64(class))
		multi.Scores = append(multi.Scores, .2, .3, .5)
	}
	if r, _ := Evaluate(Task{Kind: Multiclass, Classes: 3}, multi); r.Events != 9 || len(r.Values) != 0 ||
		r.Undefined[MetricBrier] != "9 events in the smallest class, fewer than 10" {
		t.Errorf("multiclass with a class of 9: %+v", r)
	}
	flat := sample(20, 20)
	for i := range flat.Scores {
		flat.Scores[i] = 0.3
	}
	r, _ := Evaluate(Task{Kind: Binary}, flat)
	if _, ok := r.Values[MetricCalibrationSlope]; ok || r.Undefined[MetricCalibrationSlope] == "" {
		t.Error("constant scores have a calibration slope")
	}
}

func TestEvaluate_RefusesWhatIsNoSample(t *testing.T) {
	for name, c := range map[string]struct {
		task Task
		s    Sample
		want string
	}{
		"kind":    {Task{Kind: "regression"}, Sample{}, "unknown task kind"},
		"classes": {Task{Kind: Multiclass, Classes: 1}, Sample{}, "at least 2 classes"},
		"labels":  {Task{Kind: Multilabel}, Sample{}, "at least 1 label"},
		"shape":   {Task{Kind: Binary}, Sample{Scores: []float64{1}}, "do not fit"},
		"weights": {Task{Kind: Binary}, Sample{Scores: []float64{1}, Labels: []float64{1}, Weights: []float64{1, 2}}, "2 weights for 1 rows"},
		"score":   {Task{Kind: Binary}, Sample{Scores: []float64{.5, 1.5}, Labels: []float64{1, 0}}, "row 1 is 1.5"},
		"nan":     {Task{Kind: Binary}, Sample{Scores: []float64{math.NaN()}, Labels: []float64{1}}, "not a probability"},
		"label":   {Task{Kind: Binary}, Sample{Scores: []float64{.5}, Labels: []float64{2}}, "label of row 0 is 2"},
		"class":   {Task{Kind: Multiclass, Classes: 2}, Sample{Scores: []float64{.5, .5}, Labels: []float64{0.5}}, "outside 0..1"},
		"weight":  {Task{Kind: Binary}, Sample{Scores: []float64{.5}, Labels: []float64{1}, Weights: []float64{-1}}, "weight of row 0"},
	} {
		if _, err := Evaluate(c.task, c.s); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
		if _, err := EvaluateGroups(c.task, c.s, nil); err == nil {
			t.Errorf("%s: EvaluateGroups accepts it", name)
		}
	}
}

func TestWorst_AmongLevelsWithEvents(t *testing.T) {
	var s Sample
	var levels []string
	add := func(level string, rows int, score func(i int, y float64) float64) {
		for i := range rows {
			y := float64(i % 2)
			s.Labels = append(s.Labels, y)
			s.Scores = append(s.Scores, score(i, y))
			levels = append(levels, level)
		}
	}
	add("good", 40, func(_ int, y float64) float64 { return 0.3 + 0.4*y })
	add("coin", 40, func(_ int, _ float64) float64 { return 0.5 })
	add("rare", 18, func(_ int, y float64) float64 { return 0.9 - 0.8*y }) // 9 events: perfectly wrong
	add("", 40, func(_ int, y float64) float64 { return 0.9 - 0.8*y })

	reports, err := EvaluateGroups(Task{Kind: Binary}, s, levels)
	if err != nil {
		t.Fatal(err)
	}
	if len(reports) != 3 || reports["rare"].Undefined[MetricAUROC] != "9 events, fewer than 10" {
		t.Errorf("reports: %+v", reports)
	}
	if level, v, ok := Worst(reports, MetricAUROC); level != "coin" || v != 0.5 || !ok {
		t.Errorf("worst AUROC is %v of %q, %v; want 0.5 of coin", v, level, ok)
	}
	if level, v, ok := Worst(reports, MetricBrier); level != "coin" || v != 0.25 || !ok {
		t.Errorf("worst Brier is %v of %q, %v; want 0.25 of coin", v, level, ok)
	}
	if _, _, ok := Worst(map[string]Report{"rare": reports["rare"]}, MetricAUROC); ok {
		t.Error("there is a worst level where none is defined")
	}
	if _, err := EvaluateGroups(Task{Kind: Binary}, s, levels[:3]); err == nil {
		t.Error("3 levels for 138 rows are accepted")
	}
}
