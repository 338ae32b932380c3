package sweeps

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

func TestCancel(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, single)
	causes := make(chan error, 1)
	tr := &trainer{before: func(slice context.Context, _ RunSpec, _ int, _ Recorder) error {
		if err := Cancel(ctx, store, "single"); err != nil {
			return err
		}
		select {
		case <-slice.Done():
			causes <- context.Cause(slice)
			return slice.Err()
		case <-ctx.Done():
			return ctx.Err()
		}
	}}
	status, err := Run(ctx, store, p, tr.run, Options{Workers: 1})
	if err != nil || !status.Cancelled || status.Stopped != 1 || status.Finished {
		t.Fatalf("got %+v, %v", status, err)
	}
	if cause := <-causes; !errors.Is(cause, tracker.ErrFenced) {
		t.Errorf("got cause %v, want the lost fence", cause)
	}
	if !strings.Contains(status.Hint(), "resume single") {
		t.Errorf("got hint %q", status.Hint())
	}
	if _, err := Enqueue(ctx, store, p); !errors.Is(err, ErrCancelled) {
		t.Errorf("got %v, want ErrCancelled", err)
	}
	if _, err := Retry(ctx, store, "single", tracker.Cancelled); !errors.Is(err, ErrCancelled) {
		t.Errorf("got %v, want ErrCancelled", err)
	}
	if err := Resume(ctx, store, "single"); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, store, p, new(trainer).run, quick(1)); s.Done != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestPause(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, small)
	var once sync.Once
	tr := &trainer{perSlice: 1, before: func(context.Context, RunSpec, int, Recorder) (err error) {
		once.Do(func() { err = Pause(ctx, store, "small") })
		return err
	}}
	status, err := Run(ctx, store, p, tr.run, Options{Workers: 1})
	if err != nil || !status.Paused || status.Finished || status.Held != 4 || status.Open() {
		t.Fatalf("got %+v, %v", status, err)
	}
	if tr.count() != 1 || !strings.Contains(status.Hint(), "resume small") {
		t.Errorf("got %d slices and hint %q", tr.count(), status.Hint())
	}
	if report, err := Enqueue(ctx, store, p); err != nil || !report.Paused || report.New != 0 {
		t.Errorf("got %+v, %v", report, err)
	}
	if err := Resume(ctx, store, "small"); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, store, p, tr.run, quick(2)); s.Done != 8 || tr.count() != 3*8 {
		t.Errorf("got %+v after %d slices", s, tr.count())
	}
}

// Asked to stop, a slice goes on to its next checkpoint; the run waits with it.
func TestRun_StopsAtCheckpoint(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, single)
	ctx, stop := context.WithCancel(deadline(t))
	tr := &trainer{before: func(_ context.Context, _ RunSpec, epoch int, rec Recorder) error {
		if epoch == 0 {
			stop()
			return until(t, rec.Pause)
		}
		return nil
	}}
	status, err := Run(ctx, store, p, tr.run, Options{Workers: 1, Grace: time.Minute})
	if !errors.Is(err, ErrStopped) || status.Queued != 1 || !strings.Contains(status.Hint(), "same sweep file") {
		t.Fatalf("got %+v, %v", status, err)
	}
	if run := runs(t, store, status.ID)[0]; run.Epoch != 1 || run.Attempt != 1 {
		t.Errorf("got epoch %d, attempt %d, want 1 and 1", run.Epoch, run.Attempt)
	}
	mustRun(t, store, p, tr.run, quick(1))
	for _, starts := range tr.slices {
		if diff := cmp.Diff([]int{0, 1}, starts); diff != "" {
			t.Error(diff)
		}
	}
}

// Asked twice, a process does not wait for its slices.
func TestRun_Hurries(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx, stop := context.WithCancel(deadline(t))
	hurry, now := context.WithCancel(t.Context())
	defer now()
	tr := &trainer{perSlice: 1, before: func(slice context.Context, _ RunSpec, epoch int, rec Recorder) error {
		if epoch == 1 {
			stop()
			if err := until(t, rec.Pause); err != nil {
				return err
			}
			now()
			<-slice.Done()
			return slice.Err()
		}
		return nil
	}}
	status, err := Run(ctx, store, compile(t, single), tr.run, Options{Workers: 1, Grace: time.Hour, Hurry: hurry})
	if !errors.Is(err, ErrStopped) || status.Queued != 1 {
		t.Fatalf("got %+v, %v", status, err)
	}
	if run := runs(t, store, status.ID)[0]; run.Epoch != 1 || run.Attempt != 1 {
		t.Errorf("got epoch %d, attempt %d, want 1 and 1", run.Epoch, run.Attempt)
	}
}

// Without grace a slice is abandoned and the run is back at its last checkpoint.
func TestRun_StopsAtOnce(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, single)
	ctx, stop := context.WithCancel(deadline(t))
	tr := &trainer{perSlice: 1, before: func(slice context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch == 1 {
			stop()
			<-slice.Done()
			return slice.Err()
		}
		return nil
	}}
	status, err := Run(ctx, store, p, tr.run, quick(1))
	if !errors.Is(err, ErrStopped) || status.Queued != 1 {
		t.Fatalf("got %+v, %v", status, err)
	}
	if run := runs(t, store, status.ID)[0]; run.Epoch != 1 || run.Attempt != 1 {
		t.Errorf("got epoch %d, attempt %d, want 1 and 1", run.Epoch, run.Attempt)
	}
	if s := mustRun(t, store, p, new(trainer).run, quick(1)); s.Done != 1 {
		t.Errorf("got %+v", s)
	}
}

func TestControl_UnknownSweep(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	_, retry := Retry(ctx, store, "none")
	_, status := StatusOf(ctx, store, "none")
	for _, err := range []error{Pause(ctx, store, "none"), Resume(ctx, store, "none"), Cancel(ctx, store, "none"), retry, status} {
		if !errors.Is(err, tracker.ErrNotFound) || !strings.Contains(err.Error(), "none") {
			t.Errorf("got %v", err)
		}
	}
}
