package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// PauseSweep lets no further slice of the sweep begin. Waiting runs are paused
// at once, running ones at the end of their slice. Pausing twice changes
// nothing.
func (s *Store) PauseSweep(ctx context.Context, tx pgx.Tx, sweepID int64) error {
	return s.PauseSweepBecause(ctx, tx, sweepID, "")
}

// PauseSweepBecause is PauseSweep by the program itself; reason is shown to people.
// The error is ErrNotOwner if the database user does not own the sweep.
func (s *Store) PauseSweepBecause(ctx context.Context, tx pgx.Tx, sweepID int64, reason string) error {
	if err := lockSweep(ctx, tx, sweepID); err != nil {
		return fmt.Errorf("pause sweep %d: %w", sweepID, err)
	}
	if err := updateSweep(ctx, tx, sweepID, `paused_at = coalesce(paused_at, now()), pause_reason = case when paused_at is null then $2 else pause_reason end`, reason); err != nil {
		return fmt.Errorf("pause sweep %d: %w", sweepID, err)
	}
	if _, err := tx.Exec(ctx, `update run set state = 'paused', fence = fence + 1 where sweep_id = $1 and state = 'queued'`, sweepID); err != nil {
		return fmt.Errorf("pause sweep %d: %w", sweepID, err)
	}
	return nil
}

// ResumeSweep takes a pause or a cancellation of the sweep back and answers its
// runs that now wait; the caller enqueues a job for each in the same
// transaction. Runs that were cancelled stay so until RetryRuns.
func (s *Store) ResumeSweep(ctx context.Context, tx pgx.Tx, sweepID int64) ([]Run, error) {
	if err := lockSweep(ctx, tx, sweepID); err != nil {
		return nil, fmt.Errorf("resume sweep %d: %w", sweepID, err)
	}
	if err := updateSweep(ctx, tx, sweepID, `paused_at = null, cancelled_at = null, pause_reason = ''`); err != nil {
		return nil, fmt.Errorf("resume sweep %d: %w", sweepID, err)
	}
	return s.requeue(ctx, tx, fmt.Sprintf("resume sweep %d", sweepID), `sweep_id = $1 and state = 'paused' and planned and not held`, sweepID)
}

// CancelSweep ends every run of the sweep that has not ended. A worker that is
// training one finds its lease fenced off. Cancelling twice changes nothing.
func (s *Store) CancelSweep(ctx context.Context, tx pgx.Tx, sweepID int64) error {
	if err := lockSweep(ctx, tx, sweepID); err != nil {
		return fmt.Errorf("cancel sweep %d: %w", sweepID, err)
	}
	if err := updateSweep(ctx, tx, sweepID, `cancelled_at = coalesce(cancelled_at, now())`); err != nil {
		return fmt.Errorf("cancel sweep %d: %w", sweepID, err)
	}
	return s.cancel(ctx, tx, `sweep_id = $1`, sweepID)
}

// CancelRuns ends the given runs of one sweep, for example those that a search
// method stopped early. Runs that have ended stay as they are.
func (s *Store) CancelRuns(ctx context.Context, tx pgx.Tx, sweepID int64, ids []int64) error {
	if err := lockSweep(ctx, tx, sweepID); err != nil {
		return fmt.Errorf("cancel runs of sweep %d: %w", sweepID, err)
	}
	return s.cancel(ctx, tx, `sweep_id = $1 and run_id = any($2)`, sweepID, ids)
}

func (s *Store) cancel(ctx context.Context, tx pgx.Tx, where string, args ...any) error {
	query := `update run set state = 'cancelled', fence = fence + 1, worker_id = null, ended_at = now()
		where state in ('queued', 'running', 'paused') and ` + where
	if _, err := tx.Exec(ctx, query, args...); err != nil {
		return fmt.Errorf("cancel runs: %w", err)
	}
	return nil
}

// ResumeRuns lets the given runs of one sweep go on that CommitSlice held, for
// example at a rung, and answers those that now wait. In a paused sweep they go
// on when the sweep does.
func (s *Store) ResumeRuns(ctx context.Context, tx pgx.Tx, sweepID int64, ids []int64) ([]Run, error) {
	if err := lockSweep(ctx, tx, sweepID); err != nil {
		return nil, fmt.Errorf("resume runs of sweep %d: %w", sweepID, err)
	}
	const release = `update run set held = false where sweep_id = $1 and run_id = any($2) and held returning run_id`
	rows, err := tx.Query(ctx, release, sweepID, ids)
	if err != nil {
		return nil, fmt.Errorf("resume runs of sweep %d: %w", sweepID, err)
	}
	released, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("resume runs of sweep %d: %w", sweepID, err)
	}
	return s.requeue(ctx, tx, fmt.Sprintf("resume runs of sweep %d", sweepID), `run_id = any($1) and state = 'paused' and planned
		and exists (select from sweep s where s.sweep_id = run.sweep_id and s.paused_at is null and s.cancelled_at is null)`, released)
}

