package main

import (
	"math"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
)

// armOf is a run with a score for each label; shift moves every other score.
func armOf(seed int64, shift float64) stats.Run {
	r := stats.Run{Seed: seed}
	for i := range 40 {
		r.Units = append(r.Units, int64(i))
		r.Clusters = append(r.Clusters, int64(i/2)) // patients with two rows
		r.Labels = append(r.Labels, float64(i%4/2))
		r.Scores = append(r.Scores, math.Mod(float64(i)*0.37+shift*float64(i%3), 1)/2+0.2*float64(i%4/2))
	}
	return r
}

// The power is that of plan for what was measured on the table itself.
func TestReachedPower(t *testing.T) {
	difference := func(values ...stats.Number) stats.Group {
		return stats.Group{Difference: &stats.Difference{PerSeed: values}}
	}
	table := stats.Table{
		Metric: stats.MetricBrier, Baseline: "erm", Confidence: .95, Seeds: []int64{0, 1, 2},
		Rows: []stats.Row{
			{Dataset: "d", Variant: "erm", IsBaseline: true},
			{Dataset: "d", Variant: "md", Overall: difference(.01, .02, .03)},
			{Dataset: "d", Variant: "ipw", Overall: difference(.01, stats.Number(math.NaN()), .05)},
		},
	}
	e := reachedPower(table, nil, stats.Task{Kind: stats.Binary}, sweeps.CorrectHolm)
	if e == nil {
		t.Fatal("nothing is known")
	}
	// Two groups: (1e-4 + 1e-4)/... squares 2e-4 with 2 degrees, 8e-4 with 1.
	sd := math.Sqrt((2e-4 + 8e-4) / 3)
	alone := stats.DetectableDifference(sd*sd/3, 0, 3, .05, .8)
	first := stats.DetectableDifference(sd*sd/3, 0, 3, .025, .8)
	if math.Abs(e.Assumed.SD-sd) > 1e-12 || e.Pairs != 5 || e.Comparisons != 2 || math.Abs(float64(e.Alone.Difference-alone.Difference)) > 1e-9 || math.Abs(float64(e.First.Difference-first.Difference)) > 1e-9 {
		t.Errorf("got %+v, want sd %v, %+v and %+v", *e, sd, alone, first)
	}
	if e := reachedPower(table, nil, stats.Task{}, sweeps.CorrectNone); e.First != e.Alone {
		t.Errorf("without correction %+v is not %+v", e.First, e.Alone)
	}

	table.Metric = stats.MetricAUROC
	cells := []stats.Cell{
		{Dataset: "d", Backbone: "b", Variant: "erm", Runs: []stats.Run{armOf(0, 0), armOf(1, .1), armOf(2, .2)}},
		{Dataset: "d", Backbone: "b", Variant: "md", Runs: []stats.Run{armOf(0, .3), armOf(1, .2), armOf(2, .5)}},
	}
	e = reachedPower(table, cells, stats.Task{Kind: stats.Binary}, sweeps.CorrectHolm)
	// 20 patients, all tested three times: those with an odd number have events.
	if e.Events != 10 || e.NonEvents != 10 || !(e.Assumed.AUROC > .5 && e.Assumed.AUROC < 1) || !(e.Assumed.Correlation < 1) || !(e.Alone.Difference > alone.Difference) {
		t.Errorf("got %+v", *e)
	}
	want := stats.Design{Seeds: 3, Events: 10, NonEvents: 10, AUROC: e.Assumed.AUROC, Correlation: e.Assumed.Correlation, TrainingSD: sd, Alpha: .05, Power: .8}.Detectable()
	if e.Alone != want {
		t.Errorf("got %+v, want %+v", e.Alone, want)
	}
	var text strings.Builder
	printReached(&text, *e)
	if s := text.String(); !strings.Contains(s, "is found in 80 of 100 sweeps") || !strings.Contains(s, decimal(float64(want.Difference))) || !strings.Contains(s, "of 20 patients") {
		t.Error(s)
	}
	if reachedPower(stats.Table{Rows: table.Rows[:1]}, nil, stats.Task{}, "") != nil {
		t.Error("the power of nothing")
	}
}
