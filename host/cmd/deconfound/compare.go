package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

func newCompare(a *app) *cobra.Command {
	var request comparison
	var audit bool
	cmd := &cobra.Command{
		Use:   "compare SWEEP",
		Short: "Compare the variants of a sweep with its baseline",
		Long: `Prints for every backbone and variant the mean over seeds with its 95 % interval,
the paired difference to the baseline, the worst availability pattern and every
pattern. Only the replicates count, on the test rows or on a shifted test set
(--test); the test rows as they are stand beside the shifted tests. The tests and
the correction are those of the sweep's analysis, which was stored before the
first trial: no other test is printed. A comparison whose runs fail a refuter is
marked beside its row, with the reason below; the view comparison_diagnostics has
the same.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			request.sweep = args[0]
			if audit {
				return a.auditSelection(cmd.Context(), request)
			}
			return a.compare(cmd.Context(), request)
		},
	}
	cmd.Flags().StringVar(&request.baseline, "baseline", "", "variant to compare with (default: that of the sweep's analysis)")
	cmd.Flags().StringVar(&request.metric, "metric", "", "auroc, auprc, brier, log_loss, net_benefit@0.1, irmse where the truth is known, ... (default: the sweep's metric)")
	cmd.Flags().StringVar(&request.test, "test", plainTestSet, "test set: id, or the name of a shift such as do or flip")
	cmd.Flags().BoolVar(&audit, "audit-selection", false, "show instead which trial every selection rule would have chosen, and what that is worth on the test sets")
	cmd.Flags().BoolVar(&request.patterns, "patterns", true, "print every availability pattern")
	cmd.Flags().Float64SliceVar(&request.thresholds, "decision-curve", nil, "also print the net benefit at these thresholds of risk, e.g. 0.05,0.1,0.2 (binary tasks)")
	cmd.Flags().IntVar(&request.resamples, "resamples", defaultResamples, "bootstrap resamples")
	return cmd
}

// defaultResamples are those of the bootstrap.
const defaultResamples = 2000

// comparison is what to compare.
type comparison struct {
	sweep, baseline, metric, test string
	patterns                      bool
	resamples                     int
	thresholds                    []float64 // of the decision curves
}

// compared is the answer, one table for each dataset.
type compared struct {
	Sweep      string        `json:"sweep"`
	Test       string        `json:"test_set"`
	Tables     []stats.Table `json:"tables"`
	Tests      []string      `json:"tests"` // of the sweep's analysis
	Correction string        `json:"correction"`
	// Joint are the tests and estimates over all datasets and backbones; nil if the
	// analysis asks for none.
	Joint *stats.Joint `json:"joint,omitempty"`
	// Doubts are the refuters that fail in runs that a comparison relies on, and how
	// much hidden bias it would take to explain its difference.
	Doubts []doubt `json:"doubts"`
	// Power is what the comparisons of each table could find, in its order; without
	// those that nothing is known of.
	Power []detectableEffect `json:"power,omitempty"`
	// Curves are those of --decision-curve, cell by cell.
	Curves []decisionCurve `json:"decision_curves,omitempty"`
	// Shifted are the cells on all TestSets; nil for a shifted test set itself.
	TestSets      []string  `json:"test_sets,omitempty"`
	Shifted       []shifted `json:"shifted,omitempty"`
	PreRegistered bool      `json:"pre_registered"`
	Notes         []string  `json:"notes,omitempty"`
	// Caveats are about how the sweep was made.
	Caveats []string `json:"caveats,omitempty"`
}

// powerOf is what the comparisons of a table could find; nil where that is not known.
func (c compared) powerOf(table stats.Table) *detectableEffect {
	for i := range c.Power {
		if len(table.Rows) > 0 && c.Power[i].Dataset == table.Rows[0].Dataset {
			return &c.Power[i]
		}
	}
	return nil
}

// decisionCurve is that of a cell, the mean over its seeds.
type decisionCurve struct {
	Dataset  string          `json:"dataset"`
	Backbone string          `json:"backbone"`
	Variant  string          `json:"variant"`
	Points   []stats.Benefit `json:"points"`
}

func (a *app) compare(ctx context.Context, request comparison) error {
	store, err := a.tracker(ctx)
	if err != nil {
		return err
	}
	sweep, err := store.Sweep(ctx, "", request.sweep)
	if err != nil {
		return err
	}
	if sweep.Imported() != "" {
		return a.compareImported(ctx, store, sweep, request)
	}
	result, err := compareSweep(ctx, store, request)
	if err != nil {
		return err
	}
	return a.print(result, func(w io.Writer) { printComparison(w, result, request.patterns) })
}

// check says what cannot be asked.
func (c comparison) check() error {
	for _, t := range c.thresholds {
		if !(t > 0 && t < 1) {
			return withExit(exitUsage, fmt.Errorf("--decision-curve %v: a threshold is a risk between 0 and 1", t))
		}
	}
	return nil
}

// makeComparison compares, and stores what the views say of hidden bias.
func makeComparison(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, request comparison) (compared, error) {
	plan, err := sweeps.StoredPlan(sweep)
	if err != nil {
		return compared{}, err
	}
	result := compared{Sweep: sweep.Name, Test: request.test, Tests: plan.Analysis.Tests, Correction: plan.Analysis.Correction, PreRegistered: true}
	note := func(format string, args ...any) {
		result.PreRegistered = false
		result.Notes = append(result.Notes, fmt.Sprintf(format, args...))
	}
	if slices.ContainsFunc(plan.Cells, func(c sweeps.CellPlan) bool {
		return (c.Adaptive != nil || len(c.Trials) > 1) && c.Base().Split.TestsAnew()
	}) {
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
	lost, err := lostTrials(ctx, store, sweep.ID)
	if err != nil {
		return compared{}, err
	}
	tests := make([]stats.Test, len(plan.Analysis.Tests))
	for i, t := range plan.Analysis.Tests {
		tests[i] = stats.Test(t)
	}
	marks, err := armMarks(ctx, store, sweep.ID, predictions)
	if err != nil {
		return compared{}, err
	}
	seeds := make([]int64, len(plan.Seeds))
	for i, s := range plan.Seeds {
		seeds[i] = int64(s)
	}
	known := knownDatasets{}
	for _, name := range datasetsOf(plan) {
		cells, task, err := comparedCells(ctx, store, known, plan, name, predictions, lost)
		if err != nil {
			return compared{}, err
		}
		table, err := stats.Compare(stats.Input{
			Task: task, Metric: metric, Baseline: baseline, Seeds: seeds, Cells: cells,
			Tests: tests, Correction: stats.Correction(plan.Analysis.Correction), TestRatio: testRatio(plan, name),
			Bootstrap: stats.Bootstrap{Resamples: request.resamples, Confidence: plan.Analysis.Confidence},
			Seed:      1,
		})
		if errors.Is(err, stats.ErrNoTruth) && len(datasetsOf(plan)) > 1 {
			result.Caveats = append(result.Caveats, fmt.Sprintf("%s is left out: %s", name, stats.ErrNoTruth))
			continue
		}
		if err != nil {
			return compared{}, fmt.Errorf("compare the cells of %s: %w", name, err)
		}
		result.Tables = append(result.Tables, table)
		if p := reachedPower(table, cells, task, plan.Analysis.Correction); p != nil {
			result.Power = append(result.Power, *p)
		}
		result.Doubts = append(result.Doubts, doubts(cells, task, baseline, marks)...)
		if task.Kind == stats.Binary && len(request.thresholds) > 0 {
			for _, c := range cells {
				if points := stats.MeanDecisionCurve(c.Runs, request.thresholds); points != nil {
					result.Curves = append(result.Curves, decisionCurve{c.Dataset, c.Backbone, c.Variant, points})
				}
			}
		}
	}
	if len(result.Tables) == 0 {
		return compared{}, fmt.Errorf("metric %s: %w in any dataset of the sweep", metric, stats.ErrNoTruth)
	}
	if err := store.StoreComparisons(ctx, sweep.ID, storedDoubts(result.Doubts, baseline, request.test)); err != nil {
		return compared{}, err
	}
	if request.test == plainTestSet {
		if err := result.addShifted(ctx, store, sweep.ID, plan, metric, baseline); err != nil {
			return compared{}, err
		}
	}
	result.Joint = stats.Summarize(result.Tables, tests, 1)
	return result, nil
}

// lostTrials counts the trials of every cell's search that came to nothing. One
// that an early stop ended has had its chance.
func lostTrials(ctx context.Context, store *tracker.Store, sweep int64) (map[sweeps.Cell]int, error) {
	planned := true
	runs, err := store.Runs(ctx, tracker.RunFilter{SweepID: sweep, Phase: tracker.Search, Planned: &planned})
	if err != nil {
		return nil, err
	}
	lost := map[sweeps.Cell]int{}
	for _, r := range runs {
		if r.State != tracker.Done && r.State != tracker.Pruned {
			lost[sweeps.Cell{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant}]++
		}
	}
	return lost, nil
}

// testRatio is the number of test rows for every training row of a dataset; 0
// where the seeds do not draw both anew.
func testRatio(plan *sweeps.Plan, dataset string) float64 {
	for _, c := range plan.Cells {
		if c.Cell.Dataset == dataset {
			return c.Base().Split.TestRatio()
		}
	}
	return 0
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

// comparedCells gathers the predictions of the cells of a dataset; lost are the
// trials of the searches that came to nothing.
func comparedCells(ctx context.Context, store *tracker.Store, datasets knownDatasets, plan *sweeps.Plan, name string, predictions []*tracker.RunPredictions, lost map[sweeps.Cell]int) ([]stats.Cell, stats.Task, error) {
	var cells []stats.Cell
	var task stats.Task
	for _, c := range plan.Cells {
		if c.Cell.Dataset != name {
			continue
		}
		cell := stats.Cell{Dataset: name, Backbone: c.Cell.Backbone, Variant: c.Cell.Variant, Trials: c.Budget}
		if c.Searched {
			cell.LostTrials = lost[c.Cell]
		}
		for _, p := range predictions {
			if p.Run.Dataset != name || p.Run.Backbone != c.Cell.Backbone || p.Run.Variant != c.Cell.Variant {
				continue
			}
			labels, err := datasets.labels(ctx, store, p.Run.DatasetHash)
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
