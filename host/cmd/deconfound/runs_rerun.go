package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// reran is what training a run again has shown.
type reran struct {
	Run         int64    `json:"run_id"`
	Same        bool     `json:"same"`
	Results     int      `json:"results"`     // compared
	Predictions int      `json:"predictions"` // compared
	Differ      []string `json:"differ"`      // what is not the same to the last bit
}

func newRunsRerun(a *app) *cobra.Command {
	var check bool
	cmd := &cobra.Command{
		Use:   "rerun RUN",
		Short: "Train a run again and check that it gives the same bits",
		Long: `Trains a finished run again from its beginning, here and in one go, and compares
every result and every prediction with the recorded ones, to the last bit. It
stores nothing. Exit code 7 if something differs, 4 if the data or a plugin are not
those of the run. --check says the same for scripts, without a list of what differs.`,
		Args: cobra.ExactArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := runID(args[0])
			if err != nil {
				return err
			}
			result, err := a.rerun(cmd.Context(), id)
			if err != nil {
				return err
			}
			err = a.print(result, func(w io.Writer) {
				fmt.Fprintf(w, "run %d, trained again: %d results and %d predictions compared, ", id, result.Results, result.Predictions)
				if result.Same {
					fmt.Fprintln(w, "all the same to the last bit")
					return
				}
				fmt.Fprintf(w, "%d differ\n", len(result.Differ))
				if check {
					return
				}
				for i, text := range result.Differ {
					if i == 10 {
						fmt.Fprintf(w, "  and %d more\n", len(result.Differ)-i)
						break
					}
					fmt.Fprintf(w, "  %s\n", text)
				}
			})
			if err == nil && !result.Same {
				err = withExit(exitDiffers, errors.New("the run does not give the same bits"))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&check, "check", false, "only say whether the bits are the same, by the exit code and one line")
	return cmd
}

func (a *app) rerun(ctx context.Context, id int64) (reran, error) {
	store, err := a.tracker(ctx)
	if err != nil {
		return reran{}, err
	}
	run, err := store.Run(ctx, id)
	if err != nil {
		return reran{}, err
	}
	if run.State != tracker.Done {
		return reran{}, fmt.Errorf("run %d is %s; only a run that is done can be compared", id, run.State)
	}
	spec, err := sweeps.ParseSpec(run.Spec)
	if err != nil {
		return reran{}, err
	}
	r, err := a.runner(ctx)
	if err != nil {
		return reran{}, err
	}
	defer r.close()
	slice, err := r.runSlice(ctx, spec, nil, nobody{}, 0)
	if err != nil {
		if code := sdk.CodeOf(err); code == sdk.CodePluginAltered || code == codeDataDrift {
			err = withExit(exitDrift, err)
		}
		return reran{}, err
	}
	recorded := tracker.RunFilter{IDs: []int64{id}}
	results, err := store.Results(ctx, recorded)
	if err != nil {
		return reran{}, err
	}
	predictions, err := store.Predictions(ctx, recorded, "")
	if err != nil {
		return reran{}, err
	}
	out := reran{Run: id, Differ: []string{}}
	out.compareResults(results[id], slice.Outcome.Metrics)
	out.comparePredictions(predictions, slice.Outcome.Predictions)
	out.Same = len(out.Differ) == 0
	return out, nil
}

func (r *reran) compareResults(want, got map[tracker.Metric]float64) {
	for m, w := range want {
		r.Results++
		if g, ok := got[m]; !ok || !shown.Same(g, w) {
			r.Differ = append(r.Differ, fmt.Sprintf("%s: recorded %v, now %v", m, w, g))
		}
	}
	for m, g := range got {
		if _, ok := want[m]; !ok {
			r.Differ = append(r.Differ, fmt.Sprintf("%s: not recorded, now %v", m, g))
		}
	}
	slices.Sort(r.Differ)
}

// comparePredictions puts what was trained now into the order of the tracker.
func (r *reran) comparePredictions(want []*tracker.RunPredictions, got []tracker.Prediction) {
	got = slices.Clone(got)
	slices.SortFunc(got, func(a, b tracker.Prediction) int {
		return cmp.Or(cmp.Compare(a.TestSet, b.TestSet), cmp.Compare(a.Unit, b.Unit), cmp.Compare(a.Class, b.Class))
	})
	for _, set := range want {
		for i := range set.Unit {
			w := tracker.Prediction{
				TestSet: set.TestSet, Unit: set.Unit[i], Class: set.Class[i], Label: set.Label[i], Score: set.Score[i],
				Observed: set.Observed[i], Pattern: set.Pattern[i], Weight: set.Weight[i],
			}
			r.Predictions++
			if len(got) == 0 {
				r.Differ = append(r.Differ, "predictions: fewer than recorded")
				return
			}
			if !samePrediction(got[0], w) {
				r.Differ = append(r.Differ, fmt.Sprintf("prediction of unit %d, class %d, on %s: recorded %v, now %v", w.Unit, w.Class, w.TestSet, w.Score, got[0].Score))
			}
			got = got[1:]
		}
	}
	if len(got) > 0 {
		r.Differ = append(r.Differ, fmt.Sprintf("predictions: %d more than recorded", len(got)))
	}
}

func samePrediction(a, b tracker.Prediction) bool {
	bits := func(p tracker.Prediction) tracker.Prediction {
		p.Label, p.Score, p.Observed, p.Weight = 0, 0, 0, 0
		return p
	}
	return bits(a) == bits(b) && shown.Same(float64(a.Label), float64(b.Label)) && shown.Same(float64(a.Score), float64(b.Score)) &&
		shown.Same(float64(a.Observed), float64(b.Observed)) && shown.Same(float64(a.Weight), float64(b.Weight))
}

// nobody is the recorder of a run that is not recorded.
type nobody struct{}

func (nobody) Points(int, map[tracker.Metric]float64) error { return nil }
func (nobody) Progress(int)                                 {}
func (nobody) Pause() bool                                  { return false }
