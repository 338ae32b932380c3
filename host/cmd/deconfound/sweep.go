package main

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

func newSweep(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "sweep", Short: "List, watch and steer sweeps"}
	cmd.AddCommand(
		newSweepLs(a), newSweepStatus(a), newSweepWatch(a), newSweepRetry(a), newSweepExtend(a), newSweepDelete(a),
		steer(a, "pause", "Let no further slice of a sweep begin", sweeps.Pause),
		steer(a, "resume", "Let a paused or cancelled sweep go on", sweeps.Resume),
		newSweepPriority(a),
		steer(a, "cancel", "End every run of a sweep that has not ended", sweeps.Cancel),
	)
	return cmd
}

// steer is a subcommand that does one thing to one sweep.
func steer(a *app, verb, short string, do func(context.Context, *tracker.Store, string) error) *cobra.Command {
	return &cobra.Command{
		Use: verb + " NAME", Short: short, Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			if err := do(cmd.Context(), store, args[0]); err != nil {
				return err
			}
			return a.showStatus(cmd.Context(), store, args[0])
		},
	}
}

func newSweepPriority(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "priority NAME N",
		Short: "Change how much of the workers a sweep gets",
		Long: fmt.Sprintf(`While several sweeps wait, each gets slices in proportion to its priority, 1 to %d;
that of a new sweep is %d. It acts on the next slice of every worker.`, tracker.PriorityLast, tracker.PriorityDefault),
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			priority, err := strconv.Atoi(args[1])
			if err != nil || priority < 1 || priority > tracker.PriorityLast {
				return withExit(exitUsage, fmt.Errorf("%q is no priority; it is a number from 1 to %d", args[1], tracker.PriorityLast))
			}
			return steer(a, "", "", func(ctx context.Context, store *tracker.Store, name string) error {
				return sweeps.SetPriority(ctx, store, name, priority)
			}).RunE(cmd, args)
		},
	}
}

func newSweepStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "status NAME", Short: "Show how far a sweep has come", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			return a.showStatus(cmd.Context(), store, args[0])
		},
	}
}

func (a *app) showStatus(ctx context.Context, store *tracker.Store, name string) error {
	status, err := sweeps.StatusOf(ctx, store, name)
	if err != nil {
		return err
	}
	var curves watched
	if len(status.Active) > 0 && !a.json {
		if curves, err = curvesOf(ctx, store, name); err != nil {
			return err
		}
	}
	return a.print(status, func(w io.Writer) {
		fmt.Fprintf(w, "%s (revision %d): %d of %d runs done, %d training, %d queued, %d paused, %d failed, %d cancelled",
			status.Name, status.Revision, status.Done, status.Expected, status.Running, status.Queued, status.Held, status.Failed, status.Stopped)
		if len(status.Rungs) > 0 {
			fmt.Fprintf(w, ", %d pruned", status.Pruned)
		}
		fmt.Fprintln(w)
		for _, r := range status.Rungs {
			fmt.Fprintf(w, "  rung at epoch %d: %d trials reached it, %d went on, %d were pruned, %d wait for a decision\n", r.Epoch, r.Reached, r.Passed, r.Pruned, r.Waiting)
		}
		for _, r := range status.Active {
			fmt.Fprintf(w, "  run %d %s %s, seed %d: epoch %d of %d", r.Run, r.Cell, r.Phase, r.Seed, r.Epoch, r.Epochs)
			if line, last := curves.curve(r.Run); line != "" {
				fmt.Fprintf(w, ", %s %s %s", curves.Metric, line, last)
			}
			fmt.Fprintln(w)
		}
		for _, f := range status.Failures {
			fmt.Fprintf(w, "  run %d %s, seed %d failed: %s: %s\n", f.Run, f.Cell, f.Seed, f.Code, f.Message)
		}
		for _, text := range status.Waiting {
			fmt.Fprintf(w, "waiting: %s\n", text)
		}
		if hint := status.Hint(); hint != "" {
			fmt.Fprintln(w, hint)
		}
	})
}

// retried is what sweep retry did.
type retried struct {
	Retried int `json:"retried"` // runs
}

func newSweepRetry(a *app) *cobra.Command {
	var states, causes []string
	cmd := &cobra.Command{
		Use: "retry NAME", Short: "Give failed and lost runs another attempt", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			wanted := make([]tracker.State, len(states))
			for i, s := range states {
				switch wanted[i] = tracker.State(s); wanted[i] {
				case tracker.Failed, tracker.Lost, tracker.Cancelled:
				default:
					return withExit(exitUsage, fmt.Errorf("--state %s: only failed, lost and cancelled runs can be retried", s))
				}
			}
			n, err := sweeps.RetryCauses(cmd.Context(), store, args[0], causes, wanted...)
			if err != nil {
				return err
			}
			return a.print(retried{n}, func(w io.Writer) {
				fmt.Fprintf(w, "%d runs wait for another attempt; 'deconfound worker' or 'deconfound run' trains them\n", n)
			})
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", []string{"failed", "lost"}, "states to retry")
	cmd.Flags().StringSliceVar(&causes, "cause", nil, "error codes to retry, e.g. plugin_memory,timeout (default all)")
	return cmd
}

func newSweepLs(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "ls", Short: "List the sweeps", Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			list, err := store.Sweeps(cmd.Context())
			if err != nil {
				return err
			}
			return a.print(list, func(w io.Writer) {
				if len(list) == 0 {
					fmt.Fprintln(w, "No sweeps yet; start one with 'deconfound run SWEEP.toml'.")
					return
				}
				t := newTable(w, 3, "sweep", "owner", "changed", "done", "open", "failed", "pruned")
				for _, s := range list {
					var done, open, failed, pruned int
					for _, counts := range s.Counts {
						done += counts[tracker.Done]
						open += counts[tracker.Queued] + counts[tracker.Running] + counts[tracker.Paused]
						failed += counts[tracker.Failed] + counts[tracker.Lost]
						pruned += counts[tracker.Pruned]
					}
					t.AppendRow([]any{s.Name, s.Owner, s.UpdatedAt.Format(time.DateTime), done, open, failed, pruned})
				}
				t.Render()
			})
		},
	}
}
