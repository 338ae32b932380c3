package stats

import (
	"math"
	"strings"
	"testing"
)

func TestTruthMetrics_byHand(t *testing.T) {
	scores, truth, labels := []float64{.2, .9, .5}, []float64{.5, .5, .5}, []float64{0, 1, 1}
	// √((.09 + .16 + 0) / 3); with weights 1, 0, 3: √(.09 / 4).
	if got, want := IRMSE(scores, truth, nil), math.Sqrt(.25/3); math.Abs(got-want) > 1e-15 {
		t.Errorf("irmse is %v, want %v", got, want)
	}
	if got, want := IRMSE(scores, truth, []float64{1, 0, 3}), .15; math.Abs(got-want) > 1e-15 {
		t.Errorf("weighted irmse is %v, want %v", got, want)
	}
	want := -(math.Log(.8)+math.Log(.9)+math.Log(.5))/3 + math.Log(.5)
	if got := ExcessLogLoss(scores, labels, truth, nil); math.Abs(got-want) > 1e-12 {
		t.Errorf("excess log-loss is %v, want %v", got, want)
	}
}

// Evaluate reports them where the truth is known, and nowhere else.
func TestEvaluate_truth(t *testing.T) {
	s := Sample{}
	for i := range 60 {
		s.Scores = append(s.Scores, float64(i%7)/8+.05)
		s.Labels = append(s.Labels, float64(i%2))
		s.Truth = append(s.Truth, float64(i%5)/5+.1)
		s.Weights = append(s.Weights, float64(i%3))
	}
	task := Task{Kind: Binary}
	report, err := Evaluate(task, s)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := report.Values[MetricIRMSE], IRMSE(s.Scores, s.Truth, s.Weights); math.Abs(got-want) > 1e-12 {
		t.Errorf("irmse is %v, want %v", got, want)
	}
	if got, want := report.Values[MetricExcessLogLoss], ExcessLogLoss(s.Scores, s.Labels, s.Truth, s.Weights); math.Abs(got-want) > 1e-12 {
		t.Errorf("excess log-loss is %v, want %v", got, want)
	}
	s.Truth[3] = 1.5
	if _, err := Evaluate(task, s); err == nil || !strings.Contains(err.Error(), "truth of row 3 is 1.5") {
		t.Errorf("a truth of 1.5: %v", err)
	}
	s.Truth = nil
	if report, err = Evaluate(task, s); err != nil {
		t.Fatal(err)
	}
	if _, there := report.Values[MetricIRMSE]; there {
		t.Error("irmse is measured without a truth")
	}
}

// Compare pairs them as any other metric; without a truth it says so.
func TestCompare_truth(t *testing.T) {
	run := func(seed int64, shift float64) Run {
		r := Run{Seed: seed}
		for i := range 80 {
			p := float64(i%8)/10 + .1
			r.Units = append(r.Units, seed*1000+int64(i))
			r.Truth = append(r.Truth, p)
			r.Scores = append(r.Scores, p+shift)
			r.Labels = append(r.Labels, float64(i%2))
		}
		return r
	}
	in := Input{Task: Task{Kind: Binary}, Metric: MetricIRMSE, Baseline: "erm", Bootstrap: Bootstrap{Resamples: 50}, Cells: []Cell{
		{Dataset: "d", Backbone: "b", Variant: "erm", Runs: []Run{run(0, .1), run(1, .1)}},
		{Dataset: "d", Backbone: "b", Variant: "md", Runs: []Run{run(0, .02), run(1, .04)}},
	}}
	table, err := Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	if got := float64(table.Rows[1].Overall.Difference.Estimate); math.Abs(got+.07) > 1e-9 {
		t.Errorf("difference is %v, want -.07", got)
	}
	in.Cells[0].Runs[0].Truth = nil
	if _, err := Compare(in); err == nil || !strings.Contains(err.Error(), "the truth of these rows is not known") {
		t.Errorf("without a truth: %v", err)
	}
}
