package tracker

import (
	"context"
	"fmt"
	"math"
	"time"

	"github.com/jackc/pgx/v5"
)

// StepValue is one value of a curve.
type StepValue struct {
	Step  int
	Value float64
}

// MetricHistory reads the curve of one metric of each run, by ascending step.
func (r Reader) MetricHistory(ctx context.Context, m Metric, runIDs ...int64) (map[int64][]StepValue, error) {
	const query = `select p.run_id, p.step, p.v[k.idx]
		from metric m join keyset_member k using (metric_id) join point p using (keyset_id)
		where m.name = $1 and m.split = $2 and m.grp = $3 and m.lvl = $4 and p.run_id = any($5) order by p.run_id, p.step`
	rows, err := r.db.Query(ctx, query, m.Name, m.Split, m.Group, m.Level, runIDs)
	if err != nil {
		return nil, fmt.Errorf("read history of %s: %w", m, err)
	}
	defer rows.Close()
	out := map[int64][]StepValue{}
	for rows.Next() {
		var id int64
		var v StepValue
		if err := rows.Scan(&id, &v.Step, &v.Value); err != nil {
			return nil, fmt.Errorf("read history of %s: %w", m, err)
		}
		out[id] = append(out[id], v)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read history of %s: %w", m, err)
	}
	return out, nil
}

// Summary is a curve in brief. Min and Max leave NaN out and are NaN if nothing
// else was recorded.
type Summary struct {
	N        int
	LastStep int
	Last     float64
	Min, Max float64
}

// Summary reads the summaries of all curves of a run.
func (r Reader) Summary(ctx context.Context, runID int64) (map[Metric]Summary, error) {
	const query = `select m.name, m.split, m.grp, m.lvl, z.n, z.last_step, z.last, z.min, z.max
		from summary z join metric m using (metric_id) where z.run_id = $1`
	rows, err := r.db.Query(ctx, query, runID)
	if err != nil {
		return nil, fmt.Errorf("read summary of run %d: %w", runID, err)
	}
	defer rows.Close()
	out := map[Metric]Summary{}
	for rows.Next() {
		var m Metric
		var z Summary
		var last, low, high *float64
		if err := rows.Scan(&m.Name, &m.Split, &m.Group, &m.Level, &z.N, &z.LastStep, &last, &low, &high); err != nil {
			return nil, fmt.Errorf("read summary of run %d: %w", runID, err)
		}
		z.Last, z.Min, z.Max = orNaN(last), orNaN(low), orNaN(high)
		out[m] = z
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read summary of run %d: %w", runID, err)
	}
	return out, nil
}

// Results reads the final metrics of the runs that f selects and that are done:
// run ID -> metric -> value. With no metrics named it reads all of them.
func (r Reader) Results(ctx context.Context, f RunFilter, metrics ...Metric) (map[int64]map[Metric]float64, error) {
	where, args := f.where()
	names, splits := make([]string, len(metrics)), make([]string, len(metrics))
	groups, levels := make([]string, len(metrics)), make([]string, len(metrics))
	for i, m := range metrics {
		names[i], splits[i], groups[i], levels[i] = m.Name, m.Split, m.Group, m.Level
	}
	query := `select z.run_id, m.name, m.split, m.grp, m.lvl, z.value
		from result z join run r using (run_id) join metric m using (metric_id)
		where r.state = 'done' and ` + where
	if len(metrics) > 0 {
		n := len(args)
		query += fmt.Sprintf(` and (m.name, m.split, m.grp, m.lvl) in (select * from unnest($%d::text[], $%d::text[], $%d::text[], $%d::text[]))`, n+1, n+2, n+3, n+4)
		args = append(args, names, splits, groups, levels)
	}
	rows, err := r.db.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	defer rows.Close()
	out := map[int64]map[Metric]float64{}
	for rows.Next() {
		var id int64
		var m Metric
		var v float64
		if err := rows.Scan(&id, &m.Name, &m.Split, &m.Group, &m.Level, &v); err != nil {
			return nil, fmt.Errorf("read results: %w", err)
		}
		if out[id] == nil {
			out[id] = map[Metric]float64{}
		}
		out[id][m] = v
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read results: %w", err)
	}
	return out, nil
}

// Diagnostics reads the diagnostics of a run, by name.
func (r Reader) Diagnostics(ctx context.Context, runID int64) ([]Diagnostic, error) {
	const query = `select name, coalesce(estimate, 'NaN'), coalesce(lo, 'NaN'), coalesce(hi, 'NaN'), coalesce(p, 'NaN'), verdict, detail
		from diagnostic where run_id = $1 order by name`
	rows, err := r.db.Query(ctx, query, runID)
	if err != nil {
		return nil, fmt.Errorf("read diagnostics of run %d: %w", runID, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Diagnostic])
	if err != nil {
		return nil, fmt.Errorf("read diagnostics of run %d: %w", runID, err)
	}
	return out, nil
}

// Event is a change of a run's state. Slices of one attempt make none.
type Event struct {
	ID      int64
	RunID   int64
	At      time.Time
	Attempt int
	Old     State // "" when the run was planned
	New     State
	Note    string // error code or reason
}

// Events lists the events after a given one of the runs that f selects, the
// oldest first, at most limit (0 = all).
func (r Reader) Events(ctx context.Context, f RunFilter, after int64, limit int) ([]Event, error) {
	where, args := f.where()
	query := fmt.Sprintf(`select e.event_id, e.run_id, e.at, e.attempt, coalesce(e.old::text, ''), e.new::text, e.note
		from run_event e join run r using (run_id)
		where e.event_id > $%d and %s order by e.event_id limit nullif($%d::int, 0)`, len(args)+1, where, len(args)+2)
	rows, err := r.db.Query(ctx, query, append(args, after, limit)...)
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Event])
	if err != nil {
		return nil, fmt.Errorf("list events: %w", err)
	}
	return out, nil
}

func orNaN(v *float64) float64 {
	if v == nil {
		return math.NaN()
	}
	return *v
}

// Curves reads all curves of a run, each by ascending step.
func (r Reader) Curves(ctx context.Context, runID int64) (map[Metric][]StepValue, error) {
	const query = `select metric, split, grp, lvl, step, value from points where run_id = $1 order by step`
	rows, err := r.db.Query(ctx, query, runID)
	if err != nil {
		return nil, fmt.Errorf("read curves of run %d: %w", runID, err)
	}
	out := map[Metric][]StepValue{}
	var m Metric
	var v StepValue
	if _, err := pgx.ForEachRow(rows, []any{&m.Name, &m.Split, &m.Group, &m.Level, &v.Step, &v.Value}, func() error {
		out[m] = append(out[m], v)
		return nil
	}); err != nil {
		return nil, fmt.Errorf("read curves of run %d: %w", runID, err)
	}
	return out, nil
}
