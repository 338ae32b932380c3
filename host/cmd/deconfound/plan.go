package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// plan reads and compiles a sweep file against what is installed.
func (a *app) plan(ctx context.Context, path string) (*sweeps.Plan, error) {
	file, err := sweeps.Load(path)
	if file == nil {
		return nil, err
	}
	return a.compile(ctx, file)
}

// compile checks a file against what is installed; the error holds the mistakes
// in the file itself too.
func (a *app) compile(ctx context.Context, file *sweeps.File) (*sweeps.Plan, error) {
	catalog, err := a.catalog(ctx)
	if err != nil {
		return nil, err
	}
	plan, err := sweeps.Compile(file, catalog)
	if err != nil && catalog.altered {
		return nil, withExit(exitDrift, err)
	}
	if err != nil {
		return nil, err
	}
	return plan, catalog.checkVariants(file, plan)
}

// planned is what a sweep will do.
type planned struct {
	Name       string             `json:"name"`
	Summary    sweeps.Summary     `json:"summary"`
	Detectable []detectableEffect `json:"detectable"`
	Warnings   []string           `json:"warnings,omitempty"`
	Existing   *int               `json:"existing_runs,omitempty"` // of --recorded
	Done       *int               `json:"done_runs,omitempty"`     // of --recorded
}

func newPlan(a *app) *cobra.Command {
	var workers int
	var assumed assumptions
	var recorded bool
	cmd := &cobra.Command{
		Use:   "plan SWEEP.toml",
		Short: "Show the cells, trials and runs of a sweep; needs no database",
		Long: `Shows the cells, trials and runs of a sweep and the difference that its seeds and
test patients can detect. With --recorded it also asks the database which of the
runs exist and, from the runs of any sweep, how long the others will take and how
much the differences vary.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.plan(cmd.Context(), args[0])
			if err != nil {
				return a.invalid(err)
			}
			var past record
			if recorded {
				if past, err = a.record(cmd.Context(), plan); err != nil {
					return err
				}
			}
			summary := plan.Summarize(past.runTimes, workers)
			detectable, err := a.detectable(cmd.Context(), plan, assumed, past.measured)
			if err != nil {
				return err
			}
			warnings, err := a.warnings(cmd.Context(), plan)
			if err != nil {
				return err
			}
			return a.print(planned{plan.Name, summary, detectable, warnings, past.existing, past.done}, func(w io.Writer) {
				printPlan(w, plan, summary)
				if past.existing != nil {
					fmt.Fprintf(w, "%d of the runs exist, %d of them done\n", *past.existing, *past.done)
				}
				printDetectable(w, plan, detectable)
				for _, warning := range warnings {
					fmt.Fprintf(w, "Warning: %s.\n", warning)
				}
			})
		},
	}
	cmd.Flags().IntVar(&workers, "workers", defaultWorkers(), "number of local workers to estimate the time for")
	cmd.Flags().BoolVar(&recorded, "recorded", false, "ask the database what exists and how long runs take")
	cmd.Flags().Float64Var(&assumed.SD, "sd", 0.01, "assumed standard deviation of the paired difference between seeds")
	cmd.Flags().Float64Var(&assumed.AUROC, "auroc", 0.8, "assumed AUROC of both arms")
	cmd.Flags().Float64Var(&assumed.Correlation, "correlation", 0.9, "assumed correlation of the arms' AUROCs over samples of patients")
	return cmd
}

func printPlan(w io.Writer, plan *sweeps.Plan, s sweeps.Summary) {
	t := newTable(w, 3, "dataset", "backbone", "variant", "trials", "seeds", "runs")
	for _, c := range s.Cells {
		t.AppendRow([]any{c.Cell.Dataset, c.Cell.Backbone, c.Cell.Variant, c.Budget, c.Replicates, c.Runs})
	}
	t.Render()
	fmt.Fprintf(w, "\n%s: %d cells, %d search runs + %d replicates = %d runs\n", plan.Name, len(plan.Cells), s.Search, s.Replicates, s.Runs)
	if s.ExpectedEpochs < float64(s.WorstEpochs) {
		fmt.Fprintf(w, "%.0f epochs are expected, %d at most: the search stops trials early\n", s.ExpectedEpochs, s.WorstEpochs)
	}
	if !s.Equal {
		fmt.Fprintln(w, "Warning: the cells do not have the same tuning budget; the comparison favours those with more.")
	}
	if s.Estimate > 0 {
		fmt.Fprintf(w, "Estimated time of the whole: %s, with %d of %d cells measured\n", s.Estimate.Round(time.Second), s.Measured, len(s.Cells))
	}
}

// record is what the database knows of a plan; nil pointers without it.
type record struct {
	existing, done *int
	runTimes       map[sweeps.Cell]time.Duration // median over the runs of a cell that are done
	measured       map[string]measured           // by dataset
}

func (a *app) record(ctx context.Context, plan *sweeps.Plan) (record, error) {
	store, err := a.tracker(ctx)
	if err != nil {
		return record{}, err
	}
	status, err := sweeps.Recorded(ctx, store, plan)
	if err != nil {
		return record{}, err
	}
	runs, err := store.Runs(ctx, tracker.RunFilter{States: []tracker.State{tracker.Done}})
	if err != nil {
		return record{}, err
	}
	times := map[sweeps.Cell][]time.Duration{}
	for _, r := range runs {
		if r.StartedAt != nil && r.EndedAt != nil {
			cell := sweeps.Cell{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant}
			times[cell] = append(times[cell], r.EndedAt.Sub(*r.StartedAt))
		}
	}
	past := record{existing: &status.Existing, done: &status.Done, runTimes: map[sweeps.Cell]time.Duration{}}
	for cell, list := range times {
		slices.Sort(list)
		past.runTimes[cell] = list[len(list)/2]
	}
	past.measured, err = measureVariation(ctx, store, plan, runs)
	return past, err
}
