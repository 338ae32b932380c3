package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
)

// defaultWorkers is one run a core: a run computes on one thread.
func defaultWorkers() int { return max(1, runtime.NumCPU()) }

func newRun(a *app) *cobra.Command {
	var workers int
	var memory memoryLimit
	var stay bool
	cmd := &cobra.Command{
		Use:   "run SWEEP.toml",
		Short: "Enqueue a sweep and train it here",
		Long: `Enqueues what of the sweep does not exist yet and trains it with local workers,
beside whatever other workers share the database. Running the same file again
does nothing; after a seed or a backbone was added only the new runs are made.
Ctrl-C stops at the next checkpoint; the same command goes on.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			plan, err := a.plan(cmd.Context(), args[0])
			if err != nil {
				return a.invalid(err)
			}
			warnings, err := a.warnings(cmd.Context(), plan)
			if err != nil {
				return err
			}
			a.warn(warnings)
			if err := a.offer(cmd.Context(), plan, !stay); err != nil {
				return err
			}
			status, err := a.runPlan(cmd.Context(), plan, workers, memory)
			if err != nil {
				return err
			}
			return a.ended(status)
		},
	}
	cmd.Flags().IntVar(&workers, "workers", defaultWorkers(), "runs trained at the same time")
	addMemory(cmd, &memory)
	addDistribute(cmd, &stay)
	return cmd
}

// addDistribute adds the flag of commands that enqueue.
func addDistribute(cmd *cobra.Command, stay *bool) {
	cmd.Flags().BoolVar(stay, "no-distribute", false, "do not put plugins and shared datasets into the database, for workers that lack them")
}

// runPlan trains a plan with local workers and shows the progress on the error
// stream.
func (a *app) runPlan(ctx context.Context, plan *sweeps.Plan, workers int, memory memoryLimit) (sweeps.Status, error) {
	store, err := a.tracker(ctx)
	if err != nil {
		return sweeps.Status{}, err
	}
	r, err := a.runner(ctx)
	if err != nil {
		return sweeps.Status{}, err
	}
	defer r.close()
	progress := newProgress(a.errs)
	options := a.workerOptions(ctx, workers)
	options.Progress = progress.update
	options.Room = r.room(memory)
	options.Memory, options.Cores, options.Lacks = int64(memory), runtime.NumCPU(), r.lacks
	options.Propose = r.propose
	announced := a.announceStop(ctx)
	status, err := sweeps.Run(ctx, store, plan, r.runSlice, options)
	announced()
	progress.finish(status)
	if errors.Is(err, sweeps.ErrStopped) {
		return status, withExit(exitInterrupted, fmt.Errorf("stopped with %d of %d runs done; %s", status.Done, status.Expected, status.Hint()))
	}
	return status, err
}

// ended prints how a sweep ended and turns failed runs into an exit code.
func (a *app) ended(status sweeps.Status) error {
	err := a.print(status, func(w io.Writer) {
		fmt.Fprintf(w, "%s: %d of %d runs done", status.Name, status.Done, status.Expected)
		if status.Failed > 0 {
			fmt.Fprintf(w, ", %d failed", status.Failed)
		}
		if status.Pruned > 0 {
			fmt.Fprintf(w, ", %d pruned", status.Pruned)
		}
		fmt.Fprintln(w)
		for _, f := range status.Failures {
			fmt.Fprintf(w, "  run %d %s seed %d: %s: %s\n", f.Run, f.Cell, f.Seed, f.Code, f.Message)
		}
		if hint := status.Hint(); hint != "" {
			fmt.Fprintln(w, hint)
		} else {
			fmt.Fprintf(w, "Compare the variants: deconfound compare %s\n", status.Name)
		}
	})
	if err != nil {
		return err
	}
	return ending(status)
}

// ending is the exit code of a sweep that has ended.
func ending(status sweeps.Status) error {
	switch {
	case status.SpentBudget():
		return withExit(exitBudget, errors.New(""))
	case status.Paused && status.PauseReason != "":
		return errors.New("") // the hint says why
	}
	if status.Failed > 0 {
		return withExit(exitRunsFailed, errors.New(""))
	}
	return nil
}
