package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Failure says why an attempt ended.
type Failure struct {
	Code    string // append-only list of the caller; lost is the tracker's own
	Message string
	Log     string // last lines of the log
	Requeue bool   // try again if attempts are left
}

// Fail ends the lease of a run whose attempt failed. With Requeue and an attempt
// left the run waits again, from its last checkpoint; else it has failed.
func (s *Store) Fail(ctx context.Context, tx pgx.Tx, l Lease, f Failure) (Next, error) {
	if err := l.hold(ctx, tx, true); err != nil {
		return Next{}, fmt.Errorf("fail run %d: %w", l.Run.ID, err)
	}
	const end = `update run r set fence = fence + 1, worker_id = null,
			error_code = $2, error_message = $3, error_log = $4,
			attempt = attempt + case when again then 1 else 0 end,
			ended_at = case when again then null else now() end,
			state = case when not again then 'failed' when s.paused_at is not null then 'paused' else 'queued' end::run_state
		from (select s.paused_at, r.run_id, $5 and r.attempt < r.max_attempts and r.planned and s.cancelled_at is null as again
		        from run r join sweep s using (sweep_id) where r.run_id = $1) s
		where r.run_id = s.run_id returning r.state::text, r.fence`
	var next Next
	err := tx.QueryRow(ctx, end, l.Run.ID, clean(f.Code), clean(f.Message), clean(f.Log), f.Requeue).Scan(&next.State, &next.Fence)
	if err != nil {
		return Next{}, fmt.Errorf("fail run %d: %w", l.Run.ID, err)
	}
	return next, nil
}
