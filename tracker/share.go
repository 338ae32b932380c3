package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Priorities of sweeps: a sweep of priority 20 gets twice as many slices as one of
// 10 while both wait.
const (
	PriorityDefault = 10
	PriorityLast    = 100
)

// arrears is how much a sweep that was idle may have fallen behind the others: the
// most that one slice counts.
const arrears = 1.0

// Share is what a sweep with waiting runs has had so far. The one with the lowest
// Pass is next (stride scheduling, Waldspurger and Weihl 1995).
type Share struct {
	SweepID  int64
	Priority int
	Pass     float64
}

// waitingSweeps are the sweeps of which a run waits and may begin.
const waitingSweeps = `select s.sweep_id, coalesce(h.priority, 10), coalesce(h.pass, 0)
	from sweep s left join sweep_share h using (sweep_id)
	where s.paused_at is null and s.cancelled_at is null and exists (select from run r where r.sweep_id = s.sweep_id and r.state = 'queued' and r.planned)`

// Shares lists the sweeps of which a run waits, the one that is next first.
func (r Reader) Shares(ctx context.Context) ([]Share, error) {
	rows, err := r.db.Query(ctx, waitingSweeps+` order by coalesce(h.pass, 0), s.sweep_id`)
	if err != nil {
		return nil, fmt.Errorf("read shares: %w", err)
	}
	shares, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Share])
	if err != nil {
		return nil, fmt.Errorf("read shares: %w", err)
	}
	return shares, nil
}

// Yields reports whether a run of another sweep waits that has had less.
func (r Reader) Yields(ctx context.Context, sweepID int64) (bool, error) {
	var yields bool
	err := r.db.QueryRow(ctx, `select exists (select from (`+waitingSweeps+`) x (sweep_id, priority, pass)
		where x.sweep_id <> $1 and x.pass < coalesce((select pass from sweep_share where sweep_id = $1), 0))`, sweepID).Scan(&yields)
	if err != nil {
		return false, fmt.Errorf("compare the share of sweep %d: %w", sweepID, err)
	}
	return yields, nil
}

// charge counts a slice that begins. A sweep that was idle does not make up for it:
// it is brought to what the others that wait have had, less arrears.
func charge(ctx context.Context, tx pgx.Tx, sweepID int64) error {
	const count = `insert into sweep_share (sweep_id, pass)
		values ($1, greatest(0, (select min(pass) from (` + waitingSweeps + `) x (sweep_id, priority, pass) where x.sweep_id <> $1) - $2) + 1.0 / 10)
		on conflict (sweep_id) do update set pass = greatest(sweep_share.pass, excluded.pass - 1.0 / 10) + 1.0 / sweep_share.priority`
	_, err := tx.Exec(ctx, count, sweepID, arrears)
	return err
}

// SetPriority changes how much a sweep gets of the workers, 1 to PriorityLast.
func (s *Store) SetPriority(ctx context.Context, tx pgx.Tx, sweepID int64, priority int) error {
	if priority < 1 || priority > PriorityLast {
		return fmt.Errorf("priority %d: it must lie between 1 and %d", priority, PriorityLast)
	}
	const set = `insert into sweep_share (sweep_id, priority) values ($1, $2) on conflict (sweep_id) do update set priority = excluded.priority`
	if _, err := tx.Exec(ctx, set, sweepID, priority); err != nil {
		return fmt.Errorf("set priority of sweep %d: %w", sweepID, err)
	}
	return nil
}
