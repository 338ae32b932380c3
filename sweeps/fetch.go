package sweeps

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
	"github.com/riverqueue/river/riverdriver"
	"github.com/riverqueue/river/riverdriver/riverpgxv5"

	"github.com/deconfound/deconfound/tracker"
)

// driver is River's, but for the choice of the next slice: River knows neither
// sweeps nor what a worker can train.
type driver struct {
	*riverpgxv5.Driver
	process *process
}

// GetExecutor implements riverdriver.Driver.
func (d driver) GetExecutor() riverdriver.Executor {
	return executor{d.Driver.GetExecutor(), d.process}
}

type executor struct {
	riverdriver.Executor
	process *process
}

// JobGetAvailable takes the next slices: of the sweep that has had least for its
// priority, and of those the ones that this process can train. Within a sweep the
// order is River's, and while one sweep waits and nothing is lacking, so is the
// query.
func (e executor) JobGetAvailable(ctx context.Context, params *riverdriver.JobGetAvailableParams) (*riverdriver.JobGetAvailableResult, error) {
	if params.Queue != queueSlices {
		return e.Executor.JobGetAvailable(ctx, params)
	}
	if e.process.holdsOff() {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	shares, err := e.process.store.Shares(ctx)
	if err != nil {
		return nil, err
	}
	lacking := e.process.lacking()
	if len(shares) <= 1 && len(lacking) == 0 {
		return e.Executor.JobGetAvailable(ctx, params)
	}
	var ids []int64
	for len(ids) < params.MaxToLock && len(shares) > 0 {
		next := 0
		for i, s := range shares {
			if s.Pass < shares[next].Pass {
				next = i
			}
		}
		id, err := e.process.take(ctx, params.ClientID, shares[next].SweepID, lacking)
		if err != nil {
			return nil, err
		}
		if id == 0 { // nothing that may begin now
			shares = append(shares[:next:next], shares[next+1:]...)
			continue
		}
		ids = append(ids, id)
		shares[next].Pass += 1 / float64(shares[next].Priority)
	}
	if len(ids) == 0 {
		return &riverdriver.JobGetAvailableResult{}, nil
	}
	jobs, err := e.Executor.JobGetByIDMany(ctx, &riverdriver.JobGetByIDManyParams{ID: ids, Schema: params.Schema})
	if err != nil {
		return nil, err
	}
	return &riverdriver.JobGetAvailableResult{Jobs: jobs}, nil
}

// takeSlice is River's JobGetAvailable for one job of one sweep. Whoever inserted a
// job with an older program did not say of which sweep it is.
const takeSlice = `with next as (
		select j.id from river_job j
		where j.state = 'available' and j.queue = $1 and j.scheduled_at <= now()
		  and coalesce((j.args->>'sweep')::bigint, (select r.sweep_id from run r where r.run_id = (j.args->>'run')::bigint)) = $2
		  and (cardinality($3::text[]) = 0 or not exists (select from run r join dataset d using (dataset_id)
		    where r.run_id = (j.args->>'run')::bigint and ` + tracker.NeedSQL + ` = any($3)))
		order by j.priority, j.scheduled_at, j.id limit 1 for update skip locked)
	update river_job j set state = 'running', attempt = j.attempt + 1, attempted_at = now(), attempted_by = array[$4::text]
	from next where j.id = next.id returning j.id`

// take marks the next job of a sweep as taken; 0 if there is none.
func (p *process) take(ctx context.Context, client string, sweepID int64, lacking []string) (id int64, err error) {
	rows, err := p.store.Pool().Query(ctx, takeSlice, queueSlices, sweepID, lacking, client)
	if err == nil {
		var ids []int64
		if ids, err = pgx.CollectRows(rows, pgx.RowTo[int64]); err == nil && len(ids) > 0 {
			id = ids[0]
		}
	}
	if err != nil {
		return 0, fmt.Errorf("take a slice of sweep %d: %w", sweepID, err)
	}
	return id, nil
}
