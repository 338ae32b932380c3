package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
)

// A failed refuter stands beside the rows that rely on it, of either arm, with its
// reason below; without one there is no such column.
func TestDoubts_MarkWhatRelies(t *testing.T) {
	in := drawnCells(3)
	table, err := stats.Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	printed := func(marks map[[3]string][]mark) (string, []doubt) {
		list := doubts(in.Cells, in.Task, in.Baseline, marks)
		var out bytes.Buffer
		printComparison(&out, compared{Sweep: "made", Test: "id", Tables: []stats.Table{table}, Doubts: list}, false)
		return out.String(), list
	}
	text, list := printed(nil)
	if strings.Contains(text, "fails refuters") || len(list) != 4 {
		t.Errorf("nothing fails: got %d doubts,\n%s", len(list), text)
	}
	for _, d := range list {
		if len(d.Sensitivity) != 3 || len(d.Marks) != 0 {
			t.Errorf("got %+v", d)
		}
		for _, f := range d.Sensitivity {
			if f.Reason == "" || !f.Estimate.Defined() {
				t.Errorf("got %+v", f)
			}
		}
		// md has a quarter of the noise of the others.
		if e := d.Sensitivity[0]; d.Variant == "md" != (e.Low > 1.5) || e.Verdict == diagnose.None {
			t.Errorf("%s: got %+v", d.Variant, e)
		}
	}
	if stored := storedDoubts(list, "erm", "id"); len(stored) != 12 || stored[0].Baseline != "erm" || stored[0].N != 300 || stored[0].Name != "e_value" {
		t.Errorf("stored %d, the first %+v", len(stored), stored[0])
	}

	text, list = printed(map[[3]string][]mark{
		{"made", "concat", "erm"}: {{Refuter: "placebo_mask", Failed: 2, Runs: 3, Reason: "leans"}},
		{"made", "gated", "md"}:   {{Refuter: "dummy_outcome", Failed: 3, Runs: 3, Reason: "reads the mask"}},
	})
	marked := map[string]string{}
	for _, d := range list {
		for _, m := range d.Marks {
			marked[d.Backbone+"/"+d.Variant] += m.short()
		}
	}
	for cell, want := range map[string]string{
		"concat/md": "placebo_mask (baseline, 2 of 3)", "concat/ipw": "placebo_mask (baseline, 2 of 3)",
		"gated/md": "dummy_outcome (variant, 3 of 3)", "gated/ipw": "",
	} {
		if marked[cell] != want {
			t.Errorf("%s is marked %q, want %q", cell, marked[cell], want)
		}
	}
	if n := strings.Count(text, "! made/concat/erm fails placebo_mask: leans\n"); n != 1 {
		t.Errorf("the reason is printed %d times:\n%s", n, text)
	}
	if !strings.Contains(text, "fails refuters") || !strings.Contains(text, "! made/gated/md fails dummy_outcome: reads the mask\n") {
		t.Errorf("got\n%s", text)
	}
}
