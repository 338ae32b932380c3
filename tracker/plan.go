package tracker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"
)

// PlannedRun is a run that a sweep wants.
type PlannedRun struct {
	Hash         []byte // SHA-256 of the canonical run spec; its identity within the sweep
	Dataset      string
	DatasetHash  string // of the dataset's content, not empty
	Backbone     string
	BackboneHash string
	Variant      string
	Strategy     string
	StrategyHash string
	Phase        Phase
	Trial        int
	Replicate    *int // needed in the replicate phase, nil in the search phase
	SplitSeed    int64
	InitSeed     int64
	Spec         json.RawMessage
	Priority     int // 1 (first) to 4; 0 = 2
	MaxAttempts  int // 0 = 1
	Epochs       int
	Until        int // epoch at which the run waits for its search method; 0: it trains to its end
}

// PlanRuns makes the runs of a sweep that do not exist yet and answers those
// that now wait for a worker because of this call, by ascending ID: the new
// ones, and those that an earlier plan had dropped. The caller enqueues a job
// for each in the same transaction. In a paused sweep new runs are paused and
// nothing is answered.
//
// With full the list is the whole plan: runs outside it lose Planned, and are
// cancelled if they were waiting. A running one ends with its slice.
//
// The same call again changes nothing and answers nothing.
func (s *Store) PlanRuns(ctx context.Context, tx pgx.Tx, sweepID int64, plan []PlannedRun, full bool) ([]Run, error) {
	fail := func(err error) ([]Run, error) { return nil, fmt.Errorf("plan runs of sweep %d: %w", sweepID, err) }
	var paused, cancelled bool
	first := &pgx.Batch{}
	queueLockSweep(first, sweepID)
	first.Queue(`select paused_at is not null, cancelled_at is not null from sweep where sweep_id = $1`, sweepID).
		QueryRow(func(row pgx.Row) error { return row.Scan(&paused, &cancelled) })
	if err := tx.SendBatch(ctx, first).Close(); err != nil {
		return fail(err)
	}
	if cancelled {
		return nil, nil
	}
	state := Queued
	if paused {
		state = Paused
	}
	plan = slices.Clone(plan)
	slices.SortStableFunc(plan, func(a, b PlannedRun) int { return bytes.Compare(a.Hash, b.Hash) })
	datasets, err := datasetIDs(ctx, tx, plan)
	if err != nil {
		return fail(err)
	}

	hashes := make([][]byte, len(plan))
	for i, p := range plan {
		hashes[i] = p.Hash
	}
	existing, err := existingRuns(ctx, tx, sweepID, hashes)
	if err != nil {
		return fail(err)
	}
	batch := &pgx.Batch{}
	const insert = `insert into run (run_id, sweep_id, run_hash, dataset_id, backbone, backbone_hash, variant, strategy, strategy_hash,
			phase, trial, replicate, split_seed, init_seed, spec, priority, max_attempts, epochs, state, until)
		values ($20, $1, $2, $3, $4, $5, $6, $7, $8, $9::text::run_phase, $10, $11, $12, $13, $14, $15, $16, $17, $18::text::run_state, $19)`
	missing := slices.DeleteFunc(plan, func(p PlannedRun) bool {
		known := existing[string(p.Hash)]
		existing[string(p.Hash)] = true
		return known
	})
	fresh, err := reserveRuns(ctx, tx, sweepID, len(missing))
	if err != nil {
		return fail(err)
	}
	for i, p := range missing {
		if p.Spec == nil {
			p.Spec = json.RawMessage("{}")
		}
		batch.Queue(insert, sweepID, p.Hash, datasets[p.DatasetHash], p.Backbone, p.BackboneHash, p.Variant, p.Strategy, p.StrategyHash,
			string(p.Phase), p.Trial, p.Replicate, p.SplitSeed, p.InitSeed, p.Spec, orDefault(p.Priority, 2), orDefault(p.MaxAttempts, 1), p.Epochs, string(state), p.Until, fresh[i])
	}
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return fail(err)
	}

	// A dropped run that is still running keeps its lease, and one that had ended
	// otherwise keeps its end.
	const revive = `update run set planned = true,
			fence = fence + case when state = 'cancelled' then 1 else 0 end,
			ended_at = case when state = 'cancelled' then null else ended_at end,
			state = case when state = 'cancelled' then $3::text::run_state else state end
		where sweep_id = $1 and run_hash = any($2) and not planned returning run_id, state::text`
	rows, err := tx.Query(ctx, `with u as (`+revive+`) select run_id from u where state = 'queued'`, sweepID, hashes, string(state))
	if err != nil {
		return fail(err)
	}
	revived, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fail(err)
	}
	if full {
		const drop = `update run set planned = false,
				fence = fence + case when state in ('queued', 'paused') then 1 else 0 end,
				ended_at = case when state in ('queued', 'paused') then now() else ended_at end,
				state = case when state in ('queued', 'paused') then 'cancelled' else state end
			where sweep_id = $1 and planned and not run_hash = any($2)`
		if _, err := tx.Exec(ctx, drop, sweepID, hashes); err != nil {
			return fail(err)
		}
	}
	waiting := slices.Concat(fresh, revived)
	if paused || len(waiting) == 0 {
		return nil, nil
	}
	return s.In(tx).Runs(ctx, RunFilter{IDs: waiting, States: []State{Queued}})
}

// reserveRuns takes run numbers for a sweep.
func reserveRuns(ctx context.Context, tx pgx.Tx, sweepID int64, n int) ([]int64, error) {
	if n == 0 {
		return nil, nil
	}
	var ids []int64
	err := tx.QueryRow(ctx, `select reserve_runs($1, $2)`, sweepID, n).Scan(&ids)
	return ids, err
}

// existingRuns answers which of the hashes the sweep has a run for.
func existingRuns(ctx context.Context, tx pgx.Tx, sweepID int64, hashes [][]byte) (map[string]bool, error) {
	rows, err := tx.Query(ctx, `select run_hash from run where sweep_id = $1 and run_hash = any($2)`, sweepID, hashes)
	if err != nil {
		return nil, err
	}
	found, err := pgx.CollectRows(rows, pgx.RowTo[[]byte])
	if err != nil {
		return nil, err
	}
	existing := make(map[string]bool, len(found))
	for _, hash := range found {
		existing[string(hash)] = true
	}
	return existing, nil
}

// datasetIDs answers the number of each dataset hash in the plan.
func datasetIDs(ctx context.Context, tx pgx.Tx, plan []PlannedRun) (map[string]int32, error) {
	names := map[string]string{}
	var hashes []string
	for _, p := range plan {
		if p.DatasetHash == "" {
			return nil, fmt.Errorf("dataset %q has no hash", p.Dataset)
		}
		if _, ok := names[p.DatasetHash]; !ok {
			names[p.DatasetHash] = p.Dataset
			hashes = append(hashes, p.DatasetHash)
		}
	}
	slices.SortFunc(hashes, strings.Compare)
	ids := map[string]int32{}
	for _, h := range hashes {
		id, err := datasetID(ctx, tx, names[h], h)
		if err != nil {
			return nil, err
		}
		ids[h] = id
	}
	return ids, nil
}

func orDefault(v, def int) int {
	if v == 0 {
		return def
	}
	return v
}
