package tracker

import (
	"context"
	"fmt"
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
	var metrics []Metric
	steps := make([]int32, len(points))
	for i, p := range points {
		steps[i] = int32(p.Step)
		for m := range p.Values {
			metrics = append(metrics, m)
		}
	}
	ids, err := s.dict.metricIDs(ctx, metrics)
	if err != nil {
		return err
	}
	known, err := storedMetrics(ctx, tx, runID, steps)
	if err != nil {
		return err
	}

	// Group the new values of each step into keysets.
	type group struct {
		metrics []int32
		steps   []int32
		flat    []float64
	}
	groups := map[string]*group{}
	var order []string
	for _, p := range points {
		step := int32(p.Step)
		values := map[int32]float64{}
		for m, v := range p.Values {
			if id := ids[m]; !known[slot{step, id}] {
				values[id] = v
				known[slot{step, id}] = true
			}
		}
		if len(values) == 0 {
			continue
		}
		set := make([]int32, 0, len(values))
		for id := range values {
			set = append(set, id)
		}
		slices.Sort(set)
		key := fmt.Sprint(set)
		g := groups[key]
		if g == nil {
			g = &group{metrics: set}
			groups[key] = g
			order = append(order, key)
		}
		g.steps = append(g.steps, step)
		for _, id := range set {
			g.flat = append(g.flat, values[id])
		}
	}
	for _, key := range order {
		g := groups[key]
		keyset, err := s.dict.keysetID(ctx, g.metrics)
		if err != nil {
			return err
		}
		if _, err := tx.Exec(ctx, `select ingest($1, $2, $3, $4, $5)`, runID, keyset, g.metrics, g.steps, g.flat); err != nil {
			return err
		}
	}
	return nil
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
