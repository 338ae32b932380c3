package tracker

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/jackc/pgx/v5"
)

// liveWorker is the condition that the worker named by the column has been heard of
// within its lease and holds its advisory lock in this database.
const liveWorker = `exists (select from worker heard where heard.worker_id = %[2]s and heard.alive_until > now())
	and exists (select from pg_locks l where l.locktype = 'advisory' and l.classid = %[1]d and l.objid = %[2]s::oid
	and l.objsubid = 2 and l.granted and l.database = (select oid from pg_database where datname = current_database()))`

// LostRuns lists the running runs whose worker is dead.
func (r Reader) LostRuns(ctx context.Context) ([]Run, error) {
	rows, err := r.db.Query(ctx, `select `+runColumns+` from run r join dataset d using (dataset_id)
		where r.state = 'running' and not (`+fmt.Sprintf(liveWorker, lockClass, "r.worker_id")+`) order by r.run_id`)
	if err != nil {
		return nil, fmt.Errorf("find lost runs: %w", err)
	}
	runs, err := pgx.CollectRows(rows, scanRun)
	if err != nil {
		return nil, fmt.Errorf("find lost runs: %w", err)
	}
	return runs, nil
}

// Reap takes the runs away from dead workers. A run with an attempt left waits
// again (or is paused with its sweep), from its last checkpoint; one without is
// lost, and one that is no longer wanted is cancelled. All of them are answered
// with their new state; the caller enqueues a job for each that is Queued, in
// the same transaction. Runs of live workers are never touched.
func (s *Store) Reap(ctx context.Context, tx pgx.Tx) ([]Run, error) {
	fail := func(err error) ([]Run, error) { return nil, fmt.Errorf("reap lost runs: %w", err) }
	lost, err := s.In(tx).LostRuns(ctx)
	if err != nil || len(lost) == 0 {
		return nil, err
	}
	ids, fences, sweeps := make([]int64, len(lost)), make([]int64, len(lost)), make([]int64, len(lost))
	for i, r := range lost {
		ids[i], fences[i], sweeps[i] = r.ID, r.Fence, r.SweepID
	}
	slices.Sort(sweeps)
	for _, id := range slices.Compact(sweeps) {
		if err := lockSweep(ctx, tx, id); err != nil && !errors.Is(err, ErrNotFound) {
			return fail(err)
		}
	}
	if _, err := tx.Exec(ctx, `select from run where run_id = any($1) order by run_id for no key update`, ids); err != nil {
		return fail(err)
	}
	// The fence says whether the run is still the one that was found lost.
	const take = `update run r set fence = r.fence + 1, worker_id = null,
			error_code = 'lost', error_message = 'worker ' || x.worker || ' died in epoch ' || r.epoch,
			attempt = r.attempt + case when x.again then 1 else 0 end,
			ended_at = case when x.again then null else now() end,
			state = case when not x.wanted then 'cancelled' when not x.again then 'lost'
			             when x.paused then 'paused' else 'queued' end::run_state
		from (select r.run_id, w.name || ' on ' || w.host as worker,
		             r.planned and s.cancelled_at is null as wanted, s.paused_at is not null as paused,
		             r.attempt < r.max_attempts and r.planned and s.cancelled_at is null as again
		        from unnest($1::bigint[], $2::bigint[]) u(run_id, fence)
		        join run r using (run_id, fence) join sweep s using (sweep_id) join worker w using (worker_id)
		       where r.state = 'running') x
		where r.run_id = x.run_id returning r.run_id`
	rows, err := tx.Query(ctx, take, ids, fences)
	if err != nil {
		return fail(err)
	}
	taken, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return fail(err)
	}
	return s.In(tx).Runs(ctx, RunFilter{IDs: taken})
}

// WorkerStatus is a worker and whether its process lives.
type WorkerStatus struct {
	ID    int32
	Name  string
	Host  string
	PID   int
	Alive bool
	Runs  []int64 // that it is training

	Labels map[string]string
	Memory int64  // bytes it may use; 0 is not known
	Cores  int    // 0 is not known
	Lacks  []Lack // what it cannot train, and why
}

// Workers lists the workers that live or hold a run.
func (r Reader) Workers(ctx context.Context) ([]WorkerStatus, error) {
	query := `select * from (
		select w.worker_id, w.name, w.host, w.pid, ` + fmt.Sprintf(liveWorker, lockClass, "w.worker_id") + ` as alive,
		       array(select run_id from run where worker_id = w.worker_id and state = 'running' order by run_id) as runs,
		       w.labels, w.memory, w.cores, w.lacks
		  from worker w) x where alive or cardinality(runs) > 0 order by worker_id`
	rows, err := r.db.Query(ctx, query)
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	workers, err := pgx.CollectRows(rows, pgx.RowToStructByPos[WorkerStatus])
	if err != nil {
		return nil, fmt.Errorf("list workers: %w", err)
	}
	return workers, nil
}
