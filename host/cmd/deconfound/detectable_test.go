package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// A fixed test set has the same patients with every seed; drawn anew, more of
// them are tested, but not all are tested as often.
func TestTestedPatients(t *testing.T) {
	t.Setenv("DECONFOUND_HOME", t.TempDir())
	h, err := findHome()
	if err != nil {
		t.Fatal(err)
	}
	store, err := h.openDataset(t.Context(), "nafld")
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	split := sweeps.Split{Scheme: "holdout", Fractions: []float64{0.6, 0.2, 0.2}, Test: sweeps.TestFixed}
	count := func(seeds ...int) (int, int) {
		t.Helper()
		events, others, err := testedPatients(store, split, seeds)
		if err != nil {
			t.Fatal(err)
		}
		return events, others
	}
	oneEvents, oneOthers := count(0)
	if share := float64(oneEvents+oneOthers) / float64(store.Patients()); math.Abs(share-0.2) > 0.02 {
		t.Errorf("%d and %d patients of %d are tested", oneEvents, oneOthers, store.Patients())
	}
	if events, others := count(0, 1, 2); events != oneEvents || others != oneOthers {
		t.Errorf("three seeds test %d and %d patients of a fixed set of %d and %d", events, others, oneEvents, oneOthers)
	}
	split.Test = sweeps.TestPerSeed
	anew, _ := count(0)
	if events, _ := count(0, 1, 2); 2*events < 3*anew || events >= 3*anew {
		t.Errorf("three draws of %d events count as %d", anew, events)
	}
}

func TestRecordedPairs(t *testing.T) {
	plan := &sweeps.Plan{
		Cells: []sweeps.CellPlan{{
			Cell:   sweeps.Cell{Dataset: "d", Backbone: "b", Variant: "erm"},
			Trials: []sweeps.Trial{{Base: sweeps.RunSpec{Dataset: sweeps.DatasetRef{Name: "d", Hash: "h"}}}},
		}},
		Analysis: sweeps.Analysis{Baseline: map[string]string{"variant": "erm"}},
	}
	run := func(id, sweep int64, backbone, variant string, seed int64) tracker.Run {
		return tracker.Run{ID: id, SweepID: sweep, Backbone: backbone, Variant: variant, SplitSeed: seed, DatasetHash: "h", Phase: tracker.Replicate, Planned: true}
	}
	search, old := run(8, 1, "b", "md", 0), run(9, 1, "b", "md", 0)
	search.Phase, old.DatasetHash = tracker.Search, "of other data"
	pairs := recordedPairs(plan, "d", []tracker.Run{
		run(1, 1, "b", "erm", 0), run(2, 1, "b", "erm", 1), run(3, 1, "b", "md", 0), run(4, 1, "b", "md", 1),
		run(5, 1, "b", "md", 2),     // no baseline with this seed
		run(6, 2, "b", "md", 0),     // of another sweep
		run(7, 1, "other", "md", 0), // no baseline
		search, old,
	})
	if len(pairs) != 2 || pairs[0].baseline.ID != 1 || pairs[0].variant.ID != 3 || pairs[1].baseline.ID != 2 || pairs[1].variant.ID != 4 || pairs[0].group != pairs[1].group {
		t.Errorf("got %+v", pairs)
	}
}

func TestPrintDetectable(t *testing.T) {
	plan := &sweeps.Plan{Seeds: []int{0, 1, 2}, Analysis: sweeps.Analysis{Confidence: 0.95, Correction: sweeps.CorrectHolm, Tests: []string{sweeps.TestBootstrap, sweeps.TestWilcoxon}}}
	binary := detectableEffect{Dataset: "nafld", Metric: "auroc", Seeds: 3, Events: 151, NonEvents: 1979, Comparisons: 3, Assumed: assumptions{0.8, 0.9, 0.01}}
	stages := detectableEffect{Dataset: "stages", Metric: "auroc", Seeds: 3, Comparisons: 3, Assumed: assumptions{0.8, 0.9, 0.004}, Pairs: 6}
	for _, e := range []*detectableEffect{&binary, &stages} {
		e.Alone, e.First = e.at(0.05), e.at(0.05/3)
	}
	if !(stages.Alone.Difference < stages.First.Difference) || !(binary.Alone.Patients > 0) || stages.Alone.Patients != 0 {
		t.Errorf("got %+v and %+v", binary, stages)
	}
	if want := stats.DetectableT(2, 0.05, 0.8) * 0.004 / math.Sqrt(3); math.Abs(float64(stages.Alone.Difference)-want) > 1e-12 {
		t.Errorf("got %v, want %v", stages.Alone.Difference, want)
	}
	var out bytes.Buffer
	printDetectable(&out, plan, []detectableEffect{binary, stages})
	golden(t, "detectable.golden", out.String())
	out.Reset()
	plan.Analysis.Correction = sweeps.CorrectNone
	printDetectable(&out, plan, []detectableEffect{binary})
	if !strings.Contains(out.String(), "corrects for nothing") {
		t.Errorf("got\n%s", out.String())
	}
}

func TestRegisteredInVain(t *testing.T) {
	plan := &sweeps.Plan{Analysis: sweeps.Analysis{Confidence: 0.95, Tests: []string{sweeps.TestBootstrap, sweeps.TestWilcoxon, sweeps.TestFriedman}}}
	for _, backbone := range []string{"a", "b"} {
		plan.Cells = append(plan.Cells, sweeps.CellPlan{Cell: sweeps.Cell{Dataset: "d", Backbone: backbone}})
	}
	for seeds, want := range map[int]int{1: 2, 3: 1, 5: 1, 6: 0} {
		plan.Seeds = make([]int, seeds)
		if got := registeredInVain(plan); len(got) != want {
			t.Errorf("%d seeds: %q", seeds, got)
		}
	}
	plan.Seeds, plan.Cells = make([]int, 6), plan.Cells[:1]
	if got := registeredInVain(plan); len(got) != 1 || !strings.Contains(got[0], "friedman") {
		t.Errorf("one block: %q", got)
	}
}
