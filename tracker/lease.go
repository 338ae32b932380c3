package tracker

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Lease is the right to write the results of a run, until its fence moves on.
type Lease struct {
	Run        Run
	Fence      int64
	Worker     int32
	Checkpoint []byte // nil before the first slice; owned by the caller
	Epoch      int    // completed epochs in Checkpoint
}

// Claim takes a waiting run. It answers ErrStale unless the run is queued under
// exactly this fence and its sweep is neither paused nor cancelled: of several
// claimers of the same fence one gets it, once.
func (s *Store) Claim(ctx context.Context, runID, fence int64, worker *Worker) (Lease, error) {
	return s.ClaimIf(ctx, runID, fence, worker, nil)
}

// ClaimIf is Claim of a run that accept, called within the transaction, answers nil
// to; its error leaves the run as it was, and is the answer.
func (s *Store) ClaimIf(ctx context.Context, runID, fence int64, worker *Worker, accept func(context.Context, pgx.Tx, Run) error) (Lease, error) {
	p := worker.Provenance
	if p.Environment == nil {
		p.Environment = json.RawMessage("{}")
	}
	lease := Lease{Fence: fence, Worker: worker.ID()}
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		const claim = `update run r set state = 'running', worker_id = $3, started_at = coalesce(started_at, now()),
				git_commit = $4, git_dirty = $5, host_version = $6, environment = $7
			from sweep s
			where r.run_id = $1 and r.fence = $2 and r.state = 'queued' and r.planned
			  and s.sweep_id = r.sweep_id and s.paused_at is null and s.cancelled_at is null`
		tag, err := tx.Exec(ctx, claim, runID, fence, worker.ID(), p.GitCommit, p.GitDirty, p.HostVersion, p.Environment)
		if err != nil {
			return err
		}
		if tag.RowsAffected() == 0 {
			return ErrStale
		}
		if lease.Run, err = s.In(tx).Run(ctx, runID); err != nil {
			return err
		}
		if accept != nil {
			if err := accept(ctx, tx, lease.Run); err != nil {
				return err
			}
		}
		if err := charge(ctx, tx, lease.Run.SweepID); err != nil {
			return err
		}
		var want []byte
		err = tx.QueryRow(ctx, `select epoch, sha256, data from checkpoint where run_id = $1`, runID).
			Scan(&lease.Epoch, &want, &lease.Checkpoint)
		if errors.Is(err, pgx.ErrNoRows) {
			return nil
		}
		if err != nil {
			return err
		}
		if got := sha256.Sum256(lease.Checkpoint); !bytes.Equal(got[:], want) {
			return fmt.Errorf("checkpoint of epoch %d is damaged: its hash is %x, recorded as %x", lease.Epoch, got, want)
		}
		return nil
	})
	if err != nil {
		return Lease{}, fmt.Errorf("claim run %d: %w", runID, err)
	}
	return lease, nil
}

// hold locks the lease's run for the rest of the transaction, or answers
// ErrFenced. With sweep it locks the run's sweep first, as every transaction
// must that may plan further runs.
func (l Lease) hold(ctx context.Context, tx pgx.Tx, sweep bool) error {
	batch := &pgx.Batch{}
	if sweep {
		queueLockSweep(batch, l.Run.SweepID)
	}
	l.queueHold(batch)
	err := tx.SendBatch(ctx, batch).Close()
	if errors.Is(err, ErrNotFound) {
		return ErrFenced
	}
	return err
}

// queueHold is hold, without the sweep, as a part of a batch.
func (l Lease) queueHold(batch *pgx.Batch) {
	const lock = `select run_id from run where run_id = $1 and fence = $2 and state = 'running' and worker_id = $3 for no key update`
	batch.Queue(lock, l.Run.ID, l.Fence, l.Worker).QueryRow(func(row pgx.Row) error {
		var id int64
		err := row.Scan(&id)
		if errors.Is(err, pgx.ErrNoRows) {
			return ErrFenced
		}
		return err
	})
}

// SetProgress records how many epochs of the run are completed, for people that
// watch it.
func (s *Store) SetProgress(ctx context.Context, l Lease, epoch int) error {
	tag, err := s.pool.Exec(ctx, `update run set epoch = $4 where run_id = $1 and fence = $2 and state = 'running' and worker_id = $3`,
		l.Run.ID, l.Fence, l.Worker, epoch)
	if err == nil && tag.RowsAffected() == 0 {
		err = ErrFenced
	}
	if err != nil {
		return fmt.Errorf("record progress of run %d: %w", l.Run.ID, err)
	}
	return nil
}
