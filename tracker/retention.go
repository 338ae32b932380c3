package tracker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// Kept are the things of a sweep that a retention may remove some time after it has
// ended. No comparison needs them.
var Kept = []string{"points", "logs", "artifacts"}

// Retention says how long an owner keeps something.
type Retention struct {
	Owner string `json:"owner"`
	What  string `json:"what"`            // one of Kept
	Sweep string `json:"sweep,omitempty"` // "": every sweep of the owner that has no setting of its own
	Days  *int   `json:"days"`            // after the sweep has ended; null: for ever
}

// SetRetention stores how long the database user keeps something of a sweep, or, for
// a sweepID of 0, of every sweep of theirs that has no setting of its own. Days of nil
// mean for ever. ErrNotOwner for the sweep of somebody else.
func (s *Store) SetRetention(ctx context.Context, what string, sweepID int64, days *int) error {
	const set = `insert into retention (what, sweep_id, days) values ($1, nullif($2, 0), $3)
		on conflict (owner, what, sweep_id) do update set days = excluded.days`
	_, err := s.pool.Exec(ctx, set, what, sweepID, days)
	if insufficientPrivilege(err) {
		err = ErrNotOwner
	}
	if err != nil {
		return fmt.Errorf("set retention of %s: %w", what, err)
	}
	return nil
}

// DropRetention takes SetRetention back; it is no error if there was none.
func (s *Store) DropRetention(ctx context.Context, what string, sweepID int64) error {
	const drop = `delete from retention where owner = session_user and what = $1 and sweep_id is not distinct from nullif($2, 0)`
	if _, err := s.pool.Exec(ctx, drop, what, sweepID); err != nil {
		return fmt.Errorf("drop retention of %s: %w", what, err)
	}
	return nil
}

// Retentions lists the settings of everybody.
func (r Reader) Retentions(ctx context.Context) ([]Retention, error) {
	const query = `select t.owner, t.what, coalesce(s.name, ''), t.days from retention t left join sweep s using (sweep_id) order by 1, 3, 2`
	rows, err := r.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list retentions: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Retention])
	if err != nil {
		return nil, fmt.Errorf("list retentions: %w", err)
	}
	return out, nil
}

// Removal is what was removed of a sweep, all times together.
type Removal struct {
	Owner string    `json:"owner"`
	Sweep string    `json:"sweep"`
	What  string    `json:"what"` // one of Kept
	At    time.Time `json:"at"`   // the last time
	Bytes int64     `json:"bytes"`
}

// Removals lists what was removed, the newest first.
func (r Reader) Removals(ctx context.Context) ([]Removal, error) {
	const query = `select s.owner, s.name, x.what, x.at, x.bytes from removal x join sweep s using (sweep_id) order by x.at desc, 1, 2, 3`
	rows, err := r.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list removals: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Removal])
	if err != nil {
		return nil, fmt.Errorf("list removals: %w", err)
	}
	return out, nil
}

// Retain removes what the settings of all owners no longer keep, and answers the bytes
// of each of Kept. Contents of artifacts go with the next CollectGarbage. Points that
// somebody reads at this moment stay for the next call. Any number of processes may
// call it at once.
func (s *Store) Retain(ctx context.Context) (map[string]int64, error) {
	rows, err := s.pool.Query(ctx, `select sweep_id, what from retention_due()`)
	if err != nil {
		return nil, fmt.Errorf("find what is no longer kept: %w", err)
	}
	type due struct {
		Sweep int64
		What  string
	}
	list, err := pgx.CollectRows(rows, pgx.RowToStructByPos[due])
	if err != nil {
		return nil, fmt.Errorf("find what is no longer kept: %w", err)
	}
	freed := map[string]int64{}
	for _, d := range list {
		var bytes *int64
		err := s.InTx(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `set local lock_timeout = '`+blockLock+`'`); err != nil {
				return err
			}
			return tx.QueryRow(ctx, `select retain($1, $2)`, d.Sweep, d.What).Scan(&bytes)
		})
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "55P03" { // lock_not_available
			continue
		}
		if err != nil {
			return freed, fmt.Errorf("remove %s of sweep %d: %w", d.What, d.Sweep, err)
		}
		if bytes != nil {
			freed[d.What] += *bytes
		}
	}
	return freed, nil
}
