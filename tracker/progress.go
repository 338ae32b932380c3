package tracker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Progress is what the last look at a sweep's plan found. It is kept so that a
// reader need not go through the plan, and says nothing that the plan and the
// runs do not.
type Progress struct {
	Revision int // of the sweep
	Ended    int // planned runs that had ended
	Expected int // runs of the whole sweep, as far as that was known
	// Complete says that the plan wants no run beyond those that there were.
	Complete bool
	Detail   json.RawMessage // what else the caller wants to find again: a JSON object
}

// Progress reads what KeepProgress stored; ErrNotFound if that was never called.
func (r Reader) Progress(ctx context.Context, sweepID int64) (Progress, error) {
	var p Progress
	const query = `select revision, ended, expected, complete, detail from progress where sweep_id = $1`
	err := r.db.QueryRow(ctx, query, sweepID).Scan(&p.Revision, &p.Ended, &p.Expected, &p.Complete, &p.Detail)
	if errors.Is(err, pgx.ErrNoRows) {
		err = ErrNotFound
	}
	if err != nil {
		return Progress{}, fmt.Errorf("read progress of sweep %d: %w", sweepID, err)
	}
	return p, nil
}

// KeepProgress stores how far a sweep has come. The transaction must hold the
// sweep's lock.
func (s *Store) KeepProgress(ctx context.Context, tx pgx.Tx, sweepID int64, p Progress) error {
	const keep = `insert into progress (sweep_id, revision, ended, expected, complete, detail) values ($1, $2, $3, $4, $5, $6)
		on conflict (sweep_id) do update set revision = excluded.revision, ended = excluded.ended, expected = excluded.expected,
			complete = excluded.complete, detail = excluded.detail`
	if _, err := tx.Exec(ctx, keep, sweepID, p.Revision, p.Ended, p.Expected, p.Complete, p.Detail); err != nil {
		return fmt.Errorf("store progress of sweep %d: %w", sweepID, err)
	}
	return nil
}
