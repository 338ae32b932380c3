package main

import (
	"fmt"
	"io"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
)

// reachedPower is what the comparisons of a table could find, as plan says it
// before the first run, with the assumptions measured on the table's own runs. It
// is nil without a difference between two seeds.
func reachedPower(table stats.Table, cells []stats.Cell, task stats.Task, correction string) *detectableEffect {
	e := detectableEffect{Metric: string(table.Metric), Seeds: len(table.Seeds)}
	var squares, freedom float64
	for _, r := range table.Rows {
		d := r.Overall.Difference
		e.Dataset = r.Dataset
		if d == nil {
			continue
		}
		e.Comparisons++
		var defined []float64
		for _, v := range d.PerSeed {
			if v.Defined() {
				defined = append(defined, float64(v))
			}
		}
		if len(defined) > 1 {
			squares += stat.Variance(defined, nil) * float64(len(defined)-1)
			freedom += float64(len(defined) - 1)
			e.Pairs += len(defined)
		}
	}
	if freedom == 0 {
		return nil
	}
	e.Assumed.SD = math.Sqrt(squares / freedom)
	if table.Metric == stats.MetricAUROC && task.Kind == stats.Binary {
		e.measurePatients(cells, table.Baseline)
	}
	alpha := 1 - table.Confidence
	e.Alone, e.First = e.at(alpha), e.at(alpha/float64(e.Comparisons))
	if correction == sweeps.CorrectNone {
		e.First = e.Alone
	}
	return &e
}

// measurePatients counts the tested patients, and takes AUROC and correlation of the
// arms from pairs of runs; without any, patients are left out.
func (e *detectableEffect) measurePatients(cells []stats.Cell, baseline string) {
	var aurocs, correlations []float64
	var tested *stats.Cell
	for i, c := range cells {
		b := slices.IndexFunc(cells, func(o stats.Cell) bool { return o.Backbone == c.Backbone && o.Variant == baseline })
		if c.Variant == baseline || b < 0 {
			continue
		}
		tested = &cells[i]
		for _, run := range c.Runs {
			k := slices.IndexFunc(cells[b].Runs, func(o stats.Run) bool { return o.Seed == run.Seed })
			if k < 0 || len(aurocs) == measuredPairs || !slices.Equal(cells[b].Runs[k].Units, run.Units) {
				continue
			}
			auroc, r := pairOf(cells[b].Runs[k], run)
			if !math.IsNaN(r) {
				aurocs, correlations = append(aurocs, auroc), append(correlations, r)
			}
		}
	}
	if len(aurocs) == 0 {
		return
	}
	e.Assumed.AUROC, e.Assumed.Correlation = middle(aurocs), middle(correlations)
	times, event := map[int64]float64{}, map[int64]bool{}
	for _, run := range tested.Runs {
		seen := map[int64]bool{}
		for row, unit := range run.Units {
			patient := unit
			if run.Clusters != nil {
				patient = run.Clusters[row]
			}
			if math.IsNaN(run.Labels[row]) {
				continue
			}
			event[patient] = event[patient] || run.Labels[row] == 1
			if !seen[patient] {
				seen[patient] = true
				times[patient]++
			}
		}
	}
	e.Events, e.NonEvents = effectivePatients(times, event)
}

// pairOf is the AUROC of the first of two runs on the same rows, and the correlation
// of both over patients, with which the variance of the difference is that of DeLong.
func pairOf(a, b stats.Run) (auroc, correlation float64) {
	auroc, varianceA := stats.DeLong(a.Scores, a.Labels)
	_, varianceB := stats.DeLong(b.Scores, b.Labels)
	_, difference, _ := stats.DeLongPaired(a.Scores, b.Scores, a.Labels)
	return auroc, 1 - difference/(varianceA+varianceB)
}

// effectivePatients is the number of equal weights with the variance of those who
// are tested so many times, with and without the event.
func effectivePatients[K comparable](times map[K]float64, event map[K]bool) (events, nonEvents int) {
	var sum, square [2]float64
	for patient, k := range times {
		class := 0
		if event[patient] {
			class = 1
		}
		sum[class] += k
		square[class] += k * k
	}
	effective := func(class int) int {
		if square[class] == 0 {
			return 0
		}
		return int(math.Round(sum[class] * sum[class] / square[class]))
	}
	return effective(1), effective(0)
}

// printReached says what a comparison could find.
func printReached(w io.Writer, e detectableEffect) {
	fmt.Fprintf(w, "Power: with these %d seeds a true difference of %s is found in %.0f of 100 sweeps by one comparison alone, one of %s by the first of %d",
		e.Seeds, decimal(float64(e.Alone.Difference)), 100*detectablePower, decimal(float64(e.First.Difference)), e.Comparisons)
	fmt.Fprintf(w, " (SE of seeds %s", fourDecimals(float64(e.Alone.Trainings)))
	if e.Events > 0 && e.NonEvents > 0 {
		fmt.Fprintf(w, ", of %d patients %s", e.Events+e.NonEvents, fourDecimals(float64(e.Alone.Patients)))
	} else {
		fmt.Fprint(w, "; patients are left out, so that the true figures are larger")
	}
	fmt.Fprintf(w, "; measured on %d pairs of runs).\n", e.Pairs)
}
