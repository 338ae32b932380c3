package main

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/mlflow"
)

// Tags by which MLflow's runs are known again.
const (
	tagPrefix  = "deconfound."
	tagRunHash = tagPrefix + "run_hash"
)

// exportedExperiment is what mlflow export wrote.
type exportedExperiment struct {
	Experiment string `json:"experiment"`
	Runs       int    `json:"runs"` // that were not there
}

func newMLflowExport(a *app) *cobra.Command {
	var experiment string
	cmd := &cobra.Command{
		Use:   "export SWEEP DIR|URI",
		Short: "Write a sweep's runs to an MLflow directory or server",
		Long: `Writes every run that has ended, with its settings as parameters, its curves and
final results as metrics, and its provenance as tags, into an experiment of the
sweep's name. DIR is a file store (mlruns), URI a tracking server
(http://...; MLFLOW_TRACKING_TOKEN or MLFLOW_TRACKING_USERNAME and
MLFLOW_TRACKING_PASSWORD log in). Runs that are there already are left alone, so
the same command brings an experiment up to date.

A metric of a subgroup is named split/metric:group:level; what MLflow does not
allow in a name becomes _. Predictions and diagnostics stay here: MLflow has no
place for them.`,
		Args: cobra.ExactArgs(2),
		RunE: func(cmd *cobra.Command, args []string) error {
			target, err := openMLflow(args[1])
			if err != nil {
				return err
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			sweep, err := store.Sweep(cmd.Context(), "", args[0])
			if err != nil {
				return err
			}
			name := cmp.Or(experiment, sweep.Name)
			n, err := exportMLflow(cmd.Context(), store, sweep, target, name)
			if err != nil {
				return err
			}
			return a.print(exportedExperiment{name, n}, func(w io.Writer) {
				fmt.Fprintf(w, "%d runs were added to the MLflow experiment %s\n", n, name)
			})
		},
	}
	cmd.Flags().StringVar(&experiment, "experiment", "", "name of the experiment (default: that of the sweep)")
	return cmd
}

// exportMLflow writes the runs one after the other.
func exportMLflow(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, target mlflow.Store, experiment string) (int, error) {
	runs, err := store.Runs(ctx, tracker.RunFilter{SweepID: sweep.ID})
	if err != nil {
		return 0, err
	}
	return target.Write(ctx, experiment, tagRunHash, func(yield func(mlflow.Run) error) error {
		for _, r := range runs {
			if !r.State.Ended() {
				continue
			}
			run, err := mlflowRun(ctx, store, sweep, r)
			if err != nil {
				return err
			}
			if err := yield(run); err != nil {
				return err
			}
		}
		return nil
	})
}

// mlflowRun reads everything about a run that MLflow has a place for.
func mlflowRun(ctx context.Context, store *tracker.Store, sweep tracker.Sweep, r tracker.Run) (mlflow.Run, error) {
	hash := fmt.Sprintf("%x", r.Hash)
	out := mlflow.Run{
		ID: mlflow.ID(sweep.Owner, sweep.Name, hash), User: sweep.Owner, Status: mlflowStatus(r.State), Start: r.CreatedAt.UTC(),
		Name:    fmt.Sprintf("%s/%s/%s %s %d seed %d", r.Dataset, r.Backbone, r.Variant, r.Phase, r.Trial, r.SplitSeed),
		Metrics: map[string][]mlflow.Point{},
		Params: map[string]string{
			"dataset": r.Dataset, "backbone": r.Backbone, "variant": r.Variant, "strategy": r.Strategy, "phase": string(r.Phase),
			"trial": strconv.Itoa(r.Trial), "seed": strconv.FormatInt(r.SplitSeed, 10),
		},
		Tags: map[string]string{
			tagPrefix + "sweep": sweep.Name, tagPrefix + "run": strconv.FormatInt(r.ID, 10), tagRunHash: hash,
			tagPrefix + "dataset_hash": r.DatasetHash, tagPrefix + "backbone_hash": r.BackboneHash, tagPrefix + "strategy_hash": r.StrategyHash,
			tagPrefix + "host_version": r.HostVersion, tagPrefix + "stop_reason": r.StopReason, tagPrefix + "error": r.ErrorCode,
			"mlflow.user": sweep.Owner, "mlflow.source.git.commit": r.GitCommit, "mlflow.source.name": "deconfound", "mlflow.source.type": "PROJECT",
		},
	}
	out.Tags["mlflow.runName"] = out.Name
	maps.DeleteFunc(out.Tags, func(_, v string) bool { return v == "" })
	if r.StartedAt != nil {
		out.Start = r.StartedAt.UTC()
	}
	out.End = out.Start
	if r.EndedAt != nil {
		out.End = r.EndedAt.UTC()
	}
	var spec map[string]any
	decoder := json.NewDecoder(bytes.NewReader(r.Spec))
	decoder.UseNumber() // as they are written
	if err := decoder.Decode(&spec); err != nil {
		return out, fmt.Errorf("read the settings of run %d: %w", r.ID, err)
	}
	addSettings(out.Params, "", spec)
	return out, addMetrics(ctx, store, r.ID, &out)
}

func mlflowStatus(s tracker.State) mlflow.Status {
	switch s {
	case tracker.Done:
		return mlflow.Finished
	case tracker.Cancelled, tracker.Pruned:
		return mlflow.Killed
	default:
		return mlflow.Failed
	}
}

// addSettings adds the values below a name, each by its path.
func addSettings(into map[string]string, name string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			path := key
			if name != "" {
				path = name + "." + key
			}
			addSettings(into, path, v[key])
		}
	case nil:
	case string:
		addSetting(into, name, v)
	default:
		text, err := json.Marshal(v)
		if err == nil {
			addSetting(into, name, string(text))
		}
	}
}

