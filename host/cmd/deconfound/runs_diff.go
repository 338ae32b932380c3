package main

import (
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

func newRunsDiff(a *app) *cobra.Command {
	var all bool
	cmd := &cobra.Command{
		Use: "diff A B", Short: "Show in what two runs differ: settings, provenance, results", Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			ids := make([]int64, 2)
			for i := range ids {
				var err error
				if ids[i], err = runID(args[i]); err != nil {
					return err
				}
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			results, err := store.Results(cmd.Context(), tracker.RunFilter{IDs: ids})
			if err != nil {
				return err
			}
			runs := make([]tracker.Run, 2)
			for i, id := range ids {
				if runs[i], err = store.Run(cmd.Context(), id); err != nil {
					return err
				}
			}
			diff, err := shown.DiffRuns(runs[0], runs[1], results)
			if err != nil {
				return err
			}
			return a.print(diff, func(w io.Writer) { printDiff(w, diff, all) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "print the results of subgroups too")
	return cmd
}

func printDiff(w io.Writer, diff shown.RunsDiff, all bool) {
	if len(diff.Spec) == 0 {
		fmt.Fprintln(w, "The runs have the same settings, data, plugins, program and environment.")
	} else {
		t := newTable(w, 3, "setting", "run "+strconv.FormatInt(diff.A, 10), "run "+strconv.FormatInt(diff.B, 10))
		for _, d := range diff.Spec {
			t.AppendRow([]any{d.Key, string(d.A), string(d.B)})
		}
		t.Render()
	}
	fmt.Fprintln(w)
	if len(diff.Results) == 0 {
		fmt.Fprintln(w, "No result that both have differs.")
		return
	}
	t := newTable(w, 1, "result", "run "+strconv.FormatInt(diff.A, 10), "run "+strconv.FormatInt(diff.B, 10), "difference")
	left := 0
	for _, r := range diff.Results {
		if !all && strings.Contains(r.Metric, "@") {
			left++
			continue
		}
		t.AppendRow([]any{r.Metric, decimal(float64(r.A)), decimal(float64(r.B)), signed(float64(r.Difference))})
	}
	t.Render()
	if left > 0 {
		fmt.Fprintf(w, "%d results of subgroups differ too (--all)\n", left)
	}
}
