package tracker

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Standing is what a plan needs to know of a run.
type Standing struct {
	ID      int64
	Hash    []byte
	State   State
	Planned bool
	Held    bool
	Epoch   int
	Until   int
	Value   float64 // of the metric asked for, if the run is done and of the search; else NaN
}

// Standings reads where the runs of a sweep stand of which something was recorded
// after an event, by ascending ID; after 0 all of them. It answers the event to
// ask after the next time. To miss nothing the transaction must hold the sweep's
// lock: whoever plans, ends or holds a run of it has held that, too. That a run
// goes on after a slice is not reported by itself.
func (r Reader) Standings(ctx context.Context, sweepID, after int64, m Metric) ([]Standing, int64, error) {
	fail := func(err error) ([]Standing, int64, error) {
		return nil, 0, fmt.Errorf("read standings of sweep %d: %w", sweepID, err)
	}
	// Read first, and so no later than the runs: what happens between the two is
	// read twice.
	last, ids := after, []int64{}
	if after == 0 {
		if err := r.db.QueryRow(ctx, `select coalesce(max(event_id), 0) from run_event`).Scan(&last); err != nil {
			return fail(err)
		}
	}
	for more := after > 0; more; {
		// By the page, so that PostgreSQL follows the index however few it expects.
		rows, err := r.db.Query(ctx, `select event_id, run_id from run_event where event_id > $1 order by event_id limit 1000`, last)
		if err != nil {
			return fail(err)
		}
		n := 0
		var id int64
		if _, err := pgx.ForEachRow(rows, []any{&last, &id}, func() error {
			n++
			ids = append(ids, id)
			return nil
		}); err != nil {
			return fail(err)
		}
		more = n == 1000
	}
	query := `select r.run_id, r.run_hash, r.state::text, r.planned, r.held, r.epoch, r.until,
			(select z.value from result z join metric m using (metric_id)
			  where z.run_id = r.run_id and r.state = 'done' and r.phase = 'search'
			    and m.name = $2 and m.split = $3 and m.grp = $4 and m.lvl = $5)
		from run r where r.sweep_id = $1`
	args := []any{sweepID, m.Name, m.Split, m.Group, m.Level}
	if after > 0 {
		if len(ids) == 0 {
			return nil, last, nil
		}
		slices.Sort(ids)
		query += ` and r.run_id = any($6)`
		args = append(args, slices.Compact(ids))
	}
	rows, err := r.db.Query(ctx, query+` order by r.run_id`, args...)
	if err != nil {
		return fail(err)
	}
	out, err := pgx.CollectRows(rows, func(row pgx.CollectableRow) (Standing, error) {
		var s Standing
		var value *float64
		err := row.Scan(&s.ID, &s.Hash, &s.State, &s.Planned, &s.Held, &s.Epoch, &s.Until, &value)
		s.Value = math.NaN()
		if value != nil {
			s.Value = *value
		}
		return s, err
	})
	if err != nil {
		return fail(err)
	}
	return out, last, nil
}

// Tally counts the planned runs of a sweep in a state and adds up their epochs.
type Tally struct {
	Runs, Epoch, Epochs int // Epoch: completed
}

// Tallies counts the planned runs of a sweep by state.
func (r Reader) Tallies(ctx context.Context, sweepID int64) (map[State]Tally, error) {
	const query = `select state::text, count(*), sum(epoch), sum(epochs) from run where sweep_id = $1 and planned group by state`
	rows, err := r.db.Query(ctx, query, sweepID)
	if err != nil {
		return nil, fmt.Errorf("count runs of sweep %d: %w", sweepID, err)
	}
	out := map[State]Tally{}
	var state State
	var t Tally
	if _, err := pgx.ForEachRow(rows, []any{&state, &t.Runs, &t.Epoch, &t.Epochs}, func() error {
		out[state] = t
		return nil
	}); err != nil {
		return nil, fmt.Errorf("count runs of sweep %d: %w", sweepID, err)
	}
	return out, nil
}
