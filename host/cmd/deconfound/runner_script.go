package main

import (
	"context"
	"math"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/script"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
)

// unanswered are the diagnostics that ask a finished model again.
var unanswered = []string{"spoofing", "mask_flip", "missing_rate", "drift", "dependence", "probe"}

// runScript trains a run that a script does by itself. It has no checkpoint: whatever
// interrupts it, the run starts anew.
func (r *runner) runScript(ctx context.Context, spec sweeps.RunSpec, recorder sweeps.Recorder) (sweeps.Slice, error) {
	found, err := r.plugin(ctx, sdk.KindBackbone, spec.Backbone)
	if err != nil {
		return sweeps.Slice{}, err
	}
	store, err := r.dataset(ctx, spec)
	if err != nil {
		return sweeps.Slice{}, err
	}
	data, err := r.data(store, spec)
	if err != nil {
		return sweeps.Slice{}, err
	}
	cfg, err := trainConfig(spec)
	if err != nil {
		return sweeps.Slice{}, err
	}
	trained, err := script.Train(ctx, r.pool, found.entry, cfg, data, scriptRecorder{recorder})
	if err != nil {
		return sweeps.Slice{}, err
	}
	slice := sweeps.Slice{Done: true, Epoch: spec.Epochs, Epochs: spec.Epochs, Memory: tracker.Memory{Plugins: trained.Memory}}
	if slice.Outcome, err = convertOutcome(trained.Outcome, spec.Epochs, spec.Epochs); err != nil {
		return sweeps.Slice{}, err
	}
	slice.Outcome.Diagnostics = append(slice.Outcome.Diagnostics, r.overlaps.of(spec, data, trained.Outcome)...)
	if examines(spec) {
		for _, name := range unanswered {
			nan := stats.Number(math.NaN())
			f := diagnose.Finding{Name: name, Interval: stats.Interval{Estimate: nan, Low: nan, High: nan}, P: nan, EffectiveN: nan,
				Reason: "not available for exec: the script predicted the rows that it was given, and can be asked nothing else"}
			slice.Outcome.Diagnostics = append(slice.Outcome.Diagnostics, diagnostic{f, nil}.stored())
		}
	}
	return slice, nil
}

// scriptRecorder records epochs that are the script's own and no progress of the run.
type scriptRecorder struct{ sweeps.Recorder }

// Points converts the metrics.
func (r scriptRecorder) Points(epoch int, values train.Values) error {
	return r.Recorder.Points(epoch, convertValues(values))
}
