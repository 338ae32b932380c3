package sweeps

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// leaseForTests is short enough to be waited for.
const leaseForTests = 2 * time.Second

// far opens a store over a link that the test can cut.
func far(t *testing.T, near *tracker.Store) (*trackertest.Link, *tracker.Store) {
	t.Helper()
	link, dsn := trackertest.LinkTo(t, near.DSN())
	store, err := tracker.Open(t.Context(), dsn)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	return link, store
}

// silent waits until the server takes the worker with the name for dead.
func silent(t *testing.T, store *tracker.Store, name string) error {
	return until(t, func() bool {
		workers, err := store.Workers(context.WithoutCancel(t.Context()))
		for _, w := range workers {
			if w.Name == name {
				return !w.Alive
			}
		}
		return err == nil
	})
}

// The link to the server is cut for longer than the lease, with nobody else there
// to take the run: what was trained meanwhile is kept, written once the link is
// back, and counts.
func TestRun_SurvivesCutLink(t *testing.T) {
	t.Parallel()
	near := trackertest.New(t)
	link, store := far(t, near)
	tr := &trainer{perSlice: 2, before: func(_ context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch > 0 {
			return nil
		}
		link.Cut()
		return silent(t, near, "far")
	}}
	opts := quick(1)
	opts.Name, opts.Lease = "far", leaseForTests
	var back sync.Once
	opts.Reconnect = func(context.Context) error {
		back.Do(func() { // the network has forgotten the old connections
			link.Break()
			link.Heal()
		})
		return nil
	}
	status := mustRun(t, store, compile(t, single), tr.run, opts)
	if run := runs(t, near, status.ID)[0]; run.State != tracker.Done || run.Attempt != 1 || tr.count() != 2 {
		t.Errorf("got %s in attempt %d after %d slices", run.State, run.Attempt, tr.count())
	}
}

// The link of one worker of two is cut: the other one takes its run, and what the
// first one still sends when the link is back, late, is refused. It goes on as a
// worker like any other.
func TestWork_CutOff(t *testing.T) {
	t.Parallel()
	near := trackertest.New(t)
	link, store := far(t, near)
	ctx := deadline(t)
	p := compile(t, edit(t, single, `on = ["plugin_crash"]`, `on = ["lost"]`))
	if _, err := Enqueue(ctx, near, p); err != nil {
		t.Fatal(err)
	}
	cut, dropped := make(chan struct{}), make(chan error, 1)
	cutOff := &trainer{perSlice: 1, before: func(slice context.Context, spec RunSpec, epoch int, _ Recorder) error {
		if spec.SplitSeed != 0 {
			return nil
		}
		link.Cut()
		close(cut)
		<-slice.Done() // the watch sees that the run is not its own any more
		dropped <- context.Cause(slice)
		return nil // and returns a result all the same
	}}
	farCtx, stopFar := context.WithCancel(ctx)
	farDone := make(chan error, 1)
	go func() {
		farDone <- Work(farCtx, store, cutOff.run, Options{Name: "far", Grace: -1, Lease: leaseForTests})
	}()
	<-cut
	nearCtx, stopNear := context.WithCancel(ctx)
	nearDone := make(chan error, 1)
	rescuer := new(trainer)
	go func() {
		nearDone <- Work(nearCtx, near, rescuer.run, Options{Name: "near", Grace: -1, Lease: leaseForTests})
	}()
	finished := func(done int) func() bool {
		return func() bool {
			s, err := StatusOf(ctx, near, "single")
			return err == nil && s.Finished && s.Done == done
		}
	}
	if err := until(t, finished(1)); err != nil {
		t.Fatal(err)
	}
	stopNear()
	if err := <-nearDone; err != nil {
		t.Fatal(err)
	}
	link.Heal()
	if cause := <-dropped; !errors.Is(cause, tracker.ErrFenced) {
		t.Errorf("got cause %v, want the lost fence", cause)
	}
	run := runs(t, near, 1)[0]
	if run.State != tracker.Done || run.Attempt != 2 || rescuer.count() != 1 {
		t.Errorf("got %s in attempt %d after %d slices of the other worker", run.State, run.Attempt, rescuer.count())
	}

	if _, err := Enqueue(ctx, near, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]"))); err != nil {
		t.Fatal(err)
	}
	if err := until(t, finished(2)); err != nil {
		t.Fatal(err)
	}
	stopFar()
	if err := <-farDone; err != nil {
		t.Error(err)
	}
	if n := cutOff.count(); n < 2 {
		t.Errorf("%d slices, want the second run's too", n)
	}
}
