package diagnose

import (
	"math"
	"testing"
)

func TestResidual_Reference(t *testing.T) {
	c := fixture[struct {
		Scores, Labels, Shifts values
		Levels                 []string
		Clusters               []int64
		DF                     int
		Score, Clustered       float64
		Statistic, P, Common   float64
	}](t, "residual")
	got := TestResidual(c.Scores, c.Labels, c.Levels, nil, MinPatternRows, 0)
	near(t, "statistic", got.Statistic, c.Statistic)
	near(t, "p", got.P, c.P)
	near(t, "common shift", got.Common, c.Common)
	if got.DF != c.DF || len(got.Patterns) != 4 || got.Patterns[3].Level != PooledLevel {
		t.Fatalf("got %+v", got)
	}
	for i, p := range got.Patterns {
		near(t, "shift of "+p.Level, p.Shift, c.Shifts[i])
	}
	if got.Clustered || !math.IsNaN(got.Score) {
		t.Errorf("one row a patient: got %+v", got)
	}
	clustered := TestResidual(c.Scores, c.Labels, c.Levels, c.Clusters, MinPatternRows, 0)
	near(t, "score statistic", clustered.Score, c.Score)
	near(t, "p with several rows a patient", clustered.P, c.Clustered)
	if f, _ := JudgeResidual("residual", c.Scores, c.Labels, c.Levels, nil, 0); f.Verdict != Fail || f.N != len(c.Scores) {
		t.Errorf("got %+v", f)
	}
}

// A pattern without events has its likelihood at infinity: the test still exists.
func TestResidual_PatternWithoutEvents(t *testing.T) {
	var scores, labels []float64
	var levels []string
	for i := range 100 {
		scores, levels = append(scores, .5), append(levels, []string{"a", "b"}[i%2])
		labels = append(labels, float64(i%2*(i/2%2)))
	}
	got := TestResidual(scores, labels, levels, nil, MinPatternRows, 0)
	// Null: 25 of 100; alternative: 0 of 50 and 25 of 50.
	near(t, "statistic", got.Statistic, 2*(50*math.Log(.5)-25*math.Log(.25)-75*math.Log(.75)))
	if !math.IsInf(got.Patterns[0].Shift, -1) {
		t.Errorf("got a shift of %v, want -Inf", got.Patterns[0].Shift)
	}
}

func TestJudgeResidual_TooLittle(t *testing.T) {
	f, _ := JudgeResidual("residual", []float64{.1, .2, .3}, []float64{1, 0, math.NaN()}, []string{"a", "b", "a"}, nil, 0)
	if f.Verdict != None || f.Reason == "" || f.P.Defined() {
		t.Errorf("got %+v", f)
	}
}

func TestCalibrateByPattern_Reference(t *testing.T) {
	c := fixture[struct {
		Scores, Labels, Intercept, Slope            values
		Large, Reliability, Resolution, Uncertainty float64
	}](t, "calibration")
	var levels []string
	for range c.Scores {
		levels = append(levels, "")
	}
	levels = append(levels, "small", "small")
	got := CalibrateByPattern(append(c.Scores, .2, .4), append(c.Labels, 0, math.NaN()), levels)
	if len(got) != 2 || got[1].Level != "small" || got[1].N != 1 || got[1].Slope.Estimate.Defined() {
		t.Fatalf("got %+v", got)
	}
	nearInterval(t, "intercept", got[0].Intercept, c.Intercept)
	nearInterval(t, "slope", got[0].Slope, c.Slope)
	near(t, "in the large", got[0].Large, c.Large)
	near(t, "reliability", got[0].Brier.Reliability, c.Reliability)
	near(t, "resolution", got[0].Brier.Resolution, c.Resolution)
	near(t, "uncertainty", got[0].Brier.Uncertainty, c.Uncertainty)
}
