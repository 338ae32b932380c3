package sweeps

import (
	"context"
	"encoding/json"
	"math"
	"sync"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
)

// small is a sweep of two cells, two trials and two seeds.
const small = `version = 1
name = "small"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm", "md"]
[variants.erm]
[variants.md]
missingness = true
[metric]
name = "val/auroc"
select = "val/auroc@worst(pattern)"
[search]
method = "random"
trials = 2
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-4, max = 1e-2 }
[replicates]
seeds = [0, 1]
[run]
epochs = 3
retry = { max = 1, on = ["plugin_crash"] }
`

// single is a sweep of one run.
const single = `version = 1
name = "single"
[axes]
dataset  = ["nafld"]
backbone = ["concat"]
variant  = ["erm"]
[variants.erm]
[metric]
name = "val/auroc"
[replicates]
seeds = [0]
[run]
epochs = 3
retry = { max = 1, on = ["plugin_crash"] }
`

// trainer is a RunFunc that trains nothing. Its values depend on the spec only.
type trainer struct {
	// epochs of a slice; 0 trains to the end.
	perSlice int
	// before is called at the start of a slice and may end it.
	before func(ctx context.Context, spec RunSpec, epoch int, rec Recorder) error
	// curve, if not nil, is the validation value after an epoch, counted from 1; the
	// best one is that of the run.
	curve func(spec RunSpec, epoch int) float64
	// outcome may change what a run leaves behind.
	outcome func(spec RunSpec, out *tracker.Outcome)

	mu     sync.Mutex
	slices map[Hash][]int // first epoch of each slice
}

// goodness is the validation value of a spec.
func goodness(spec RunSpec) float64 {
	hash, err := spec.Hash()
	if err != nil {
		return math.NaN()
	}
	return 0.5 + float64(hash[0])/512
}

func (tr *trainer) run(ctx context.Context, spec RunSpec, checkpoint []byte, rec Recorder, _ time.Duration) (Slice, error) {
	epoch := 0
	if len(checkpoint) > 0 {
		if err := json.Unmarshal(checkpoint, &epoch); err != nil {
			return Slice{}, err
		}
	}
	hash, err := spec.Hash()
	if err != nil {
		return Slice{}, err
	}
	tr.mu.Lock()
	if tr.slices == nil {
		tr.slices = map[Hash][]int{}
	}
	tr.slices[hash] = append(tr.slices[hash], epoch)
	tr.mu.Unlock()
	if tr.before != nil {
		if err := tr.before(ctx, spec, epoch, rec); err != nil {
			return Slice{}, err
		}
	}
	for n := 0; epoch < spec.Epochs; n++ {
		if tr.perSlice > 0 && n == tr.perSlice || n > 0 && rec.Pause() {
			text, err := json.Marshal(epoch)
			return Slice{Epoch: epoch, Epochs: spec.Epochs, Checkpoint: text}, err
		}
		err := rec.Points(epoch, map[tracker.Metric]float64{{Name: "loss", Split: "train"}: 1 / float64(epoch+1)})
		if err != nil {
			return Slice{}, err
		}
		epoch++
		if tr.curve != nil {
			value := map[tracker.Metric]float64{{Name: "auroc", Split: "val", Group: "worst_pattern"}: tr.curve(spec, epoch)}
			if err := rec.Points(epoch, value); err != nil {
				return Slice{}, err
			}
		}
		rec.Progress(epoch)
	}
	out := tracker.Outcome{Epoch: epoch, Reason: "completed", Metrics: map[tracker.Metric]float64{
		{Name: "auroc", Split: "val"}:                         0.9,
		{Name: "auroc", Split: "val", Group: "worst_pattern"}: goodness(spec),
	}}
	if tr.curve != nil {
		best := math.Inf(-1)
		for e := range spec.Epochs {
			best = max(best, tr.curve(spec, e+1))
		}
		out.Metrics[tracker.Metric{Name: "auroc", Split: "val", Group: "worst_pattern"}] = best
	}
	if tr.outcome != nil {
		tr.outcome(spec, &out)
	}
	return Slice{Done: true, Epoch: epoch, Epochs: spec.Epochs, Outcome: &out}, nil
}

// count returns the number of slices that were begun.
func (tr *trainer) count() int {
	tr.mu.Lock()
	defer tr.mu.Unlock()
	n := 0
	for _, s := range tr.slices {
		n += len(s)
	}
	return n
}

// codedError is an error as RunFuncs return it.
type codedError struct{ code, log string }

func (e codedError) Error() string { return "plugin went away" }

func (e codedError) Code() string { return e.code }

func (e codedError) Log() string { return e.log }

// deadline bounds a test that waits for something that does not happen.
func deadline(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// quick are the options of a worker whose interruption does not take long.
func quick(workers int) Options { return Options{Workers: workers, Grace: -1} }

func runs(t *testing.T, store *tracker.Store, sweepID int64) []tracker.Run {
	t.Helper()
	out, err := store.Runs(t.Context(), tracker.RunFilter{SweepID: sweepID})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// mustRun runs a sweep and wants it to finish.
func mustRun(t *testing.T, store *tracker.Store, p *Plan, run RunFunc, opts Options) Status {
	t.Helper()
	status, err := Run(deadline(t), store, p, run, opts)
	if err != nil {
		t.Fatal(err)
	}
	if !status.Finished {
		t.Fatalf("got %+v, want a finished sweep", status)
	}
	return status
}

// until polls without a sleep what has no event.
func until(t *testing.T, f func() bool) error {
	ctx := deadline(t)
	for !f() {
		if err := sleep(ctx, time.Millisecond); err != nil {
			return err
		}
	}
	return nil
}
