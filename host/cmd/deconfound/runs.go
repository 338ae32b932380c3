package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
)

func newRuns(a *app) *cobra.Command {
	cmd := &cobra.Command{Use: "runs", Short: "List and look at single runs"}
	cmd.AddCommand(newRunsLs(a), newRunsShow(a), newRunsDiff(a), newRunsLogs(a), newRunsRerun(a))
	return cmd
}

func newRunsLs(a *app) *cobra.Command {
	var states []string
	cmd := &cobra.Command{
		Use: "ls SWEEP", Short: "List the runs of a sweep", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			sweep, err := store.Sweep(cmd.Context(), "", args[0])
			if err != nil {
				return err
			}
			filter := tracker.RunFilter{SweepID: sweep.ID}
			for _, s := range states {
				filter.States = append(filter.States, tracker.State(s))
			}
			runs, err := store.Runs(cmd.Context(), filter)
			if err != nil {
				return err
			}
			return a.print(runs, func(w io.Writer) {
				t := newTable(w, 9, "run", "dataset", "backbone", "variant", "phase", "trial", "seed", "state", "error", "epoch")
				for _, r := range runs {
					state := string(r.State)
					if !r.Planned {
						state += " (no longer planned)"
					}
					t.AppendRow([]any{r.ID, r.Dataset, r.Backbone, r.Variant, r.Phase, r.Trial, r.SplitSeed, state, r.ErrorCode, fmt.Sprintf("%d/%d", r.Epoch, r.Epochs)})
				}
				t.Render()
			})
		},
	}
	cmd.Flags().StringSliceVar(&states, "state", nil, "only runs in these states")
	return cmd
}

func runID(text string) (int64, error) {
	id, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return 0, withExit(exitUsage, fmt.Errorf("%q is not the number of a run; 'deconfound runs ls SWEEP' lists them", text))
	}
	return id, nil
}

func newRunsShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "show RUN", Short: "Show one run: configuration, provenance, results", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := runID(args[0])
			if err != nil {
				return err
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			run, err := store.Run(cmd.Context(), id)
			if err != nil {
				return err
			}
			results, err := store.Results(cmd.Context(), tracker.RunFilter{IDs: []int64{id}})
			if err != nil {
				return err
			}
			values := map[string]number{}
			for m, v := range results[id] {
				values[m.String()] = number(v)
			}
			return a.print(map[string]any{"run": run, "results": values}, func(w io.Writer) {
				fmt.Fprintf(w, "run %d: %s / %s / %s, %s, trial %d, seed %d: %s after %d of %d epochs\n",
					run.ID, run.Dataset, run.Backbone, run.Variant, run.Phase, run.Trial, run.SplitSeed, run.State, run.Epoch, run.Epochs)
				fmt.Fprintf(w, "program %s, commit %s, dataset %.12s, backbone %.12s\n", run.HostVersion, cmp.Or(run.GitCommit, "unknown"), run.DatasetHash, run.BackboneHash)
				if run.ErrorCode != "" {
					fmt.Fprintf(w, "error %s: %s\n", run.ErrorCode, run.ErrorMessage)
				}
				var spec map[string]any
				if json.Unmarshal(run.Spec, &spec) == nil {
					for _, key := range slices.Sorted(maps.Keys(spec)) {
						text, err := json.Marshal(spec[key])
						if err == nil {
							fmt.Fprintf(w, "  %s = %s\n", key, text)
						}
					}
				}
				fmt.Fprintln(w)
				t := newTable(w, 1, "result", "value")
				for _, name := range slices.Sorted(maps.Keys(values)) {
					t.AppendRow([]any{name, decimal(float64(values[name]))})
				}
				t.Render()
			})
		},
	}
}

func newRunsLogs(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "logs RUN", Short: "Print the last log lines of a failed run", Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := runID(args[0])
			if err != nil {
				return err
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			run, err := store.Run(cmd.Context(), id)
			if err != nil {
				return err
			}
			return a.print(map[string]string{"code": run.ErrorCode, "message": run.ErrorMessage, "log": run.ErrorLog}, func(w io.Writer) {
				if run.ErrorCode == "" {
					fmt.Fprintf(w, "run %d has not failed\n", id)
					return
				}
				fmt.Fprintf(w, "%s: %s\n%s", run.ErrorCode, run.ErrorMessage, run.ErrorLog)
				if !strings.HasSuffix(run.ErrorLog, "\n") {
					fmt.Fprintln(w)
				}
			})
		},
	}
}
