package main

import (
	"bytes"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

func TestSelectionAudit(t *testing.T) {
	audit := selectionAudit{Sweep: "made", Metric: stats.MetricAUROC, Rule: "val/auroc@worst(pattern)", TestSets: []string{"test", "flip"}}
	var err error
	if audit.Rules, err = selectionRules(audit.Rule, audit.Metric, audit.TestSets); err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range audit.Rules {
		names = append(names, r.label())
	}
	want := []string{
		"val/auroc@worst(pattern) (used)", "val/auroc", "val/log_loss", "val/log_loss@worst(pattern)", "val/auroc@ipw",
		"test/auroc (oracle, not usable)", "flip/auroc (oracle, not usable)",
	}
	if !slices.Equal(names, want) {
		t.Fatalf("rules %q, want %q", names, want)
	}

	cell := sweeps.Cell{Dataset: "d", Backbone: "b", Variant: "v"}
	nan := math.NaN()
	values := map[int64]map[tracker.Metric]float64{}
	var runs []tracker.Run
	for trial, v := range [][]float64{
		// worst, mean, log loss, worst log loss, weighted, test, flip
		{0.6, 0.80, 0.50, nan, 0.78, 0.70, 0.40},
		{0.6, 0.81, 0.45, nan, 0.75, 0.72, 0.50}, // ties with the first in the worst pattern
		{nan, 0.79, 0.40, nan, 0.77, 0.75, 0.60},
	} {
		id := int64(10 - trial) // not in the order of the trials
		runs = append([]tracker.Run{{ID: id, Dataset: "d", Backbone: "b", Variant: "v", Phase: tracker.Search, Trial: trial}}, runs...)
		values[id] = map[tracker.Metric]float64{}
		for i, r := range audit.Rules {
			values[id][r.metric] = v[i]
		}
	}
	runs = append(runs,
		tracker.Run{ID: 20, Dataset: "d", Backbone: "b", Variant: "v", Phase: tracker.Replicate, Trial: 1},
		tracker.Run{ID: 21, Dataset: "d", Backbone: "b", Variant: "other", Phase: tracker.Search, Trial: 9})
	audit.addCell(cell, runs, values)
	if len(audit.Cells) != 1 || audit.Cells[0].Trials != 3 || *audit.Cells[0].Replicated != 1 {
		t.Fatalf("got %+v", audit.Cells)
	}
	for i, want := range []int{0, 1, 2, -1, 0, 2, 2} {
		c := audit.Cells[0].Choices[i]
		if c.Trial != want {
			t.Errorf("%s chooses trial %d, want %d", audit.Rules[i].Name, c.Trial, want)
		}
		if want >= 0 && (float64(c.Tests[0]) != []float64{0.70, 0.72, 0.75}[want] || float64(c.Tests[1]) != []float64{0.4, 0.5, 0.6}[want]) {
			t.Errorf("%s: test sets %v", audit.Rules[i].Name, c.Tests)
		}
	}
	if len(audit.Notes) != 1 || !strings.Contains(audit.Notes[0], "chooses trial 0, its replicates repeat trial 1") {
		t.Errorf("notes %q", audit.Notes)
	}
	audit.addCell(sweeps.Cell{Dataset: "d", Backbone: "b", Variant: "untried"}, runs, values)
	if len(audit.Cells) != 1 {
		t.Error("a cell without trials is audited")
	}
	var out bytes.Buffer
	printSelectionAudit(&out, audit)
	golden(t, "selection.golden", out.String())
}
