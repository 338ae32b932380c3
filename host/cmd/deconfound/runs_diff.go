package main

import (
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

// runsDiff is in what two runs differ.
type runsDiff struct {
	A       int64            `json:"a"`
	B       int64            `json:"b"`
	Spec    []specDifference `json:"spec"` // settings, data, plugins, provenance
	Results []resultChange   `json:"results"`
}

// specDifference is a setting with two values; null where a run has none.
type specDifference struct {
	Key string          `json:"key"`
	A   json.RawMessage `json:"a"`
	B   json.RawMessage `json:"b"`
}

// resultChange is a final metric that differs.
type resultChange struct {
	Metric     string `json:"metric"`
	A          number `json:"a"`
	B          number `json:"b"`
	Difference number `json:"difference"` // b - a
}

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
			settings := make([]map[string]string, 2)
			for i, id := range ids {
				run, err := store.Run(cmd.Context(), id)
				if err != nil {
					return err
				}
				if settings[i], err = settingsOf(run); err != nil {
					return err
				}
			}
			diff := diffRuns(ids, settings, results)
			return a.print(diff, func(w io.Writer) { printDiff(w, diff, all) })
		},
	}
	cmd.Flags().BoolVar(&all, "all", false, "print the results of subgroups too")
	return cmd
}

// settingsOf flattens all that a run depends on into dotted keys with JSON values.
func settingsOf(run tracker.Run) (map[string]string, error) {
	out := map[string]string{}
	var spec map[string]any
	if err := json.Unmarshal(run.Spec, &spec); err != nil {
		return nil, fmt.Errorf("read the settings of run %d: %w", run.ID, err)
	}
	var environment map[string]any
	if err := json.Unmarshal(run.Environment, &environment); err != nil {
		return nil, fmt.Errorf("read the environment of run %d: %w", run.ID, err)
	}
	spec["environment"] = environment
	spec["program"] = map[string]any{"version": run.HostVersion, "commit": run.GitCommit, "dirty": run.GitDirty}
	return out, flatten(out, "", spec)
}

func flatten(out map[string]string, prefix string, v any) error {
	if table, ok := v.(map[string]any); ok {
		for key, field := range table {
			if prefix != "" {
				key = prefix + "." + key
			}
			if err := flatten(out, key, field); err != nil {
				return err
			}
		}
		return nil
	}
	text, err := json.Marshal(v)
	out[prefix] = string(text)
	return err
}

func diffRuns(ids []int64, settings []map[string]string, results map[int64]map[tracker.Metric]float64) runsDiff {
	diff := runsDiff{A: ids[0], B: ids[1], Spec: []specDifference{}, Results: []resultChange{}}
	keys := maps.Clone(settings[0])
	maps.Copy(keys, settings[1])
	for _, key := range slices.Sorted(maps.Keys(keys)) {
		x, y := settings[0][key], settings[1][key]
		if x != y {
			diff.Spec = append(diff.Spec, specDifference{Key: key, A: raw(x), B: raw(y)})
		}
	}
	values := make([]map[string]float64, 2)
	names := map[string]bool{}
	for i, id := range ids {
		values[i] = map[string]float64{}
		for m, v := range results[id] {
			values[i][m.String()] = v
			names[m.String()] = true
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		x, inA := values[0][name]
		y, inB := values[1][name]
		if inA && inB && !same(x, y) {
			diff.Results = append(diff.Results, resultChange{Metric: name, A: number(x), B: number(y), Difference: number(y - x)})
		}
	}
	return diff
}

func raw(text string) json.RawMessage {
	if text == "" {
		return nil
	}
	return json.RawMessage(text)
}

func printDiff(w io.Writer, diff runsDiff, all bool) {
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