// addSetting keeps what is there: a run's own columns are plainer.
func addSetting(into map[string]string, name, text string) {
	name = mlflow.Name(name)
	if _, there := into[name]; !there {
		into[name] = text
	}
}

// addMetrics reads curves and final results. A result that is not the end of the
// curve of its name, such as the best epoch's, has a name of its own.
func addMetrics(ctx context.Context, store *tracker.Store, id int64, out *mlflow.Run) error {
	curves, err := store.Curves(ctx, id)
	if err != nil {
		return err
	}
	results, err := store.Results(ctx, tracker.RunFilter{IDs: []int64{id}})
	if err != nil {
		return err
	}
	byName := func(a, b tracker.Metric) int { return cmp.Compare(a.String(), b.String()) }
	for _, m := range slices.SortedFunc(maps.Keys(curves), byName) {
		name := free(out.Metrics, mlflowName(m))
		for _, v := range curves[m] {
			out.Metrics[name] = append(out.Metrics[name], mlflow.Point{Step: int64(v.Step), At: stepTime(out, v.Step), Value: v.Value})
		}
	}
	for _, m := range slices.SortedFunc(maps.Keys(results[id]), byName) {
		name := mlflowName(m)
		if len(curves[m]) > 0 {
			name = "final/" + name
		}
		name = free(out.Metrics, name)
		out.Metrics[name] = []mlflow.Point{{At: out.End, Value: results[id][m]}}
	}
	return nil
}

// stepTime is the time of a step, which the tracker does not keep: within the run, and in
// order.
func stepTime(r *mlflow.Run, step int) time.Time {
	return r.Start.Add(min(time.Duration(step)*time.Millisecond, r.End.Sub(r.Start)))
}

// mlflowName names a metric without the signs that MLflow refuses.
func mlflowName(m tracker.Metric) string {
	plain := tracker.Metric{Name: m.Name, Split: m.Split}.String()
	if m.Group != "" {
		plain += ":" + m.Group
		if m.Level != "" {
			plain += ":" + m.Level
		}
	}
	return mlflow.Name(plain)
}

// free is a name that no other metric has: two levels can become the same name.
func free(taken map[string][]mlflow.Point, name string) string {
	for n, free := 2, name; ; n++ {
		if _, ok := taken[free]; !ok {
			return free
		}
		free = fmt.Sprintf("%s:%d", name, n)
	}
}
