package main

import (
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/mlflow"
)

// importing says which parameters or tags of MLflow's runs are what.
type importing struct {
	experiment, name, baseline       string
	dataset, backbone, variant, seed string
}

// importedSweep is one line of the answer.
type importedSweep struct {
	Sweep      string   `json:"sweep"`
	Experiment string   `json:"experiment"`
	Runs       int      `json:"runs"`
	Failed     int      `json:"failed"`
	Open       int      `json:"left_out"`  // had not ended
	Repeated   int      `json:"repeated"`  // values of a step that had one; the last counts
	Unseeded   int      `json:"unseeded"`  // runs without a seed
	Cells      []string `json:"cells"`     // dataset/backbone/variant
	Dropped    int      `json:"off_range"` // values whose step no curve here can have
}

func newMLflowImport(a *app) *cobra.Command {
	var with importing
	cmd := &cobra.Command{
		Use:   "import DIR|URI",
		Short: "Read MLflow's runs as those of an imported sweep",
		Long: `Reads the experiments of a file store (mlruns) or of a tracking server
(http://...) as sweeps of the same names: one run each, with its parameters and
tags as settings, its curves, and the last value of every metric as its result.
Importing again replaces what was imported before.

What a run compares is read from its parameters, else its tags: dataset, backbone,
variant and seed, or what the flags name. A run without a variant is one of
'imported'. Runs with the same seed in two variants count as matched; a run
without a seed is matched with none. train/, val/ and test/ before the name of a
metric are its split.

MLflow has no predictions of patients, so imported runs cannot be tested patient
by patient, have no diagnostics, and bear no causal claim: 'deconfound compare'
says so and shows the differences over matched seeds.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			source, err := openMLflow(args[0])
			if err != nil {
				return err
			}
			store, err := a.tracker(cmd.Context())
			if err != nil {
				return err
			}
			list, err := importMLflow(cmd.Context(), store, source, with)
			if err != nil {
				return err
			}
			return a.print(list, func(w io.Writer) {
				for _, s := range list {
					fmt.Fprintf(w, "%s: %d runs of %d cells, %d failed\n", s.Sweep, s.Runs, len(s.Cells), s.Failed)
					for n, text := range map[*int]string{
						&s.Open: "runs had not ended and were left out", &s.Unseeded: "runs have no seed and are matched with no other",
						&s.Repeated: "values came twice for a step; the last counts", &s.Dropped: "values have a step below 0 or over 2^31 and were left out",
					} {
						if *n > 0 {
							fmt.Fprintf(w, "  %d %s\n", *n, text)
						}
					}
				}
			})
		},
	}
	cmd.Flags().StringVar(&with.experiment, "experiment", "", "only the experiment of this name")
	cmd.Flags().StringVar(&with.name, "name", "", "name of the sweep, with --experiment (default: that of the experiment)")
	cmd.Flags().StringVar(&with.baseline, "baseline", "", "variant that the others are compared with")
	cmd.Flags().StringVar(&with.dataset, "dataset", "dataset", "parameter or tag with the dataset")
	cmd.Flags().StringVar(&with.backbone, "backbone", "backbone", "parameter or tag with the backbone")
	cmd.Flags().StringVar(&with.variant, "variant", "variant", "parameter or tag with the variant")
	cmd.Flags().StringVar(&with.seed, "seed", "seed", "parameter or tag with the seed, a whole number")
	return cmd
}

func importMLflow(ctx context.Context, store *tracker.Store, source mlflow.Store, with importing) ([]importedSweep, error) {
	experiments, err := source.Experiments(ctx)
	if err != nil {
		return nil, err
	}
	if with.name != "" && with.experiment == "" {
		return nil, withExit(exitUsage, errors.New("--name is for one --experiment"))
	}
	var out []importedSweep
	for _, e := range experiments {
		if with.experiment != "" && e.Name != with.experiment {
			continue
		}
		s := importedSweep{Experiment: e.Name, Sweep: cmp.Or(with.name, e.Name), Cells: []string{}}
		var runs []tracker.ImportedRun
		err := source.Runs(ctx, e, func(r mlflow.Run) error {
			if r.Status != mlflow.Finished && r.Status != mlflow.Failed && r.Status != mlflow.Killed {
				s.Open++
				return nil
			}
			run, err := with.run(r, e, len(runs), &s)
			runs = append(runs, run)
			return err
		})
		if err != nil {
			return out, err
		}
		if len(runs) == 0 && with.experiment == "" {
			continue // MLflow's own Default
		}
		if _, err := store.ImportSweep(ctx, s.Sweep, "MLflow", with.baseline, runs); err != nil {
			if errors.Is(err, tracker.ErrNotImported) {
				err = withExit(exitUsage, fmt.Errorf("%w; give another name with --experiment and --name", err))
			}
			return out, err
		}
		s.Runs = len(runs)
		slices.Sort(s.Cells)
		s.Cells = slices.Compact(s.Cells)
		out = append(out, s)
	}
	if len(out) == 0 {
		return nil, withExit(exitUsage, fmt.Errorf("there are no runs to import; the experiments are %s", names(experiments)))
	}
	return out, nil
}

func names(experiments []mlflow.Experiment) string {
	var list []string
	for _, e := range experiments {
		list = append(list, e.Name)
	}
	return cmp.Or(strings.Join(list, ", "), "none")
}

// unseeded is where the numbers of runs without a seed begin. Each has its own, so
// that no two of them are a pair.
const unseeded = 1 << 30

// run turns one of MLflow's into one of the tracker's.
func (with importing) run(r mlflow.Run, e mlflow.Experiment, n int, s *importedSweep) (tracker.ImportedRun, error) {
	find := func(key, otherwise string) string {
		return cmp.Or(r.Params[key], r.Tags[key], otherwise)
	}
	dataset := find(with.dataset, e.Name)
	// MLflow does not know what is in it.
	hash := sha256.Sum256([]byte("mlflow\x00" + dataset))
	identity := sha256.Sum256([]byte("mlflow\x00" + r.ID))
	seed, err := strconv.Atoi(find(with.seed, ""))
	if err != nil || seed < 0 || seed >= unseeded {
		seed = unseeded + n
		s.Unseeded++
	}
	spec, err := json.Marshal(map[string]any{"imported_from": "MLflow", "run_id": r.ID, "run_name": r.Name, "user": r.User, "status": r.Status, "params": r.Params, "tags": r.Tags})
	if err != nil {
		return tracker.ImportedRun{}, fmt.Errorf("read MLflow run %s: %w", r.ID, err)
	}
	out := tracker.ImportedRun{
		PlannedRun: tracker.PlannedRun{
			Hash: identity[:], Dataset: dataset, DatasetHash: fmt.Sprintf("imported-%x", hash), Backbone: find(with.backbone, "imported"),
			Variant: find(with.variant, "imported"), Phase: tracker.Replicate, Replicate: &seed, SplitSeed: int64(seed), InitSeed: int64(seed), Spec: spec,
		},
		Started: r.Start, Ended: r.End, Failed: r.Status != mlflow.Finished, GitCommit: r.Tags["mlflow.source.git.commit"],
		Metrics: map[tracker.Metric]float64{},
	}
	if out.Ended.IsZero() {
		out.Ended = r.Start
	}
	if out.Failed {
		s.Failed++
		out.Message = "MLflow has it as " + string(r.Status)
	}
	s.Cells = append(s.Cells, out.Dataset+"/"+out.Backbone+"/"+out.Variant)
	steps := map[int]map[tracker.Metric]float64{}
	for _, name := range slices.Sorted(maps.Keys(r.Metrics)) {
		m := metricOf(name)
		last := int64(math.MinInt64)
		for _, p := range r.Metrics[name] {
			if p.Step < 0 || p.Step > math.MaxInt32 {
				s.Dropped++
				continue
			}
			values := steps[int(p.Step)]
			if values == nil {
				values = map[tracker.Metric]float64{}
				steps[int(p.Step)] = values
			}
			if _, twice := values[m]; twice {
				s.Repeated++
			}
			values[m] = p.Value
			if p.Step >= last { // MLflow's own rule: the largest step, then the latest
				last, out.Metrics[m] = p.Step, p.Value
			}
			out.Epochs = max(out.Epochs, int(p.Step))
		}
	}
	for _, step := range slices.Sorted(maps.Keys(steps)) {
		out.Points = append(out.Points, tracker.Point{Step: step, Values: steps[step]})
	}
	return out, nil
}

// splits are what people write before the name of a metric.
var splits = map[string]string{"train": "train", "training": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}

// metricOf reads a name such as val/auroc, or val/auroc:sex:m as export writes it.
func metricOf(name string) tracker.Metric {
	m := tracker.Metric{Name: name}
	if before, after, ok := strings.Cut(name, "/"); ok && splits[before] != "" && after != "" {
		m.Split, m.Name = splits[before], after
	}
	if parts := strings.Split(m.Name, ":"); len(parts) == 3 {
		m.Name, m.Group, m.Level = parts[0], parts[1], parts[2]
	}
	return m
}
