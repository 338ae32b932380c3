package tracker

import (
	"context"
	"crypto/sha256"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Slice is a bounded stretch of a run that has been trained.
type Slice struct {
	Epoch      int    // completed epochs of the run
	Checkpoint []byte // all that is needed to go on from here
	Points     []Point
	Memory     Memory // peak of the slice
	Hold       bool   // wait, paused, for a decision; see ResumeRuns
}

// Next says how a run goes on after its lease has ended.
type Next struct {
	State State
	Fence int64 // of the next job, if the run is queued
}

// Enqueue says whether the caller enqueues a job for the run's next slice, in
// the transaction that ended the last one.
func (n Next) Enqueue() bool { return n.State == Queued }

// CommitSlice stores a checkpoint and ends the lease. The run waits for its next
// slice, or is paused or cancelled if that was asked for in the meantime.
func (s *Store) CommitSlice(ctx context.Context, tx pgx.Tx, l Lease, slice Slice) (Next, error) {
	fail := func(err error) (Next, error) { return Next{}, fmt.Errorf("commit slice of run %d: %w", l.Run.ID, err) }
	if err := l.hold(ctx, tx, true); err != nil {
		return fail(err)
	}
	if err := s.writePoints(ctx, tx, l.Run.ID, slice.Points); err != nil {
		return fail(err)
	}
	if err := writeMemory(ctx, tx, l.Run.ID, slice.Memory); err != nil {
		return fail(err)
	}
	if slice.Checkpoint == nil {
		slice.Checkpoint = []byte{} // not null
	}
	hash := sha256.Sum256(slice.Checkpoint)
	const store = `insert into checkpoint (run_id, epoch, sha256, data) values ($1, $2, $3, $4)
		on conflict (run_id) do update set epoch = excluded.epoch, sha256 = excluded.sha256, data = excluded.data`
	if _, err := tx.Exec(ctx, store, l.Run.ID, slice.Epoch, hash[:], slice.Checkpoint); err != nil {
		return fail(err)
	}
	const end = `update run r set fence = fence + 1, worker_id = null, epoch = $2, held = $3,
			ended_at = case when planned and s.cancelled_at is null then null else now() end,
			state = case when not planned or s.cancelled_at is not null then 'cancelled'
			             when s.paused_at is not null or $3 then 'paused'
			             else 'queued' end::run_state
		from sweep s where s.sweep_id = r.sweep_id and r.run_id = $1 returning r.state::text, r.fence`
	var next Next
	if err := tx.QueryRow(ctx, end, l.Run.ID, slice.Epoch, slice.Hold).Scan(&next.State, &next.Fence); err != nil {
		return fail(err)
	}
	return next, nil
}
