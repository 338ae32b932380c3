package main

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

func newCompare(a *app) *cobra.Command {
	var request comparison
	cmd := &cobra.Command{
		Use:   "compare SWEEP",
		Short: "Compare the variants of a sweep with its baseline",
		Long: `Prints for every backbone and variant the mean over seeds with its 95 % interval,
the paired difference to the baseline (bootstrap over seeds and patients, p
corrected by Holm), the worst availability pattern and every pattern. Only the
replicates count, on the test rows or on a shifted test set (--test).`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.sweep = args[0]
			return a.compare(cmd.Context(), request)
		},
	}
	cmd.Flags().StringVar(&request.baseline, "baseline", "", "variant to compare with (default: that of the sweep's analysis)")
	cmd.Flags().StringVar(&request.metric, "metric", "", "auroc, auprc, brier, log_loss, ... (default: the sweep's metric)")
	cmd.Flags().StringVar(&request.test, "test", plainTestSet, "test set: id, or the name of a shift such as do or flip")
	cmd.Flags().BoolVar(&request.patterns, "patterns", true, "print every availability pattern")
	cmd.Flags().IntVar(&request.resamples, "resamples", 2000, "bootstrap resamples")
	return cmd
}

// comparison is what to compare.
type comparison struct {
	sweep, baseline, metric, test string
	patterns                      bool
	resamples                     int
}

// compared is the answer, one table for each dataset.
type compared struct {
	Sweep         string        `json:"sweep"`
	Test          string        `json:"test_set"`
	Tables        []stats.Table `json:"tables"`
	Tests         []string      `json:"tests"` // of the sweep's analysis
	PreRegistered bool          `json:"pre_registered"`
	Notes         []string      `json:"notes,omitempty"`
	// Caveats are about how the sweep was made.
	Caveats []string `json:"caveats,omitempty"`
}

func (a *app) compare(ctx context.Context, request comparison) error {
	store, err := a.tracker(ctx)
	if err != nil {
		return err
	}
	result, err := compareSweep(ctx, store, request)
	if err != nil {
		return err
	}
	return a.print(result, func(w io.Writer) { printComparison(w, result, request.patterns) })
}

func compareSweep(ctx context.Context, store *tracker.Store, request comparison) (compared, error) {
	sweep, err := store.Sweep(ctx, "", request.sweep)
	if err != nil {
		return compared{}, err
	}
	plan, err := sweeps.StoredPlan(sweep)
	if err != nil {
		return compared{}, err
	}
	result := compared{Sweep: sweep.Name, Test: request.test, Tests: plan.Analysis.Tests, PreRegistered: true}
	note := func(format string, args ...any) {
		result.PreRegistered = false
		result.Notes = append(result.Notes, fmt.Sprintf(format, args...))
	}
	if slices.ContainsFunc(plan.Cells, func(c sweeps.CellPlan) bool { return len(c.Trials) > 1 && c.Trials[0].Base.Split.TestsAnew() }) {
		result.Caveats = append(result.Caveats, `patients tested with one seed were validation patients of the search: absolute scores may be a little too good, in every cell alike; split = { test = "fixed" } in [data] avoids it`)
	}
	if sweep.AnalysisAmended {
		note("the sweep's analysis or metric was changed after the sweep had begun")
	}
	baseline := plan.Analysis.Baseline["variant"]
	if request.baseline != "" && request.baseline != baseline {
		baseline = request.baseline
		note("the baseline %s was not named in the sweep's analysis", baseline)
	}
	if baseline == "" {
		return compared{}, withExit(exitUsage, fmt.Errorf("the sweep's analysis names no baseline; give one with --baseline"))
	}
	selection, err := sweeps.ParseSelection(plan.Metric.Name)
	if err != nil {
		return compared{}, err
	}
	metric := stats.Metric(selection.Name)
	if request.metric != "" && request.metric != selection.Name {
		if metric, err = stats.ParseMetric(request.metric); err != nil {
			return compared{}, withExit(exitUsage, err)
		}
		note("the metric %s is not the sweep's own, %s", metric, selection.Name)
	}

	planned := true
	predictions, err := store.Predictions(ctx, tracker.RunFilter{
		SweepID: sweep.ID, Phase: tracker.Replicate, States: []tracker.State{tracker.Done}, Planned: &planned,
	}, request.test)
	if err != nil {
		return compared{}, err
	}
	if len(predictions) == 0 {
		return compared{}, fmt.Errorf("sweep %s has no finished replicate with predictions on the test set %q", sweep.Name, request.test)
	}
	seeds := make([]int64, len(plan.Seeds))
	for i, s := range plan.Seeds {
		seeds[i] = int64(s)
	}
	for _, name := range datasetsOf(plan) {
		cells, task, err := comparedCells(ctx, store, plan, name, predictions)
		if err != nil {
			return compared{}, err
		}
		table, err := stats.Compare(stats.Input{
			Task: task, Metric: metric, Baseline: baseline, Seeds: seeds, Cells: cells,
			Bootstrap: stats.Bootstrap{Resamples: request.resamples, Confidence: plan.Analysis.Confidence},
			Seed:      1,
		})
		if err != nil {
			return compared{}, fmt.Errorf("compare the cells of %s: %w", name, err)
		}
		result.Tables = append(result.Tables, table)
	}
	return result, nil
}

