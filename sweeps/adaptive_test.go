package sweeps

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sweeps/search"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// rungs is a sweep of two cells whose trials are stopped after 1 and 3 of 9 epochs.
func rungs(t *testing.T) string {
	return edit(t, small, "trials = 2\n", "trials = 12\nearly_stop = { type = \"asha\", min_epochs = 1, eta = 3 }\n", "epochs = 3", "epochs = 9")
}

// near0001 is best at a learning rate of 0.001 and rises with the epochs.
func near0001(spec RunSpec, epoch int) float64 {
	lr, _ := spec.Optimizer.Float("lr")
	return 0.9 - 0.1*math.Abs(math.Log10(lr)+3) - 0.2/float64(epoch)
}

// outcome is what counts of a run, by what it is.
func outcomes(t *testing.T, store *tracker.Store, sweepID int64) map[string]string {
	t.Helper()
	out := map[string]string{}
	for _, r := range runs(t, store, sweepID) {
		spec, err := ParseSpec(r.Spec)
		if err != nil {
			t.Fatal(err)
		}
		lr, _ := spec.Optimizer.Float("lr")
		out[fmt.Sprintf("%s %s %d seed %d", spec.Cell(), r.Phase, r.Trial, r.SplitSeed)] = fmt.Sprintf("lr %v %s after %d epochs", lr, r.State, r.Epoch)
	}
	return out
}

// replayed wants the log of every search to give the state that is stored.
func replayed(t *testing.T, store *tracker.Store, status Status, p *Plan) {
	t.Helper()
	states, err := store.Searches(t.Context(), status.ID)
	if err != nil {
		t.Fatal(err)
	}
	for _, cell := range p.Cells {
		stored, err := store.Decisions(t.Context(), status.ID, cell.Cell.key())
		if err != nil {
			t.Fatal(err)
		}
		var log []search.Decision
		for _, d := range stored {
			var one search.Decision
			if err := errors.Join(json.Unmarshal(d.Event, &one.Event), json.Unmarshal(d.Actions, &one.Actions)); err != nil {
				t.Fatal(err)
			}
			log = append(log, one)
		}
		again, err := search.Replay(cell.Adaptive.Search, log)
		if err != nil {
			t.Fatalf("%s: %v", cell.Cell, err)
		}
		want, err := search.Restore(cell.Adaptive.Search, states[cell.Cell.key()].Snapshot)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(want.Trials(), again.Trials(), cmp.Comparer(func(a, b search.Number) bool {
			return a == b || math.IsNaN(float64(a)) && math.IsNaN(float64(b))
		})); diff != "" || len(log) == 0 {
			t.Errorf("%s: %d decisions, replayed (-stored +replayed):\n%s", cell.Cell, len(log), diff)
		}
	}
}

func TestRun_ASHA(t *testing.T) {
	t.Parallel()
	var want map[string]string
	for _, workers := range []int{1, 3} {
		store := trackertest.New(t)
		p := compile(t, rungs(t))
		tr := &trainer{curve: near0001}
		status := mustRun(t, store, p, tr.run, quick(workers))
		if status.Failed != 0 || status.Pruned == 0 || status.Done+status.Pruned != 2*12+2*2 {
			t.Errorf("got %+v", status)
		}
		if len(status.Rungs) != 2 || status.Rungs[0].Epoch != 1 || status.Rungs[0].Reached != 24 || status.Rungs[0].Waiting != 0 ||
			status.Rungs[0].Passed+status.Rungs[0].Pruned != 24 || status.Rungs[1].Reached != status.Rungs[0].Passed {
			t.Errorf("got rungs %+v", status.Rungs)
		}
		// A promotion goes on from the checkpoint: every epoch is trained once.
		for hash, starts := range tr.slices {
			if !slices.IsSorted(starts) || len(slices.Compact(slices.Clone(starts))) != len(starts) {
				t.Errorf("run %s: slices begin at %v", hash, starts)
			}
		}
		// The best of what was drawn won, and its replicates are trained to the end.
		got := outcomes(t, store, status.ID)
		for _, w := range status.Winners {
			best, number := math.Inf(-1), -1
			for _, c := range p.Cells {
				for _, trial := range c.Trials {
					if v := near0001(trial.Base, 9); c.Cell == w.Cell && v > best {
						best, number = v, trial.Number
					}
				}
			}
			if w.Trial != number {
				t.Errorf("%s: trial %d won, want %d", w.Cell, w.Trial, number)
			}
		}
		replayed(t, store, status, p)
		if want == nil {
			want = got
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers decide otherwise (-one +these):\n%s", workers, diff)
		}
		// The same sweep again does nothing.
		if report, err := Enqueue(t.Context(), store, compile(t, rungs(t))); err != nil || report.New != 0 || report.Extended {
			t.Errorf("second time: got %+v, %v", report, err)
		}
		again, err := StatusOf(t.Context(), store, "small")
		if err != nil || !again.Finished || again.Pruned != status.Pruned {
			t.Errorf("second time: got %+v, %v", again, err)
		}
	}
}