// RetryRuns gives planned runs of the sweep that ended in one of the states
// (Failed, Lost, Cancelled) a new attempt, from their last checkpoint if there
// is one, and answers those that now wait. With codes it takes only those that
// failed for one of these causes.
func (s *Store) RetryRuns(ctx context.Context, tx pgx.Tx, sweepID int64, states []State, codes ...string) ([]Run, error) {
	if err := lockSweep(ctx, tx, sweepID); err != nil {
		return nil, fmt.Errorf("retry runs of sweep %d: %w", sweepID, err)
	}
	var names []string
	for _, state := range states {
		if state == Failed || state == Lost || state == Cancelled {
			names = append(names, string(state))
		}
	}
	return s.requeue(ctx, tx, fmt.Sprintf("retry runs of sweep %d", sweepID), `sweep_id = $1 and state::text = any($2) and planned
		and (cardinality($3::text[]) = 0 or error_code = any($3))`, sweepID, names, append([]string{}, codes...))
}

// requeue puts the runs that where selects back into the queue. One that had
// ended gets a new attempt.
func (s *Store) requeue(ctx context.Context, tx pgx.Tx, doing, where string, args ...any) ([]Run, error) {
	query := `update run set fence = fence + 1, ended_at = null, worker_id = null,
			attempt = attempt + case when state = 'paused' then 0 else 1 end,
			max_attempts = greatest(max_attempts, attempt + case when state = 'paused' then 0 else 1 end),
			error_code = '', error_message = '', error_log = '', held = false, state = 'queued'
		where ` + where + ` returning run_id`
	rows, err := tx.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	ids, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return nil, fmt.Errorf("%s: %w", doing, err)
	}
	if len(ids) == 0 {
		return nil, nil
	}
	return s.In(tx).Runs(ctx, RunFilter{IDs: ids})
}

// lockSweep takes the lock that every transaction on a sweep takes first. It is
// an advisory lock and not the row's, which only the sweep's owner may lock
// under row-level security, while any worker may finish its runs.
func lockSweep(ctx context.Context, tx pgx.Tx, sweepID int64) error {
	batch := &pgx.Batch{}
	queueLockSweep(batch, sweepID)
	return tx.SendBatch(ctx, batch).Close()
}

// queueLockSweep is lockSweep as the first part of a batch. What follows sees what
// those that held the lock before have committed.
func queueLockSweep(batch *pgx.Batch, sweepID int64) {
	batch.Queue(`select pg_advisory_xact_lock(hashtextextended('deconfound.sweep', $1))`, sweepID)
	batch.Queue(`select sweep_id from sweep where sweep_id = $1`, sweepID).QueryRow(func(row pgx.Row) error {
		var id int64
		return notFound(row.Scan(&id))
	})
}

// updateSweep changes the row of a sweep that the transaction has locked.
func updateSweep(ctx context.Context, tx pgx.Tx, sweepID int64, set string, args ...any) error {
	tag, err := tx.Exec(ctx, `update sweep set `+set+` where sweep_id = $1`, append([]any{sweepID}, args...)...)
	if err == nil && tag.RowsAffected() == 0 {
		var owner string
		if err = tx.QueryRow(ctx, `select owner from sweep where sweep_id = $1`, sweepID).Scan(&owner); err == nil {
			err = fmt.Errorf("%w: it belongs to %s", ErrNotOwner, owner)
		}
	}
	return err
}

// LockSweep holds the sweep until the transaction ends: no other transaction
// plans its runs or ends a lease on one of them meanwhile. A caller that decides
// by what it reads takes it first. The methods of Store take it by themselves.
func (s *Store) LockSweep(ctx context.Context, tx pgx.Tx, sweepID int64) error {
	var runs int // none before it was planned for the first time
	batch := &pgx.Batch{}
	queueLockSweep(batch, sweepID)
	batch.Queue(`select coalesce(max(expected), 0) from progress where sweep_id = $1`, sweepID).QueryRow(func(row pgx.Row) error { return row.Scan(&runs) })
	err := tx.SendBatch(ctx, batch).Close()
	if err == nil {
		err = plans(ctx, tx, runs)
	}
	if err != nil {
		return fmt.Errorf("lock sweep %d: %w", sweepID, err)
	}
	return nil
}