func datasetsOf(plan *sweeps.Plan) []string {
	var names []string
	for _, c := range plan.Cells {
		if !slices.Contains(names, c.Cell.Dataset) {
			names = append(names, c.Cell.Dataset)
		}
	}
	return names
}

// comparedCells gathers the predictions of the cells of a dataset.
func comparedCells(ctx context.Context, store *tracker.Store, plan *sweeps.Plan, name string, predictions []*tracker.RunPredictions) ([]stats.Cell, stats.Task, error) {
	var cells []stats.Cell
	var task stats.Task
	for _, c := range plan.Cells {
		if c.Cell.Dataset != name {
			continue
		}
		cell := stats.Cell{Dataset: name, Backbone: c.Cell.Backbone, Variant: c.Cell.Variant, Trials: c.Budget}
		for _, p := range predictions {
			if p.Run.Dataset != name || p.Run.Backbone != c.Cell.Backbone || p.Run.Variant != c.Cell.Variant {
				continue
			}
			labels, err := datasetLabels(ctx, store, p.Run.DatasetHash)
			if err != nil {
				return nil, task, err
			}
			task = labels.task
			cell.Runs = append(cell.Runs, labels.run(p))
		}
		slices.SortFunc(cell.Runs, func(a, b stats.Run) int { return cmp.Compare(a.Seed, b.Seed) })
		cells = append(cells, cell)
	}
	return cells, task, nil
}

func printComparison(w io.Writer, c compared, patterns bool) {
	for i, table := range c.Tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		fmt.Fprintf(w, "%s, test set %s, %s (%s is better), %d seeds; differences are variant - %s\n\n",
			c.Sweep, c.Test, table.Metric, table.Better, len(table.Seeds), table.Baseline)
		printSummary(w, table, c.Tests)
		if patterns {
			fmt.Fprintln(w)
			printPatterns(w, table)
		}
		fmt.Fprintf(w, "\nIntervals: of a mean, Student's t over the seeds; of a difference, %d bootstrap resamples of seeds and patients.\n", table.Resamples)
		for _, f := range table.Families {
			fmt.Fprintf(w, "%s: %s\n", f.Name, f.Text)
		}
		for _, row := range table.Rows {
			for _, flag := range row.Flags {
				fmt.Fprintf(w, "! %s/%s/%s: %s\n", row.Dataset, row.Backbone, row.Variant, flag)
			}
		}
		for _, note := range table.Notes {
			fmt.Fprintf(w, "! %s\n", note)
		}
	}
	for _, caveat := range c.Caveats {
		fmt.Fprintf(w, "! %s\n", caveat)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(w, "! not pre-registered: %s\n", note)
	}
}

