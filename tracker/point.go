package tracker

import (
	"cmp"
	"context"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Point holds the values of some metrics at one step of a run.
type Point struct {
	Step   int
	Values map[Metric]float64 // NaN and infinities are allowed
}

// AppendPoints stores points of a curve. A value that is stored already for
// (run, step, metric) stays and is counted once, however the points are grouped
// in this and other calls; so a batch can be sent again at will, and points that
// were flushed live can come again with CommitSlice.
func (s *Store) AppendPoints(ctx context.Context, l Lease, points []Point) error {
	if len(points) == 0 {
		return nil
	}
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		if err := l.hold(ctx, tx, false); err != nil {
			return err
		}
		return s.writePoints(ctx, tx, l.Run.ID, points)
	})
	if err != nil {
		return fmt.Errorf("append points of run %d: %w", l.Run.ID, err)
	}
	return nil
}

// writePoints stores points of a run whose row the transaction has locked.
func (s *Store) writePoints(ctx context.Context, tx pgx.Tx, runID int64, points []Point) error {
	if len(points) == 0 {
		return nil
	}
	steps := make([]int32, len(points))
	for i, p := range points {
		steps[i] = int32(p.Step)
	}
	known, err := storedMetrics(ctx, tx, runID, steps)
	if err != nil {
		return err
	}
	groups, err := s.grouped(ctx, points, known)
	if err != nil {
		return err
	}
	copies, err := s.copies(ctx, tx)
	if err != nil {
		return err
	}
	for _, g := range groups {
		keyset, err := s.dict.keysetID(ctx, g.metrics)
		if err != nil {
			return err
		}
		batch := &pgx.Batch{}
		if copies && len(g.steps) >= copyFrom {
			width := len(g.metrics)
			rows := pgx.CopyFromSlice(len(g.steps), func(i int) ([]any, error) {
				return []any{runID, g.steps[i], keyset, g.flat[i*width : (i+1)*width]}, nil
			})
			if _, err := tx.CopyFrom(ctx, pgx.Identifier{"point"}, []string{"run_id", "step", "keyset_id", "v"}, rows); err != nil {
				return err
			}
		} else {
			batch.Queue(insertPoints, runID, keyset, len(g.metrics), g.steps, g.flat)
		}
		batch.Queue(addSummary, runID, g.metrics, len(g.steps), g.lastStep, g.last, g.low, g.high)
		if err := tx.SendBatch(ctx, batch).Close(); err != nil {
			return err
		}
	}
	return nil
}

// copyFrom is the number of steps from which on COPY is faster than INSERT.
const copyFrom = 64

// copies says whether the store's user may COPY into point. PostgreSQL refuses it to
// whom the table's policies apply: all but its owner and superusers. What it answers
// first is kept.
func (s *Store) copies(ctx context.Context, tx pgx.Tx) (bool, error) {
	switch s.mayCopy.Load() {
	case copyAllowed:
		return true, nil
	case copyRefused:
		return false, nil
	}
	var secured bool
	if err := tx.QueryRow(ctx, `select row_security_active('point')`).Scan(&secured); err != nil {
		return false, err
	}
	if secured {
		s.mayCopy.Store(copyRefused)
	} else {
		s.mayCopy.Store(copyAllowed)
	}
	return !secured, nil
}

// What Store.mayCopy holds; 0 is not known.
const (
	copyAllowed = 1
	copyRefused = 2
)

const (
	insertPoints = `insert into point (run_id, step, keyset_id, v)
		select $1, s.step, $2, ($5::float8[])[(s.i - 1) * $3::int + 1 : s.i * $3::int] from unnest($4::int[]) with ordinality s(step, i)`
	addSummary = `insert into summary as z (run_id, metric_id, n, last_step, last, min, max)
		select $1, u.metric_id, $3, $4, u.last, nullif(u.low, 'NaN'), nullif(u.high, 'NaN')
		  from unnest($2::int[], $5::float8[], $6::float8[], $7::float8[]) u(metric_id, last, low, high) order by u.metric_id
		on conflict (run_id, metric_id) do update
		set n = z.n + excluded.n,
		    last_step = greatest(z.last_step, excluded.last_step),
		    last = case when excluded.last_step >= z.last_step then excluded.last else z.last end,
		    min = least(z.min, excluded.min),
		    max = greatest(z.max, excluded.max)`
)

