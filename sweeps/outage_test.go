package sweeps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"testing"
	"time"

	"github.com/jackc/pgx/v5/pgconn"

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
	for code, want := range map[string]bool{"53100": true, "53200": true, "57P01": true, "25P03": true, "08006": true, "23505": false, "42501": false} {
		if absent(&pgconn.PgError{Code: code}) != want {
			t.Errorf("%s: got %v, want %v", code, !want, want)
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

// An answer that does not come, over a connection that says nothing of it, is asked
// for again; people are told once that the database is away.
func TestOutage_Silence(t *testing.T) {
	calls, told := 0, 0
	o := &outage{
		wait:  func(context.Context, time.Duration) error { return nil },
		limit: time.Millisecond,
		tell:  func(error) { told++ },
	}
	err := o.survive(t.Context(), func(ctx context.Context) error {
		if calls++; calls < 4 {
			<-ctx.Done()
			return fmt.Errorf("commit: %w", ctx.Err())
		}
		return nil
	})
	if err != nil || calls != 4 || told != 1 {
		t.Errorf("got %v after %d calls, told %d times", err, calls, told)
	}
}

// A server whose disk is full is waited for with the results in hand: nothing is
// lost or doubled, and the run is in its first attempt.
func TestRun_SurvivesFullServer(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	full := func(ctx context.Context, sql string) error {
		_, err := store.Pool().Exec(ctx, sql)
		return err
	}
	tr := &trainer{perSlice: 2, before: func(ctx context.Context, _ RunSpec, epoch int, _ Recorder) error {
		if epoch > 0 {
			return nil
		}
		return full(ctx, `create function full_disk() returns trigger language plpgsql as
			$$ begin raise exception using errcode = 'disk_full', message = 'no space left on device'; end $$;
			create trigger full_disk before insert on checkpoint for each row execute function full_disk()`)
	}}
	refusals := 0
	opts := quick(1)
	opts.Reconnect = func(ctx context.Context) error {
		if refusals++; refusals == 3 {
			return full(ctx, `drop function full_disk cascade`)
		}
		return nil
	}
	status := mustRun(t, store, compile(t, single), tr.run, opts)
	if run := runs(t, store, status.ID)[0]; run.State != tracker.Done || run.Attempt != 1 || tr.count() != 2 || refusals != 3 {
		t.Errorf("got %s in attempt %d after %d slices and %d refusals", run.State, run.Attempt, tr.count(), refusals)
	}
	var points, steps int
	err := store.Pool().QueryRow(t.Context(), `select count(*), count(distinct step) from points where split = 'train'`).Scan(&points, &steps)
	if err != nil || points != 3 || steps != 3 {
		t.Errorf("got %d points of %d steps, %v, want 3 of 3", points, steps, err)
	}
}
