package main

import (
	"bytes"
	"encoding/json"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
)

// What is kept prints as what was made, in text and JSON, and keeps every bit.
func TestComparison_Pack(t *testing.T) {
	in := drawnCells(3)
	in.Tests = append(stats.PairedTests(), stats.JointTests()...)
	in.Cells[1].Runs = nil
	table, err := stats.Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	inf, nan := stats.Number(math.Inf(1)), stats.Number(math.NaN())
	made := compared{
		Sweep: "made", Test: "id", Tests: []string{"paired_bootstrap"}, Correction: "holm", Tables: []stats.Table{table},
		Joint: stats.Summarize([]stats.Table{table}, []stats.Test{stats.TestFriedman}, 1),
		Doubts: []doubt{{Dataset: "made", Backbone: "concat", Variant: "ipw", Marks: []mark{}, Sensitivity: []diagnose.Finding{
			{Name: "e_value", Interval: stats.Interval{Estimate: inf, Low: nan, High: nan}, P: nan, N: 4, EffectiveN: 4},
		}}},
		Notes: []string{"a note"},
	}
	packed, err := made.pack()
	if err != nil {
		t.Fatal(err)
	}
	kept, err := unpackComparison(packed)
	if err != nil {
		t.Fatal(err)
	}
	bits := cmp.Comparer(func(a, b stats.Number) bool { return math.Float64bits(float64(a)) == math.Float64bits(float64(b)) })
	if d := cmp.Diff(made, kept, bits, cmpopts.EquateEmpty()); d != "" {
		t.Error(d)
	}
	texts := make([]string, 2)
	for i, c := range []compared{made, kept} {
		var text bytes.Buffer
		printComparison(&text, c, true)
		if err := json.NewEncoder(&text).Encode(c); err != nil {
			t.Fatal(err)
		}
		texts[i] = strings.ReplaceAll(text.String(), ":null", ":[]") // lists of nothing are [] when they were kept
	}
	if d := cmp.Diff(texts[0], texts[1]); d != "" {
		t.Error(d)
	}
	if kept.Joint.IQM != nil || kept.Joint.Friedman == nil {
		t.Error("what was not asked for is there, or what was is not")
	}
}
