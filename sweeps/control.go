package sweeps

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// Pause lets no further slice of a sweep begin; running ones end after the
// epoch they are in, as soon as their workers notice, within a second.
func Pause(ctx context.Context, store *tracker.Store, name string) error {
	return change(ctx, store, name, "pause", func(tx pgx.Tx, _ *queue, sweep tracker.Sweep) error {
		return store.PauseSweep(ctx, tx, sweep.ID)
	})
}

// Resume lets a paused or cancelled sweep go on, from its checkpoints.
func Resume(ctx context.Context, store *tracker.Store, name string) error {
	return change(ctx, store, name, "resume", func(tx pgx.Tx, q *queue, sweep tracker.Sweep) error {
		if err := store.LockSweep(ctx, tx, sweep.ID); err != nil {
			return err
		}
		now, err := store.In(tx).SweepByID(ctx, sweep.ID)
		if err != nil {
			return err
		}
		waiting, err := store.ResumeSweep(ctx, tx, sweep.ID)
		if err != nil {
			return err
		}
		if now.CancelledAt != nil {
			again, err := store.RetryRuns(ctx, tx, sweep.ID, []tracker.State{tracker.Cancelled})
			if err != nil {
				return err
			}
			waiting = append(waiting, again...)
		}
		if err := q.slices(ctx, tx, waiting); err != nil {
			return err
		}
		return q.advance(ctx, tx, sweep.ID)
	})
}

// SetPriority changes how much a sweep gets of the workers while others wait too:
// twice as many slices with twice the priority, 1 to tracker.PriorityLast;
// tracker.PriorityDefault is that of a new one.
func SetPriority(ctx context.Context, store *tracker.Store, name string, priority int) error {
	return change(ctx, store, name, "prioritise", func(tx pgx.Tx, _ *queue, sweep tracker.Sweep) error {
		return store.SetPriority(ctx, tx, sweep.ID, priority)
	})
}

// Cancel ends every run of a sweep that has not ended. Slices that are being
// trained are stopped as soon as their workers notice, within a second.
func Cancel(ctx context.Context, store *tracker.Store, name string) error {
	return change(ctx, store, name, "cancel", func(tx pgx.Tx, _ *queue, sweep tracker.Sweep) error {
		return store.CancelSweep(ctx, tx, sweep.ID)
	})
}

// Retry gives the runs that ended in one of the states (Failed, Lost, Cancelled;
// none given: Failed and Lost) a new attempt, and answers how many.
func Retry(ctx context.Context, store *tracker.Store, name string, states ...tracker.State) (int, error) {
	return RetryCauses(ctx, store, name, nil, states...)
}

// RetryCauses is Retry for the runs that ended with one of the error codes; with
// none given, for all.
func RetryCauses(ctx context.Context, store *tracker.Store, name string, codes []string, states ...tracker.State) (int, error) {
	if len(states) == 0 {
		states = []tracker.State{tracker.Failed, tracker.Lost}
	}
	n := 0
	err := change(ctx, store, name, "retry", func(tx pgx.Tx, q *queue, sweep tracker.Sweep) error {
		if sweep.CancelledAt != nil {
			return ErrCancelled
		}
		waiting, err := store.RetryRuns(ctx, tx, sweep.ID, states, codes...)
		if err != nil {
			return err
		}
		n = len(waiting)
		if err := q.slices(ctx, tx, waiting); err != nil {
			return err
		}
		return q.advance(ctx, tx, sweep.ID)
	})
	return n, err
}

func change(ctx context.Context, store *tracker.Store, name, verb string, f func(pgx.Tx, *queue, tracker.Sweep) error) error {
	q, err := newQueue(store)
	if err != nil {
		return err
	}
	err = store.InTx(ctx, func(tx pgx.Tx) error {
		sweep, err := store.In(tx).Sweep(ctx, "", name)
		if err != nil {
			return err
		}
		return f(tx, q, sweep)
	})
	if err != nil {
		return fmt.Errorf("%s sweep %s: %w", verb, name, err)
	}
	return nil
}