// group holds the values of the same metrics at some steps, and their summary.
type group struct {
	metrics   []int32        // ascending
	column    map[Metric]int // place in metrics
	steps     []int32
	flat      []float64 // len(metrics) values per step
	lastStep  int32
	last      []float64 // at lastStep
	low, high []float64 // NaN if every value is
}

// fits appends the values if their metrics are those of the group.
func (g *group) fits(step int32, values map[Metric]float64) bool {
	if len(values) != len(g.metrics) {
		return false
	}
	start := len(g.flat)
	g.flat = slices.Grow(g.flat, len(values))[:start+len(values)]
	for m, v := range values {
		c, ok := g.column[m]
		if !ok {
			g.flat = g.flat[:start]
			return false
		}
		g.flat[start+c] = v
	}
	g.note(step)
	return true
}

// note takes the newest row of flat, which is of a step, into the summary.
func (g *group) note(step int32) {
	g.steps = append(g.steps, step)
	row := g.flat[len(g.flat)-len(g.metrics):]
	if step >= g.lastStep {
		g.lastStep = step
		copy(g.last, row)
	}
	for i, v := range row {
		if !(g.low[i] <= v) && v == v {
			g.low[i] = v
		}
		if !(g.high[i] >= v) && v == v {
			g.high[i] = v
		}
	}
}

// grouped puts the values that are new into groups, in the order in which their sets
// of metrics first occur. It adds them to known.
func (s *Store) grouped(ctx context.Context, points []Point, known map[slot]bool) ([]*group, error) {
	again := map[int32]bool{} // steps of which something is stored, or that come twice
	for at := range known {
		again[at.step] = true
	}
	once := make(map[int32]bool, len(points))
	for _, p := range points {
		step := int32(p.Step)
		again[step] = again[step] || once[step]
		once[step] = true
	}
	var order []*group
	var g *group
	groups := map[string]*group{}
	for _, p := range points {
		step := int32(p.Step)
		if g != nil && !again[step] && g.fits(step, p.Values) {
			continue
		}
		ids, err := s.dict.metricIDs(ctx, slices.Collect(maps.Keys(p.Values)))
		if err != nil {
			return nil, err
		}
		values := map[Metric]float64{}
		for m, v := range p.Values {
			if at := (slot{step, ids[m]}); !known[at] {
				values[m] = v
				known[at] = again[step]
			}
		}
		if len(values) == 0 {
			continue
		}
		metrics := slices.SortedFunc(maps.Keys(values), func(a, b Metric) int { return cmp.Compare(ids[a], ids[b]) })
		set := make([]int32, len(metrics))
		for i, m := range metrics {
			set[i] = ids[m]
		}
		key := fmt.Sprint(set)
		if g = groups[key]; g == nil {
			nan := slices.Repeat([]float64{math.NaN()}, len(set))
			g = &group{
				metrics: set, column: make(map[Metric]int, len(set)), lastStep: math.MinInt32,
				last: slices.Clone(nan), low: nan, high: slices.Clone(nan),
			}
			for i, m := range metrics {
				g.column[m] = i
			}
			groups[key] = g
			order = append(order, g)
		}
		g.fits(step, values)
	}
	return order, nil
}

// slot is one value of a curve.
type slot struct{ step, metric int32 }

// storedMetrics answers which values of the steps are stored.
func storedMetrics(ctx context.Context, tx pgx.Tx, runID int64, steps []int32) (map[slot]bool, error) {
	const query = `select p.step, k.metric_ids from point p join keyset k using (keyset_id) where p.run_id = $1 and p.step = any($2)`
	rows, err := tx.Query(ctx, query, runID, steps)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	known := map[slot]bool{}
	for rows.Next() {
		var step int32
		var metrics []int32
		if err := rows.Scan(&step, &metrics); err != nil {
			return nil, err
		}
		for _, m := range metrics {
			known[slot{step, m}] = true
		}
	}
	return known, rows.Err()
}
