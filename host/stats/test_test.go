package stats

import (
	"math"
	"slices"
	"strings"
	"testing"
)

// Every registered test is the function of its name on the same differences, and
// the first one gives interval and verdict.
func TestCompare_DoesTheTestsAsked(t *testing.T) {
	in := input(MetricAUROC)
	in.Tests = []Test{TestWilcoxon, TestPermutation, TestCorrectedT, TestDeLong, TestFriedman}
	in.TestRatio = 1.0 / 3
	table := compare(t, in)
	if want := in.Tests[:4]; !slices.Equal(table.Tests, want) {
		t.Fatalf("tests %v, want %v", table.Tests, want)
	}
	row := table.row("good")
	d := row.Overall.Difference
	var differences []float64
	var arms []Paired
	for s := range fiveSeeds {
		differences = append(differences, float64(d.PerSeed[s]))
		a, b := in.Cells[0].Runs[s], in.Cells[1].Runs[s]
		arms = append(arms, Paired{Baseline: a.Sample, Variant: b.Scores, Clusters: a.Clusters})
	}
	student := MeanInterval(differences, 0.95)
	if d.Interval != student || d.Resamples != 0 {
		t.Errorf("interval %+v, want Student's %+v", d.Interval, student)
	}
	_, wilcoxon := Wilcoxon(differences)
	_, corrected := CorrectedT(differences, 1.0/3, 0.95)
	_, _, delong := DeLongSeeds(arms)
	for i, want := range []float64{wilcoxon, 0.0625, corrected, delong} {
		if d.Tests[i].Test != in.Tests[i] {
			t.Errorf("test %d is %s", i, d.Tests[i].Test)
		}
		near(t, string(in.Tests[i]), float64(d.Tests[i].P), want, 1e-12)
	}
	if d.P != d.Tests[0].P || d.Adjusted != d.Tests[0].Adjusted || d.Verdict != "unclear" {
		t.Errorf("the first test does not decide: %+v", d)
	}
	if w := row.Worst.Difference; w.Tests[3].P.Defined() || !w.Tests[0].P.Defined() {
		t.Errorf("delong of the worst pattern, which changes with the seed: %+v", w.Tests)
	}
	for _, p := range row.Patterns {
		if !p.Difference.Tests[3].P.Defined() {
			t.Errorf("no delong of pattern %s", p.Level)
		}
	}
	if len(table.Families) != 4*3 || table.Families[3].Test != TestPermutation || table.Families[3].Name != "overall" {
		t.Errorf("families %+v", table.Families)
	}

	in.Tests = []Test{TestDeLong}
	d = compare(t, in).row("good").Overall.Difference
	_, variance, _ := DeLongSeeds(arms)
	near(t, "low by DeLong", float64(d.Low), float64(d.Estimate)-1.959964*math.Sqrt(variance), 1e-6)
	if d.Verdict != "better" {
		t.Errorf("verdict by DeLong is %q", d.Verdict)
	}
	in.Metric = MetricBrier
	if d := compare(t, in).row("good").Overall.Difference; d.P.Defined() || d.Verdict != "untested" {
		t.Errorf("DeLong of a Brier score: %+v", d)
	}

	in.Tests, in.TestRatio = []Test{TestCorrectedT}, 0
	if d := compare(t, in).row("good").Overall.Difference; d.P.Defined() || d.Low.Defined() || d.Verdict != "untested" {
		t.Errorf("corrected t without a ratio: %+v", d)
	}
	in.Tests = []Test{}
	if d := compare(t, in).row("good").Overall.Difference; d.P.Defined() || !d.Low.Defined() || len(d.Tests) != 0 || d.Verdict != "untested" {
		t.Errorf("without a test: %+v", d)
	}
}

// DeLong treats one seed as a whole comparison.
func TestCompare_DeLongOfOneSeed(t *testing.T) {
	in := input(MetricAUROC)
	in.Cells = simulate(11, 500, []int64{3}, map[string]float64{"erm": 2, "good": 0.2})
	in.Tests = []Test{TestDeLong, TestBootstrap}
	d := compare(t, in).row("good").Overall.Difference
	if !d.P.Defined() || !d.Low.Defined() || d.Tests[1].P.Defined() {
		t.Errorf("got %+v", d)
	}
}

func TestCompare_Corrections(t *testing.T) {
	for correction, adjust := range map[Correction]func([]float64) []float64{
		CorrectHolm: Holm, CorrectBH: BenjaminiHochberg, CorrectNone: func(p []float64) []float64 { return p },
	} {
		in := input(MetricAUROC)
		in.Correction = correction
		table := compare(t, in)
		var raw, adjusted []float64
		for _, r := range table.Rows[1:] {
			raw = append(raw, float64(r.Overall.Difference.P))
			adjusted = append(adjusted, float64(r.Overall.Difference.Adjusted))
		}
		if !slices.Equal(adjust(raw), adjusted) {
			t.Errorf("%s: adjusted %v of %v, want %v", correction, adjusted, raw, adjust(raw))
		}
		says := map[Correction]string{CorrectHolm: "Holm's correction", CorrectBH: "Benjamini and Hochberg's", CorrectNone: "no correction"}[correction]
		if f := table.Families[0]; f.Correction != correction || !strings.HasPrefix(f.Text, says) {
			t.Errorf("%s: family %+v", correction, f)
		}
	}
	for _, bad := range []Input{{Tests: []Test{"t_test"}}, {Correction: "bonferroni"}} {
		in := input(MetricAUROC)
		in.Tests, in.Correction = bad.Tests, bad.Correction
		if _, err := Compare(in); err == nil || !strings.Contains(err.Error(), "use ") {
			t.Errorf("%+v gives %v", bad, err)
		}
	}
}

func TestCompare_FlagsLostTrials(t *testing.T) {
	in := input(MetricAUROC)
	in.Cells[1].LostTrials = 3
	if row := compare(t, in).row("good"); !slices.ContainsFunc(row.Flags, func(f string) bool { return strings.Contains(f, "3 of 8 trials") }) {
		t.Errorf("flags %q", row.Flags)
	}
}
