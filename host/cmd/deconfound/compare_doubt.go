package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/tracker"
)

// maskGainRepeats is how often an outcome is drawn from the pattern alone.
const maskGainRepeats = 40

// refuterPrefix starts the names of the diagnostics that mark a comparison.
const refuterPrefix = "refuter/"

// doubt is what stands against the comparison of a cell with the baseline, or says
// how much it would take.
type doubt struct {
	Dataset  string `json:"dataset"`
	Backbone string `json:"backbone"`
	Variant  string `json:"variant"`
	// Marks are the refuters that fail.
	Marks []mark `json:"marks"`
	// Sensitivity is of the difference to the baseline.
	Sensitivity []diagnose.Finding `json:"sensitivity"`
}

// mark is a refuter that fails in runs of one arm, or in the comparison itself.
type mark struct {
	Refuter string `json:"refuter"`
	Arm     string `json:"arm"` // variant, baseline or comparison
	Failed  int    `json:"failed_runs"`
	Runs    int    `json:"runs"`
	Reason  string `json:"reason"`
}

// short is how a mark stands beside its row.
func (m mark) short() string {
	if m.Arm == "comparison" {
		return m.Refuter
	}
	return fmt.Sprintf("%s (%s, %d of %d)", m.Refuter, m.Arm, m.Failed, m.Runs)
}

// armMarks are the marks of the runs of every cell, by cell.
func armMarks(ctx context.Context, store *tracker.Store, sweep int64, predictions []*tracker.RunPredictions) (map[[3]string][]mark, error) {
	planned := true
	failed, err := store.FailedDiagnostics(ctx, tracker.RunFilter{
		SweepID: sweep, Phase: tracker.Replicate, States: []tracker.State{tracker.Done}, Planned: &planned,
	}, refuterPrefix)
	if err != nil {
		return nil, err
	}
	runs := map[[3]string]int{}
	out := map[[3]string][]mark{}
	for _, p := range predictions {
		cell := [3]string{p.Run.Dataset, p.Run.Backbone, p.Run.Variant}
		runs[cell]++
		for _, d := range failed[p.Run.ID] {
			name := strings.TrimPrefix(d.Name, refuterPrefix)
			k := slices.IndexFunc(out[cell], func(m mark) bool { return m.Refuter == name })
			if k < 0 {
				k = len(out[cell])
				var detail struct{ Reason string }
				_ = json.Unmarshal(d.Detail, &detail) // the mark stands without a reason
				out[cell] = append(out[cell], mark{Refuter: name, Reason: detail.Reason})
			}
			out[cell][k].Failed++
		}
	}
	for cell, marks := range out {
		for k := range marks {
			marks[k].Runs = runs[cell]
		}
	}
	return out, nil
}

// doubts gathers them for every cell but those of the baseline.
func doubts(cells []stats.Cell, task stats.Task, baseline string, marks map[[3]string][]mark) []doubt {
	made := make([]*doubt, len(cells))
	var wait sync.WaitGroup
	processors := make(chan struct{}, runtime.GOMAXPROCS(0))
	for i, c := range cells {
		at := slices.IndexFunc(cells, func(b stats.Cell) bool {
			return b.Dataset == c.Dataset && b.Backbone == c.Backbone && b.Variant == baseline
		})
		if c.Variant == baseline || at < 0 {
			continue
		}
		// Every cell has draws of its own, so that the order does not matter.
		processors <- struct{}{}
		wait.Go(func() {
			defer func() { <-processors }()
			made[i] = newDoubt(c, cells[at], task, marks)
		})
	}
	wait.Wait()
	var out []doubt
	for _, d := range made {
		if d != nil {
			out = append(out, *d)
		}
	}
	return out
}

