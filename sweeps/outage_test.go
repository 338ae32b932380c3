package sweeps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// When all connections break in the middle of a slice, it goes on, and its
// result counts.
func TestRun_SurvivesOutage(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, single)
	tr := &trainer{perSlice: 2, before: func(ctx context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch > 0 {
			return nil
		}
		_, err := store.Pool().Exec(ctx, `select pg_terminate_backend(pid) from pg_stat_activity
			where datname = current_database() and pid <> pg_backend_pid()`)
		return err
	}}
	reconnects := 0
	opts := quick(1)
	opts.Reconnect = func(context.Context) error { reconnects++; return nil }
	status := mustRun(t, store, p, tr.run, opts)
	if run := runs(t, store, status.ID)[0]; run.State != tracker.Done || run.Attempt != 1 || tr.count() != 2 {
		t.Errorf("got %s in attempt %d after %d slices", run.State, run.Attempt, tr.count())
	}
}

func TestAbsent(t *testing.T) {
	for _, err := range []error{tracker.ErrStale, fmt.Errorf("x: %w", tracker.ErrFenced), tracker.ErrNotFound, errors.New("syntax error")} {
		if absent(err) {
			t.Errorf("%v counts as an absent database", err)
		}
	}
	for _, text := range []string{"conn closed", "unexpected EOF", "write: broken pipe"} {
		if !absent(errors.New(text)) {
			t.Errorf("%s does not count as an absent database", text)
		}
	}
}

// survive tries again after each failure of the database, after asking for it
// to be brought back, and waits longer each time.
func TestOutage_Survive(t *testing.T) {
	var waits []time.Duration
	calls, reconnects := 0, 0
	o := &outage{
		reconnect: func(context.Context) error { reconnects++; return errors.New("not yet") },
		wait:      func(_ context.Context, d time.Duration) error { waits = append(waits, d); return nil },
	}
	err := o.survive(t.Context(), func(context.Context) error {
		if calls++; calls < 9 {
			return errors.New("conn closed")
		}
		return tracker.ErrFenced
	})
	if !errors.Is(err, tracker.ErrFenced) || calls != 9 || reconnects != 8 {
		t.Errorf("got %v after %d calls and %d reconnects", err, calls, reconnects)
	}
	if !slices.IsSorted(waits) || waits[0] != outageFirst || waits[7] != outageLast {
		t.Errorf("got waits %v", waits)
	}
}
