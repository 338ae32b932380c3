package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
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

// shownRun is a run as JSON.
type shownRun struct {
	Run         tracker.Run       `json:"run"`
	Results     map[string]number `json:"results"` // by split/metric@group=level
	Diagnostics []shownDiagnostic `json:"diagnostics"`
}

// runLog is how a run failed; its fields are empty if it has not.
type runLog struct {
	Code    string `json:"code"`
	Message string `json:"message"`
	Log     string `json:"log"` // the last lines
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
			diagnostics, err := store.Diagnostics(cmd.Context(), id)
			if err != nil {
				return err
			}
			curves, err := store.Curves(cmd.Context(), id)
			if err != nil {
				return err
			}
			values := map[string]number{}
			for m, v := range results[id] {
				values[m.String()] = number(v)
			}
			return a.print(shownRun{run, values, shownDiagnostics(diagnostics)}, func(w io.Writer) {
				fmt.Fprintf(w, "run %d: %s / %s / %s, %s, trial %d, seed %d: %s after %d of %d epochs\n",
					run.ID, run.Dataset, run.Backbone, run.Variant, run.Phase, run.Trial, run.SplitSeed, run.State, run.Epoch, run.Epochs)
				fmt.Fprintf(w, "program %s, commit %s, dataset %.12s, backbone %.12s\n", run.HostVersion, cmp.Or(run.GitCommit, "unknown"), run.DatasetHash, run.BackboneHash)
				if m := run.Memory; m != (tracker.Memory{}) {
					fmt.Fprintf(w, "memory at its peak %d MiB: %d MiB in the worker, %d MiB in plugins\n", (m.Host+m.Plugins)>>20, m.Host>>20, m.Plugins>>20)
				}
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
				writeCurves(w, curves)
				writeDiagnostics(w, diagnostics)
			})
		},
	}
}

// writeCurves draws the curves of a run that are not of a subgroup.
func writeCurves(w io.Writer, curves map[tracker.Metric][]tracker.StepValue) {
	t := newTable(w, 2, "curve", "", "first", "lowest", "highest", "last", "steps")
	for _, m := range slices.SortedFunc(maps.Keys(curves), func(a, b tracker.Metric) int { return cmp.Compare(a.String(), b.String()) }) {
		if m.Group != "" {
			continue
		}
		low, high := math.Inf(1), math.Inf(-1)
		values := make([]float64, len(curves[m]))
		for i, v := range curves[m] {
			if values[i] = v.Value; !math.IsNaN(v.Value) {
				low, high = min(low, v.Value), max(high, v.Value)
			}
		}
		t.AppendRow([]any{m, shown.Spark(values, sparkWidth), decimal(values[0]), decimal(low), decimal(high), decimal(values[len(values)-1]), len(values)})
	}
	if t.Length() > 0 {
		fmt.Fprintln(w)
		t.Render()
	}
}

// shownDiagnostic is a diagnostic as JSON.
type shownDiagnostic struct {
	Name     string          `json:"name"`
	Estimate number          `json:"estimate"`
	Low      number          `json:"low"`
	High     number          `json:"high"`
	P        number          `json:"p"`
	Verdict  string          `json:"verdict"`
	Detail   json.RawMessage `json:"detail"`
}

func shownDiagnostics(list []tracker.Diagnostic) []shownDiagnostic {
	out := make([]shownDiagnostic, len(list))
	for i, d := range list {
		out[i] = shownDiagnostic{d.Name, number(d.Estimate), number(d.Lo), number(d.Hi), number(d.P), d.Verdict, d.Detail}
	}
	return out
}

// diagnosticBlocks are the parts in which diagnostics are printed, by the start of
// their names; the last takes what is left.
var diagnosticBlocks = []struct {
	title string
	names []string
}{
	{"Does the score survive tests that a sound result passes? A failure marks every comparison with this run", []string{"refuter"}},
	{"Does the model read what was measured, or that it was measured?", []string{"spoofing", "spoofing_auroc", "mask_flip", "mask_flip_auroc", "branch_reliance", "missing_rate", "pattern_shift", "interventional_gap", "drift"}},
	{"Are the predictions right for every pattern of available data?", []string{"residual_confounding", "residual_of_adjusted", "calibration", "pattern_gap", "worst_log_loss"}},
	{"What can be read off the model's inner representations?", []string{"probe", "dependence", "availability_split", "availability_mechanism"}},
	{"Are there comparable patients, and how strong would something unmeasured have to be?", []string{"positivity", "effective_size", "balance", "e_value", "observed_e_value", "robustness_value", "austen", "rosenbaum_gamma"}},
	{"Others", nil},
}

// diagnosticBlock is the place of a diagnostic among them.
func diagnosticBlock(name string) int {
	kind, _, _ := strings.Cut(name, "/")
	return slices.IndexFunc(diagnosticBlocks, func(b struct {
		title string
		names []string
	}) bool {
		return b.names == nil || slices.Contains(b.names, kind)
	})
}

// writeDiagnostics prints what stands for and against relying on the run: how many
// verdicts of each kind, and every diagnostic, the gravest of a block first.
func writeDiagnostics(w io.Writer, list []tracker.Diagnostic) {
	if len(list) == 0 {
		return
	}
	count := map[string]int{}
	for _, d := range list {
		count[d.Verdict]++
	}
	fmt.Fprintf(w, "\nDiagnostics: %d fail, %d warn, %d ok, %d are not judged\n", count["fail"], count["warn"], count["ok"], count[""])
	grave := map[string]int{"fail": 0, "warn": 1, "ok": 2, "": 3}
	for k, block := range diagnosticBlocks {
		var of []tracker.Diagnostic
		for _, d := range list {
			if diagnosticBlock(d.Name) == k {
				of = append(of, d)
			}
		}
		if len(of) == 0 {
			continue
		}
		slices.SortStableFunc(of, func(a, b tracker.Diagnostic) int { return cmp.Compare(grave[a.Verdict], grave[b.Verdict]) })
		fmt.Fprintf(w, "\n%s\n", block.title)
		t := newTable(w, 2, "diagnostic", "verdict", "value", "95 % CI", "n", "reason")
		t.SetColumnConfigs([]table.ColumnConfig{
			{Number: 3, Align: text.AlignRight}, {Number: 4, Align: text.AlignRight}, {Number: 5, Align: text.AlignRight},
			{Number: 6, WidthMax: 80, WidthMaxEnforcer: text.WrapSoft},
		})
		for _, d := range of {
			var detail struct {
				N      json.Number
				Reason string
			}
			_ = json.Unmarshal(d.Detail, &detail) // without a reason the row still stands
			t.AppendRow([]any{d.Name, cmp.Or(d.Verdict, "-"), decimal(d.Estimate), limits(d.Lo, d.Hi), detail.N, detail.Reason})
		}
		t.Render()
	}
}

// limits prints an interval, or the one limit that there is.
func limits(low, high float64) string {
	switch {
	case math.IsNaN(low) && math.IsNaN(high):
		return ""
	case math.IsNaN(high):
		return "from " + decimal(low)
	}
	return decimal(low) + " to " + decimal(high)
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
			return a.print(runLog{run.ErrorCode, run.ErrorMessage, run.ErrorLog}, func(w io.Writer) {
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