func TestRun_TPE(t *testing.T) {
	t.Parallel()
	text := edit(t, small, `method = "random"`, `method = "tpe"`, "trials = 2", "trials = 14\nstartup = 5\nparallel = 2")
	var want map[string]string
	for _, workers := range []int{1, 4} {
		store := trackertest.New(t)
		p := compile(t, text)
		tr := &trainer{curve: near0001}
		status := mustRun(t, store, p, tr.run, quick(workers))
		if status.Done != 2*14+2*2 || status.Expected != 32 || len(status.Winners) != 2 {
			t.Errorf("got %+v", status)
		}
		replayed(t, store, status, p)
		if got := outcomes(t, store, status.ID); want == nil {
			want = got
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers decide otherwise (-one +these):\n%s", workers, diff)
		}
		// More trials go on where the search ended.
		more := compile(t, edit(t, text, "trials = 14", "trials = 16"))
		if report, err := Enqueue(t.Context(), store, more); err != nil || !report.Extended {
			t.Fatalf("got %+v, %v", report, err)
		}
		if status = mustRun(t, store, more, tr.run, quick(workers)); status.Done < 2*16+2*2 {
			t.Errorf("extended: got %+v", status)
		}
		extended := outcomes(t, store, status.ID)
		for key, v := range want {
			if extended[key] != v {
				t.Errorf("extended: %s was %s, is %s", key, v, extended[key])
			}
		}
	}
}

func TestRun_Median(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, edit(t, rungs(t), `{ type = "asha", min_epochs = 1, eta = 3 }`, `{ type = "median", min_epochs = 2, interval = 3, startup = 3 }`))
	status := mustRun(t, store, p, (&trainer{curve: near0001}).run, quick(2))
	if status.Pruned == 0 || status.Pruned > 2*9 || len(status.Rungs) != 3 {
		t.Errorf("got %+v", status)
	}
	replayed(t, store, status, p)
}

// A worker that dies in the middle of a rung costs its slice and nothing else: the
// search decides as if it had lived.
func TestWork_DiesMidRung(t *testing.T) {
	t.Parallel()
	undisturbed := trackertest.New(t)
	status := mustRun(t, undisturbed, compile(t, rungs(t)), (&trainer{curve: near0001}).run, quick(1))
	want := outcomes(t, undisturbed, status.ID)

	store := trackertest.New(t)
	p := compile(t, rungs(t))
	report, err := Enqueue(t.Context(), store, p)
	if err != nil {
		t.Fatal(err)
	}
	// The first worker loses its lock while it trains beyond the first rung.
	dying := newProcess(store, nil, quick(2))
	var once sync.Once
	died := make(chan struct{})
	doomed := &trainer{curve: near0001, before: func(ctx context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch < 1 {
			return nil
		}
		once.Do(func() { close(died) })
		<-ctx.Done()
		return ctx.Err()
	}}
	dying.run = doomed.run
	if err := dying.start(t.Context()); err != nil {
		t.Fatal(err)
	}
	select {
	case <-died:
	case <-deadline(t).Done():
		t.Fatal("no trial was promoted")
	}
	dying.worker.Close()
	dying.endLast() // it cannot give anything back
	ctx, stop := context.WithCancel(deadline(t))
	defer stop()
	var group sync.WaitGroup
	other, err := tracker.Open(ctx, store.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	group.Go(func() {
		if err := Work(ctx, other, (&trainer{curve: near0001}).run, quick(2)); err != nil {
			t.Error(err)
		}
	})
	dying.shutdown()
	watch := newProcess(store, nil, Options{Refresh: 20 * time.Millisecond})
	status, err = watch.follows(ctx, report.Sweep)
	stop()
	group.Wait()
	if err != nil || !status.Finished {
		t.Fatalf("got %+v, %v", status, err)
	}
	if diff := cmp.Diff(want, outcomes(t, store, report.Sweep)); diff != "" {
		t.Errorf("after the death of a worker (-undisturbed +now):\n%s", diff)
	}
}

// A sweep that is cancelled while trials wait at a rung goes on from there.
func TestResume_AtARung(t *testing.T) {
	t.Parallel()
	undisturbed := trackertest.New(t)
	status := mustRun(t, undisturbed, compile(t, rungs(t)), (&trainer{curve: near0001}).run, quick(1))
	want := outcomes(t, undisturbed, status.ID)

	store := trackertest.New(t)
	p := compile(t, rungs(t))
	tr := &trainer{curve: near0001}
	var once sync.Once
	tr.before = func(ctx context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch > 0 {
			once.Do(func() {
				if err := Cancel(ctx, store, p.Name); err != nil {
					t.Error(err)
				}
			})
		}
		return nil
	}
	status, err := Run(deadline(t), store, p, tr.run, quick(1))
	if err != nil || !status.Cancelled {
		t.Fatalf("got %+v, %v", status, err)
	}
	if err := Resume(t.Context(), store, p.Name); err != nil {
		t.Fatal(err)
	}
	mustRun(t, store, p, tr.run, quick(2))
	if diff := cmp.Diff(want, outcomes(t, store, status.ID)); diff != "" {
		t.Errorf("after a cancellation (-undisturbed +now):\n%s", diff)
	}
}

// A trial that fails for good is the worst of its rung; the search ends.
func TestRun_ASHAWithFailures(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, rungs(t))
	fails := true
	tr := &trainer{curve: near0001, before: func(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
		if fails && spec.Phase == PhaseSearch && spec.Trial%4 == 1 {
			return codedError{"nan", ""}
		}
		return nil
	}}
	status := mustRun(t, store, p, tr.run, quick(2))
	if status.Failed != 2*3 || len(status.Winners) != 2 {
		t.Errorf("got %+v", status)
	}
	// Tried again, they take part.
	fails = false
	if n, err := Retry(t.Context(), store, p.Name); err != nil || n != 6 {
		t.Fatalf("got %d, %v", n, err)
	}
	status = mustRun(t, store, p, tr.run, quick(2))
	if status.Failed != 0 || len(status.Winners) != 2 {
		t.Errorf("after the retry: got %+v", status)
	}
	replayed(t, store, status, p)
}
