package stats

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestSummarize(t *testing.T) {
	in := input(MetricAUROC)
	in.Cells = nil
	for b := range 4 {
		for _, c := range simulate(uint64(20+b), 300, fiveSeeds, map[string]float64{"erm": 2, "good": 0.2, "zbad": 12}) {
			c.Backbone = fmt.Sprint("b", b)
			in.Cells = append(in.Cells, c)
		}
	}
	in.Cells = in.Cells[:len(in.Cells)-1] // b3 has no zbad
	in.Cells[4].Runs = in.Cells[4].Runs[:4]
	table := compare(t, in)
	if Summarize([]Table{table}, []Test{TestBootstrap}, 1) != nil {
		t.Error("a summary that nobody asked for")
	}
	j := Summarize([]Table{table}, JointTests(), 1)
	if !slices.Equal(j.Variants, []string{"erm", "good", "zbad"}) || !slices.Equal(j.Blocks, []string{"d/b0", "d/b1", "d/b2"}) {
		t.Fatalf("%v over %v", j.Variants, j.Blocks)
	}
	// good is best and zbad worst in each block: 6 arrangements of 216 are as clear.
	near(t, "p", float64(j.Friedman.P), 1.0/36, 1e-12)
	near(t, "mean rank of good", float64(j.Friedman.Ranks[1]), 1, 0)
	var values []float64
	for _, r := range table.Rows {
		if r.Variant == "good" && r.Backbone != "b3" {
			for _, v := range r.Overall.PerSeed {
				values = append(values, float64(v))
			}
		}
	}
	near(t, "iqm of good", float64(j.IQM[1].Estimate), IQM(values), 1e-12)
	nan(t, "improvement of the baseline", float64(j.Improvement[0].Estimate))
	near(t, "improvement of good", float64(j.Improvement[1].Estimate), 1, 0)
	near(t, "improvement of zbad", float64(j.Improvement[2].Estimate), 0, 0)
	for _, want := range []string{"d/b3 is left out", "1 planned runs are missing", "not independent", "about seeds alone"} {
		if !slices.ContainsFunc(j.Notes, func(n string) bool { return strings.Contains(n, want) }) {
			t.Errorf("no note %q in %q", want, j.Notes)
		}
	}
	alone := Summarize([]Table{compare(t, input(MetricAUROC))}, []Test{TestFriedman}, 1)
	nan(t, "p of one block", float64(alone.Friedman.P))
	if alone.IQM != nil || alone.Improvement != nil || !strings.Contains(alone.Notes[0], "two complete blocks") {
		t.Errorf("got %+v", alone)
	}
}