func newDoubt(c, baseline stats.Cell, task stats.Task, marks map[[3]string][]mark) *doubt {
	d := &doubt{Dataset: c.Dataset, Backbone: c.Backbone, Variant: c.Variant, Marks: []mark{}}
	for _, arm := range []struct{ name, variant string }{{"variant", c.Variant}, {"baseline", baseline.Variant}} {
		for _, m := range marks[[3]string{c.Dataset, c.Backbone, arm.variant}] {
			m.Arm = arm.name
			d.Marks = append(d.Marks, m)
		}
	}
	evalue, gamma := diagnose.PairedSensitivity(patientDifferences(task, c.Runs, baseline.Runs))
	d.Sensitivity = []diagnose.Finding{evalue, gamma}
	if task.Kind == stats.Binary {
		gain := diagnose.Refuters{Repeats: maskGainRepeats, Rand: rng.Stream(1, "mask gain", c.Dataset, c.Backbone, c.Variant)}.MaskGain(pairedScores(c.Runs, baseline.Runs))
		d.Sensitivity = append(d.Sensitivity, gain)
		if gain.Verdict == diagnose.Fail {
			d.Marks = append(d.Marks, mark{Refuter: gain.Name, Arm: "comparison", Reason: gain.Reason})
		}
	}
	return d
}

// matchedRows calls f with the positions of the rows that both runs of a seed have.
func matchedRows(variant, baseline []stats.Run, f func(v, b stats.Run, i, j int)) {
	for _, v := range variant {
		for _, b := range baseline {
			if v.Seed != b.Seed {
				continue
			}
			place := make(map[int64]int, len(b.Units))
			for j, unit := range b.Units {
				place[unit] = j
			}
			for i, unit := range v.Units {
				if j, ok := place[unit]; ok {
					f(v, b, i, j)
				}
			}
		}
	}
}

// patientDifferences is the squared error of the baseline − that of the variant,
// averaged over the rows and seeds of a patient, in the order of first appearance.
func patientDifferences(task stats.Task, variant, baseline []stats.Run) []float64 {
	var order []int64
	sum, n := map[int64]float64{}, map[int64]float64{}
	matchedRows(variant, baseline, func(v, b stats.Run, i, j int) {
		patient := v.Units[i]
		if v.Clusters != nil {
			patient = v.Clusters[i]
		}
		outputs, d, known := task.Outputs(), 0.0, 0.0
		for c := range outputs {
			y := v.Labels[i*task.LabelWidth()+c%task.LabelWidth()]
			if task.Kind == stats.Multiclass && !math.IsNaN(y) {
				y = indicator(int(y) == c)
			}
			if math.IsNaN(y) {
				continue
			}
			p, q := v.Scores[i*outputs+c], b.Scores[j*outputs+c]
			d, known = d+(q-y)*(q-y)-(p-y)*(p-y), known+1
		}
		if known == 0 {
			return
		}
		if n[patient] == 0 {
			order = append(order, patient)
		}
		sum[patient], n[patient] = sum[patient]+d/known, n[patient]+1
	})
	out := make([]float64, len(order))
	for k, patient := range order {
		out[k] = sum[patient] / n[patient]
	}
	return out
}

// pairedScores are the rows of a binary task with known labels, seed by seed.
func pairedScores(variant, baseline []stats.Run) []diagnose.PairedScores {
	var out []diagnose.PairedScores
	seed := int64(-1)
	matchedRows(variant, baseline, func(v, b stats.Run, i, j int) {
		if math.IsNaN(v.Labels[i]) {
			return
		}
		if len(out) == 0 || v.Seed != seed {
			out, seed = append(out, diagnose.PairedScores{}), v.Seed
		}
		s := &out[len(out)-1]
		s.Variant, s.Baseline, s.Outcome = append(s.Variant, v.Scores[i]), append(s.Baseline, b.Scores[j]), append(s.Outcome, v.Labels[i])
		s.Levels = append(s.Levels, v.Patterns[i])
		patient := v.Units[i]
		if v.Clusters != nil {
			patient = v.Clusters[i]
		}
		s.Patients = append(s.Patients, patient)
	})
	return out
}

// storedDoubts are the sensitivities as the tracker keeps them.
func storedDoubts(list []doubt, baseline, test string) []tracker.Comparison {
	var out []tracker.Comparison
	for _, d := range list {
		for _, f := range d.Sensitivity {
			out = append(out, tracker.Comparison{
				Dataset: d.Dataset, Backbone: d.Backbone, Variant: d.Variant, Baseline: baseline, TestSet: test, Name: f.Name,
				Estimate: float64(f.Estimate), Lo: float64(f.Low), Hi: float64(f.High), N: f.N, Verdict: string(f.Verdict), Reason: f.Reason,
			})
		}
	}
	return out
}
