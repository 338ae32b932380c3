package script

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Runner runs a script to its end; a *plugin.Pool does.
type Runner interface {
	Execute(ctx context.Context, x plugin.Execution) (peak int64, err error)
}

// Trained is what a script has left.
type Trained struct {
	Outcome train.Outcome
	// Memory is the peak of the script and its children in bytes.
	Memory int64
}

// Train runs a script on a split and judges its predictions. cfg.Backbone are the
// hyperparameters. The epochs that the script tells of go to recorder.
//
// The script finds the paths of three files in its command, {train}, {val} and
// {test}, as CSV or Parquet, or as directories of NPY arrays. A table has the column
// row, a hash that stands for a patient's row; label (0 or 1, or the number of a
// class; label.NAME for each of several labels, empty where unknown), which the test
// file lacks; and for every modality NAME.available (0 or 1) and its values as they
// were recorded, NAME.COLUMN, those of a sequence NAME.STEP.COLUMN. What is missing is
// empty (null, NaN): nothing is filled, scaled or left out. A test row stands there
// once for every availability that a test set asks for, with what is to be hidden
// missing.
//
// Within {out}, a fresh directory that is deleted afterwards, it writes a CSV file
// with the columns row and score (score_0, score_1, … for several classes or labels)
// for all rows of {val} and {test}. {seed} is drawn of cfg.InitSeed, below 2³¹.
func Train(ctx context.Context, runner Runner, entry plugin.Entry, cfg train.Config, data train.Data, recorder train.Recorder) (_ Trained, err error) {
	task := data.Store.Task()
	if err := entry.Script.Info.Capabilities.Accepts(task, nil); err != nil {
		return Trained{}, fmt.Errorf("%s: %w", entry, err)
	}
	dir, remove, err := plugin.WorkDir()
	if err != nil {
		return Trained{}, fmt.Errorf("make a directory for %s: %w", entry, err)
	}
	defer remove()
	out := filepath.Join(dir, "out")
	if err := os.Mkdir(out, 0o700); err != nil {
		return Trained{}, err
	}

	store := data.Store
	validation := plainSample(store, data.Split.Validation)
	test, sets := testSample(store, data.Tests, cfg.InitSeed)
	want, err := address(validation, test)
	if err != nil {
		return Trained{}, err
	}
	fields := plugin.Arguments(cfg.Backbone)
	fields["out"] = out
	fields["seed"] = strconv.FormatUint(rng.Derive(cfg.InitSeed, "script")>>33, 10)
	for name, s := range map[string]sample{"train": plainSample(store, data.Split.Train), "val": validation, "test": test} {
		if fields[name], err = s.write(store, entry.Script.Format, dir, name); err != nil {
			return Trained{}, fmt.Errorf("write the %s rows for %s: %w", name, entry, err)
		}
	}

	progress := newProgress(recorder)
	x := plugin.Execution{Entry: entry, Fields: fields}
	if entry.Script.Metrics == plugin.MetricsStdout {
		x.Line = progress.line
	}
	var done Trained
	if done.Memory, err = runner.Execute(ctx, x); err != nil {
		return done, err
	}
	if m := entry.Script.Metrics; m != "" && m != plugin.MetricsStdout {
		if err := progress.file(filepath.Join(out, m)); err != nil {
			return done, err
		}
	}
	if err := progress.flush(); err != nil {
		return done, err
	}

	outputs := causal.Task{Kind: string(task.Kind), Classes: task.Classes}.Outputs()
	scores, err := readPredictions(filepath.Join(out, entry.Script.Predictions), want, outputs, task.Kind == sdk.Multiclass)
	if err != nil {
		return done, err
	}
	cut := len(validation.keys) * outputs
	judged := train.Judged{Validation: scores[:cut]}
	for _, set := range sets {
		values := make([]float32, 0, len(set)*outputs)
		for _, i := range set {
			values = append(values, scores[cut+i*outputs:cut+(i+1)*outputs]...)
		}
		judged.Tests = append(judged.Tests, values)
	}
	done.Outcome, err = train.Judge(cfg, data, judged)
	return done, err
}
