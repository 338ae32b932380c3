package tracker

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
)

// SearchKey names the search of one cell of a sweep.
type SearchKey struct{ Dataset, Backbone, Variant string }

// SearchState is how far the search of a cell has come.
type SearchState struct {
	Snapshot  json.RawMessage // of the search machine
	Decisions int             // number of the newest decision in it
	Further   []Decision      // those after it
}

// Decision is an event that a search was told and what it wanted done.
type Decision struct {
	Event, Actions json.RawMessage
}

// Searches reads the searches of a sweep that have begun.
func (r Reader) Searches(ctx context.Context, sweepID int64) (map[SearchKey]SearchState, error) {
	rows, err := r.db.Query(ctx, `select dataset, backbone, variant, snapshot, decisions from search where sweep_id = $1`, sweepID)
	if err != nil {
		return nil, fmt.Errorf("read searches of sweep %d: %w", sweepID, err)
	}
	defer rows.Close()
	out := map[SearchKey]SearchState{}
	for rows.Next() {
		var key SearchKey
		var state SearchState
		if err := rows.Scan(&key.Dataset, &key.Backbone, &key.Variant, &state.Snapshot, &state.Decisions); err != nil {
			return nil, fmt.Errorf("read searches of sweep %d: %w", sweepID, err)
		}
		out[key] = state
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read searches of sweep %d: %w", sweepID, err)
	}
	for key, state := range out {
		if state.Further, err = r.DecisionsAfter(ctx, sweepID, key, state.Decisions); err != nil {
			return nil, err
		}
		out[key] = state
	}
	return out, nil
}

// Decisions reads the log of the search of a cell, in order.
func (r Reader) Decisions(ctx context.Context, sweepID int64, key SearchKey) ([]Decision, error) {
	return r.DecisionsAfter(ctx, sweepID, key, 0)
}

// DecisionsAfter reads the log of the search of a cell after a number, in order.
func (r Reader) DecisionsAfter(ctx context.Context, sweepID int64, key SearchKey, number int) ([]Decision, error) {
	const query = `select event, actions from decision where sweep_id = $1 and dataset = $2 and backbone = $3 and variant = $4 and number > $5 order by number`
	rows, err := r.db.Query(ctx, query, sweepID, key.Dataset, key.Backbone, key.Variant, number)
	if err != nil {
		return nil, fmt.Errorf("read decisions of sweep %d: %w", sweepID, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Decision])
	if err != nil {
		return nil, fmt.Errorf("read decisions of sweep %d: %w", sweepID, err)
	}
	return out, nil
}

// KeepSearch stores the state of a search after further decisions, which get the
// numbers up to state.Decisions. Without a snapshot the one that is stored stays,
// and the decisions are Further to it. With fresh the search began anew: what was
// decided before is forgotten. The transaction must hold the sweep's lock.
func (s *Store) KeepSearch(ctx context.Context, tx pgx.Tx, sweepID int64, key SearchKey, state SearchState, further []Decision, fresh bool) error {
	fail := func(err error) error { return fmt.Errorf("store search of sweep %d: %w", sweepID, err) }
	const where = ` where sweep_id = $1 and dataset = $2 and backbone = $3 and variant = $4`
	if fresh {
		if _, err := tx.Exec(ctx, `delete from search`+where, sweepID, key.Dataset, key.Backbone, key.Variant); err != nil {
			return fail(err)
		}
	}
	const keep = `insert into search (sweep_id, dataset, backbone, variant, decisions, snapshot) values ($1, $2, $3, $4, $5, $6)
		on conflict (sweep_id, dataset, backbone, variant) do update
		set decisions = excluded.decisions, snapshot = excluded.snapshot, updated_at = now()`
	if state.Snapshot != nil {
		if _, err := tx.Exec(ctx, keep, sweepID, key.Dataset, key.Backbone, key.Variant, state.Decisions, state.Snapshot); err != nil {
			return fail(err)
		}
	}
	if len(further) == 0 {
		return nil
	}
	events, actions := make([]string, len(further)), make([]string, len(further))
	for i, d := range further {
		events[i], actions[i] = string(d.Event), string(d.Actions)
	}
	const log = `insert into decision (sweep_id, dataset, backbone, variant, number, event, actions)
		select $1, $2, $3, $4, $5 + u.n, u.event::jsonb, u.actions::jsonb from unnest($6::text[], $7::text[]) with ordinality u(event, actions, n)`
	_, err := tx.Exec(ctx, log, sweepID, key.Dataset, key.Backbone, key.Variant, state.Decisions-len(further), events, actions)
	if err != nil {
		return fail(err)
	}
	return nil
}

// ContinueRuns lets held runs of a sweep train on, each until its epoch, and
// answers those that now wait for a worker. In a paused sweep they go on when the
// sweep does.
func (s *Store) ContinueRuns(ctx context.Context, tx pgx.Tx, sweepID int64, until map[int64]int) ([]Run, error) {
	ids, epochs := make([]int64, 0, len(until)), make([]int32, 0, len(until))
	for id, epoch := range until {
		ids, epochs = append(ids, id), append(epochs, int32(epoch))
	}
	const set = `update run r set until = u.until from unnest($2::bigint[], $3::int[]) u(run_id, until)
		where r.sweep_id = $1 and r.run_id = u.run_id`
	if _, err := tx.Exec(ctx, set, sweepID, ids, epochs); err != nil {
		return nil, fmt.Errorf("continue runs of sweep %d: %w", sweepID, err)
	}
	return s.ResumeRuns(ctx, tx, sweepID, ids)
}

// PruneRuns ends runs of a sweep that its search method gives up. Their
// checkpoints are deleted; their curves stay. Runs that have ended stay as they are.
func (s *Store) PruneRuns(ctx context.Context, tx pgx.Tx, sweepID int64, ids []int64, reason string) error {
	const prune = `with p as (update run set state = 'pruned', held = false, fence = fence + 1, worker_id = null, ended_at = now(), stop_reason = $3
			where sweep_id = $1 and run_id = any($2) and state in ('queued', 'running', 'paused') returning run_id)
		delete from checkpoint c using p where c.run_id = p.run_id`
	if _, err := tx.Exec(ctx, prune, sweepID, ids, reason); err != nil {
		return fmt.Errorf("prune runs of sweep %d: %w", sweepID, err)
	}
	return nil
}

// Spent is what a sweep has taken so far.
type Spent struct {
	Busy  time.Duration // of workers on its slices, those in progress included
	Ended int           // runs that are done, failed, lost or pruned
	Open  int           // planned runs that have not ended
}

// Spent adds up what a sweep has taken.
func (r Reader) Spent(ctx context.Context, sweepID int64) (Spent, error) {
	const query = `select coalesce(sum(extract(epoch from busy + coalesce(clock_timestamp() - leased_at, '0'))), 0)::float8,
			count(*) filter (where state in ('done', 'failed', 'lost', 'pruned')),
			count(*) filter (where planned and state in ('queued', 'running', 'paused'))
		from run where sweep_id = $1`
	var s Spent
	var seconds float64
	if err := r.db.QueryRow(ctx, query, sweepID).Scan(&seconds, &s.Ended, &s.Open); err != nil {
		return Spent{}, fmt.Errorf("read what sweep %d has taken: %w", sweepID, err)
	}
	s.Busy = time.Duration(seconds * float64(time.Second))
	return s, nil
}