// printSummary also prints the p values of the tests that the analysis names
// beside the bootstrap.
func printSummary(w io.Writer, table stats.Table, tests []string) {
	interval := fmt.Sprintf("%g %% CI", math.Round(1e4*table.Confidence)/100)
	header := []any{"backbone", "variant", string(table.Metric), interval, "difference", interval, "p (Holm)"}
	wilcoxon, permutation := slices.Contains(tests, sweeps.TestWilcoxon), slices.Contains(tests, sweeps.TestPermutation)
	if wilcoxon {
		header = append(header, "p Wilcoxon")
	}
	if permutation {
		header = append(header, "p sign flip")
	}
	t := newTable(w, 2, append(header, "worst pattern", "difference", "p (Holm)")...)
	last := ""
	for _, row := range table.Rows {
		if last != "" && row.Backbone != last {
			t.AppendSeparator()
		}
		last = row.Backbone
		overall, overallCI := mean(row.Overall)
		worst, _ := mean(row.Worst)
		d, dCI, p := difference(row.Overall)
		wd, _, wp := difference(row.Worst)
		cells := []any{row.Backbone, row.Variant, overall, overallCI, d, dCI, p}
		for _, test := range []struct {
			on bool
			p  func(stats.Difference) stats.Number
		}{
			{wilcoxon, func(d stats.Difference) stats.Number { return d.Wilcoxon }},
			{permutation, func(d stats.Difference) stats.Number { return d.SignFlip }},
		} {
			switch {
			case !test.on:
			case row.Overall.Difference == nil:
				cells = append(cells, "")
			default:
				cells = append(cells, decimal(float64(test.p(*row.Overall.Difference))))
			}
		}
		t.AppendRow(append(cells, worst, wd, wp))
	}
	t.Render()
}

// printPatterns prints the patterns in which some cell has a value; the others
// are summed up in a line.
func printPatterns(w io.Writer, table stats.Table) {
	t := newTable(w, 3, "pattern", "backbone", "variant", "n", "events", "seeds", string(table.Metric), "difference", "p (Holm)")
	var levels []string
	defined, some := map[string]bool{}, false
	for _, row := range table.Rows {
		for _, g := range row.Patterns {
			if !slices.Contains(levels, g.Level) {
				levels = append(levels, g.Level)
			}
			defined[g.Level] = defined[g.Level] || g.Defined > 0
		}
	}
	first := true
	for _, level := range levels {
		if !defined[level] {
			continue
		}
		if !first {
			t.AppendSeparator()
		}
		first = false
		for _, row := range table.Rows {
			for _, g := range row.Patterns {
				if g.Level != level {
					continue
				}
				value, _ := mean(g)
				d, _, p := difference(g)
				some = some || g.Defined < len(row.Seeds)
				t.AppendRow([]any{level, row.Backbone, row.Variant, g.N, g.Events, fmt.Sprintf("%d of %d", g.Defined, len(row.Seeds)), value, d, p})
			}
		}
	}
	t.Render()
	if some {
		fmt.Fprintf(w, "n and events are means over all seeds; the metric is that of the seeds in which a pattern has %d events and %d non-events, and one seed gives no p\n", stats.MinEvents, stats.MinEvents)
	}
	left := 0
	for _, ok := range defined {
		if !ok {
			left++
		}
	}
	if left > 0 {
		fmt.Fprintf(w, "%d more patterns have fewer than %d events or non-events in every seed: not computed\n", left, stats.MinEvents)
	}
}

func mean(g stats.Group) (value, interval string) {
	return decimal(float64(g.Mean.Estimate)), bounds(g.Mean)
}

// difference prints the paired difference, or nothing for the baseline itself.
func difference(g stats.Group) (value, interval, p string) {
	if g.Difference == nil {
		return "", "", ""
	}
	return signed(float64(g.Difference.Estimate)), bounds(g.Difference.Interval), decimal(float64(g.Difference.Adjusted))
}

func bounds(i stats.Interval) string {
	if math.IsNaN(float64(i.Low)) || math.IsNaN(float64(i.High)) {
		return ""
	}
	return decimal(float64(i.Low)) + " to " + decimal(float64(i.High))
}
