package main

import (
	"context"
	"fmt"
	"io"
	"slices"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// shifted is a cell on every test set of its sweep, which belongs beside its value on
// the test rows as they are: there a model that leans on the mask looks best.
type shifted struct {
	Dataset  string `json:"dataset"`
	Backbone string `json:"backbone"`
	Variant  string `json:"variant"`
	// Means are over the seeds with a value; Differences, to the baseline, over the
	// seeds that both have, none for the baseline itself. Both follow
	// compared.TestSets.
	Means       []stats.Number `json:"means"`
	Differences []stats.Number `json:"differences,omitempty"`
}

// seedValues are stored values by cell, test set and seed.
type seedValues map[sweeps.Cell]map[string]map[int64]float64

// readSeedValues reads a metric of the replicates of a sweep that are done. The test
// rows as they are go by the name "test".
func readSeedValues(ctx context.Context, store *tracker.Store, sweep int64, metric stats.Metric, sets []string) (seedValues, error) {
	planned := true
	filter := tracker.RunFilter{SweepID: sweep, Phase: tracker.Replicate, States: []tracker.State{tracker.Done}, Planned: &planned}
	runs, err := store.Runs(ctx, filter)
	if err != nil {
		return nil, err
	}
	var metrics []tracker.Metric
	for _, set := range sets {
		metrics = append(metrics, tracker.Metric{Name: string(metric), Split: set})
	}
	values, err := store.Results(ctx, filter, metrics...)
	if err != nil {
		return nil, err
	}
	out := seedValues{}
	for _, r := range runs {
		cell := sweeps.Cell{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant}
		if out[cell] == nil {
			out[cell] = map[string]map[int64]float64{}
		}
		for _, m := range metrics {
			if out[cell][m.Split] == nil {
				out[cell][m.Split] = map[int64]float64{}
			}
			if v, ok := values[r.ID][m]; ok {
				out[cell][m.Split][r.SplitSeed] = v
			}
		}
	}
	return out, nil
}

// mean over the seeds in ascending order.
func (v seedValues) mean(cell sweeps.Cell, set string) stats.Number {
	return meanOf(v[cell][set], func(int64) (float64, bool) { return 0, true })
}

// difference is the mean of cell − baseline over the seeds that both have.
func (v seedValues) difference(cell, baseline sweeps.Cell, set string) stats.Number {
	return meanOf(v[cell][set], func(seed int64) (float64, bool) {
		b, ok := v[baseline][set][seed]
		return b, ok
	})
}

func meanOf(values map[int64]float64, less func(seed int64) (float64, bool)) stats.Number {
	var seeds []int64
	for seed := range values {
		seeds = append(seeds, seed)
	}
	slices.Sort(seeds)
	var known []float64
	for _, seed := range seeds {
		if b, ok := less(seed); ok {
			known = append(known, values[seed]-b)
		}
	}
	return stats.MeanInterval(known, .95).Estimate
}

// addShifted fills TestSets and Shifted where the comparison is about the test rows
// as they are, and says so where a sweep has no other.
func (c *compared) addShifted(ctx context.Context, store *tracker.Store, sweep int64, plan *sweeps.Plan, metric stats.Metric, baseline string) error {
	shifts := plan.Cells[0].Base().Shifts
	switch {
	case len(shifts) == 0:
		c.Caveats = append(c.Caveats, `the sweep has no shifted test: on the test rows as they are a model that leans on what is missing looks best; add shifts = ["do", "flip"] to [data]`)
		return nil
	case !slices.Contains(stats.Metrics(), metric) && !slices.Contains(stats.TruthMetrics(), metric):
		return nil // not stored
	}
	sets := append([]string{"test"}, shifts...)
	values, err := readSeedValues(ctx, store, sweep, metric, sets)
	if err != nil {
		return err
	}
	c.TestSets = append([]string{plainTestSet}, shifts...)
	for _, p := range plan.Cells {
		if values[p.Cell] == nil {
			continue
		}
		s := shifted{Dataset: p.Cell.Dataset, Backbone: p.Cell.Backbone, Variant: p.Cell.Variant}
		against := p.Cell
		against.Variant = baseline
		for _, set := range sets {
			s.Means = append(s.Means, values.mean(p.Cell, set))
			if p.Cell.Variant != baseline {
				s.Differences = append(s.Differences, values.difference(p.Cell, against, set))
			}
		}
		c.Shifted = append(c.Shifted, s)
	}
	return nil
}

// printShifted prints the cells of a dataset on all test sets.
func printShifted(w io.Writer, c compared, table stats.Table) {
	header := []any{"backbone", "variant"}
	for _, set := range c.TestSets {
		header = append(header, set, "difference")
	}
	t := newTable(w, 2, header...)
	last := ""
	for _, s := range c.Shifted {
		if s.Dataset != table.Rows[0].Dataset {
			continue
		}
		if last != "" && s.Backbone != last {
			t.AppendSeparator()
		}
		last = s.Backbone
		cells := []any{s.Backbone, s.Variant}
		for i, v := range s.Means {
			difference := ""
			if s.Differences != nil {
				difference = signed(float64(s.Differences[i]))
			}
			cells = append(cells, decimal(float64(v)), difference)
		}
		t.AppendRow(cells)
	}
	t.Render()
	fmt.Fprintf(w, "Means on every test set, untested (--test NAME tests one). What is ahead on %s and behind on a shifted test has learned what does not hold there, such as who is measured.\n", plainTestSet)
}
