package main

import (
	"bytes"
	"flag"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sweeps"
)

var update = flag.Bool("update", false, "rewrite the golden files (the tests still fail where one changed)")

// golden compares got with a file of testdata.
func golden(t *testing.T, name, got string) {
	t.Helper()
	path := "testdata/" + name
	want, err := os.ReadFile(path)
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
		if *update {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
}

// A sweep can ask for exactly the tests and corrections that compare knows.
func TestAnalysis_NamesWhatStatsHas(t *testing.T) {
	var names []string
	for _, test := range append(stats.PairedTests(), stats.JointTests()...) {
		names = append(names, string(test))
	}
	if !slices.Equal(names, sweeps.AnalysisTests()) {
		t.Errorf("stats has %v, an analysis may name %v", names, sweeps.AnalysisTests())
	}
	for _, c := range sweeps.AnalysisCorrections() {
		in := drawnCells(1)
		in.Correction = stats.Correction(c)
		if _, err := stats.Compare(in); err != nil {
			t.Error(err)
		}
	}
	for _, test := range stats.PairedTests() {
		if testNames[test] == "" {
			t.Errorf("%s has no heading", test)
		}
	}
}

// drawnCells are two backbones with three variants whose noise differs.
func drawnCells(seeds int) stats.Input {
	in := stats.Input{Task: stats.Task{Kind: stats.Binary}, Metric: stats.MetricAUROC, Baseline: "erm", Seed: 1, Bootstrap: stats.Bootstrap{Resamples: 200}}
	for _, backbone := range []string{"concat", "gated"} {
		for v, variant := range []string{"erm", "md", "ipw"} {
			cell := stats.Cell{Dataset: "made", Backbone: backbone, Variant: variant, Trials: 4}
			for seed := range int64(seeds) {
				data, own := rng.Stream(7, "rows"), rng.Stream(7, "noise", backbone, variant, seed)
				run := stats.Run{Seed: seed}
				for i := range int64(300) {
					z, y := data.NormFloat64(), 0.0
					if data.Float64() < 1/(1+math.Exp(1-2*z)) {
						y = 1
					}
					run.Units, run.Labels = append(run.Units, i), append(run.Labels, y)
					run.Scores = append(run.Scores, 1/(1+math.Exp(1-2*z-[]float64{2, 0.5, 2}[v]*own.NormFloat64())))
					run.Patterns = append(run.Patterns, []string{"base", "base+labs"}[i%2])
				}
				cell.Runs = append(cell.Runs, run)
			}
			in.Cells = append(in.Cells, cell)
		}
	}
	return in
}

func TestPrintComparison(t *testing.T) {
	all := append(stats.PairedTests(), stats.JointTests()...)
	for _, c := range []struct {
		name       string
		tests      []stats.Test
		correction stats.Correction
	}{
		{"all", all, stats.CorrectBH},
		{"wilcoxon", []stats.Test{stats.TestWilcoxon}, stats.CorrectNone},
		{"untested", []stats.Test{stats.TestFriedman}, stats.CorrectHolm},
	} {
		t.Run(c.name, func(t *testing.T) {
			in := drawnCells(5)
			in.Tests, in.Correction, in.TestRatio = c.tests, c.correction, 1.0/3
			in.Cells[2].Runs = in.Cells[2].Runs[:4]
			in.Cells[4].Trials, in.Cells[5].LostTrials = 8, 1
			table, err := stats.Compare(in)
			if err != nil {
				t.Fatal(err)
			}
			var curves []decisionCurve
			for _, cell := range in.Cells {
				if c.name == "all" {
					curves = append(curves, decisionCurve{cell.Dataset, cell.Backbone, cell.Variant, stats.MeanDecisionCurve(cell.Runs, []float64{0.1, 0.3})})
				}
			}
			var out bytes.Buffer
			result := compared{
				Sweep: "made", Test: "id", Tables: []stats.Table{table}, Joint: stats.Summarize([]stats.Table{table}, c.tests, 1), Curves: curves,
				Notes: []string{"the baseline erm was not named in the sweep's analysis"},
			}
			if c.name == "all" {
				result.TestSets = []string{"id", "do"}
				result.Shifted = []shifted{
					{Dataset: "made", Backbone: "concat", Variant: "erm", Means: []stats.Number{.8, .7}},
					{Dataset: "made", Backbone: "concat", Variant: "md", Means: []stats.Number{.79, stats.Number(math.NaN())}, Differences: []stats.Number{-.01, stats.Number(math.NaN())}},
					{Dataset: "other", Backbone: "concat", Variant: "erm", Means: []stats.Number{.6, .6}},
				}
			}
			printComparison(&out, result, c.name == "all")
			golden(t, "compare_"+c.name+".golden", out.String())
			for test, heading := range testNames {
				asked := slices.Contains(c.tests, test)
				if !asked && strings.Contains(out.String(), heading) {
					t.Errorf("prints %s, which nobody asked for", test)
				}
			}
		})
	}
}

func TestSeedValues(t *testing.T) {
	md, erm := sweeps.Cell{Dataset: "d", Backbone: "b", Variant: "md"}, sweeps.Cell{Dataset: "d", Backbone: "b", Variant: "erm"}
	values := seedValues{
		md:  {"do": {0: .5, 1: .7, 2: .9}},
		erm: {"do": {0: .4, 2: .9, 5: .1}},
	}
	if got := float64(values.mean(md, "do")); math.Abs(got-.7) > 1e-12 {
		t.Errorf("mean %v, want .7", got)
	}
	if got := float64(values.difference(md, erm, "do")); math.Abs(got-.05) > 1e-12 { // seeds 0 and 2
		t.Errorf("difference %v, want .05", got)
	}
	if got := values.mean(md, "flip"); got.Defined() {
		t.Errorf("mean of nothing %v", got)
	}
}

func TestProbability(t *testing.T) {
	for p, want := range map[float64]string{0: "<0.001", 0.0004: "<0.001", 0.0005: "0.001", 0.05: "0.050", 1: "1.000"} {
		if got := probability(stats.Number(p)); got != want {
			t.Errorf("%v is %q, want %q", p, got, want)
		}
	}
	if got := probability(stats.Number(math.NaN())); got != "n/a" {
		t.Errorf("NaN is %q", got)
	}
}
