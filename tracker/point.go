package tracker

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgxpool"
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
	err := retried(func() error {
		return s.pool.AcquireFunc(ctx, func(c *pgxpool.Conn) error {
			// The transaction begins and ends with the first and the last question, so
			// that it costs no round trips of its own.
			batch := &pgx.Batch{}
			batch.Queue(`begin`)
			l.queueHold(batch)
			known := queueStored(batch, l.Run.ID, points)
			err := c.SendBatch(ctx, batch).Close()
			if err == nil {
				batch, err = s.writeNew(ctx, c.Conn(), l.Run.ID, points, known)
			}
			if err == nil {
				batch.Queue(`commit`)
				err = c.SendBatch(ctx, batch).Close()
			}
			if err != nil {
				_, _ = c.Exec(ctx, `rollback`) // else the pool closes the connection, which does it
			}
			return err
		})
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
	batch := &pgx.Batch{}
	known := queueStored(batch, runID, points)
	if err := tx.SendBatch(ctx, batch).Close(); err != nil {
		return err
	}
	batch, err := s.writeNew(ctx, tx.Conn(), runID, points, known)
	if err != nil {
		return err
	}
	return tx.SendBatch(ctx, batch).Close()
}

// writeNew stores the values that are not known, in the transaction of a connection.
// What it answers must be sent, too.
func (s *Store) writeNew(ctx context.Context, c *pgx.Conn, runID int64, points []Point, known map[slot]bool) (*pgx.Batch, error) {
	copies, err := s.copies(ctx, c)
	if err != nil {
		return nil, err
	}
	batch := &pgx.Batch{}
	write := func(g *group, points []Point) (taken int, err error) {
		keyset, err := s.dict.keysetID(ctx, g.metrics)
		if err != nil {
			return 0, err
		}
		if copies && len(g.steps)+len(points) >= copyFrom {
			rows := &rows{group: g, runID: runID, keyset: keyset, points: points}
			if _, err := c.PgConn().CopyFrom(ctx, rows, copyPoints); err != nil {
				return 0, err
			}
			taken = len(points) - len(rows.points)
		} else {
			batch.Queue(insertPoints, runID, keyset, len(g.metrics), g.steps, g.flat)
		}
		batch.Queue(addSummary, runID, g.metrics, len(g.steps), g.lastStep, g.last, g.low, g.high)
		return taken, nil
	}
	if copies && len(points) >= copyFrom && len(known) == 0 && alike(points) {
		// The usual curves. The values are put in order while the server takes them in.
		g, err := s.newGroup(ctx, slices.Collect(maps.Keys(points[0].Values)))
		if err != nil {
			return nil, err
		}
		taken, err := write(g, points)
		if err != nil {
			return nil, err
		}
		points = points[taken:]
	}
	groups, err := s.grouped(ctx, points, known)
	if err != nil {
		return nil, err
	}
	for _, g := range groups {
		if _, err := write(g, nil); err != nil {
			return nil, err
		}
	}
	return batch, nil
}

// alike reports whether the points have as many values each, and ascending steps.
func alike(points []Point) bool {
	for i, p := range points {
		if len(p.Values) == 0 || len(p.Values) != len(points[0].Values) || i > 0 && p.Step <= points[i-1].Step {
			return false
		}
	}
	return true
}

// copyFrom is the number of steps from which on COPY is faster than INSERT.
const copyFrom = 64

// copies says whether the store's user may COPY into point. PostgreSQL refuses it to
// whom the table's policies apply: all but its owner and superusers. What it answers
// first is kept.
func (s *Store) copies(ctx context.Context, db querier) (bool, error) {
	switch s.mayCopy.Load() {
	case copyAllowed:
		return true, nil
	case copyRefused:
		return false, nil
	}
	var secured bool
	if err := db.QueryRow(ctx, `select row_security_active('point')`).Scan(&secured); err != nil {
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
	copyPoints   = `copy point (run_id, step, keyset_id, v) from stdin binary`
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
	metrics   []int32  // ascending
	names     []Metric // of metrics
	steps     []int32
	flat      []float64 // len(metrics) values per step
	lastStep  int32
	last      []float64 // at lastStep
	low, high []float64 // NaN if every value is
}

// newGroup answers a group of metrics without values.
func (s *Store) newGroup(ctx context.Context, metrics []Metric) (*group, error) {
	ids, err := s.dict.metricIDs(ctx, metrics)
	if err != nil {
		return nil, err
	}
	slices.SortFunc(metrics, func(a, b Metric) int { return cmp.Compare(ids[a], ids[b]) })
	nan := slices.Repeat([]float64{math.NaN()}, len(metrics))
	g := &group{names: metrics, metrics: make([]int32, len(metrics)), lastStep: math.MinInt32, last: slices.Clone(nan), low: nan, high: slices.Clone(nan)}
	for i, m := range metrics {
		g.metrics[i] = ids[m]
	}
	return g, nil
}

// fits appends the values if their metrics are those of the group.
func (g *group) fits(step int32, values map[Metric]float64) bool {
	if len(values) != len(g.metrics) {
		return false
	}
	start := len(g.flat)
	for i := range g.names {
		v, ok := values[g.names[i]]
		if !ok {
			g.flat = g.flat[:start]
			return false
		}
		g.flat = append(g.flat, v)
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
		next, err := s.newGroup(ctx, slices.Collect(maps.Keys(values)))
		if err != nil {
			return nil, err
		}
		key := fmt.Sprint(next.metrics)
		if g = groups[key]; g == nil {
			g = next
			groups[key] = g
			order = append(order, g)
		}
		g.fits(step, values)
	}
	return order, nil
}

// slot is one value of a curve.
type slot struct{ step, metric int32 }

// queueStored asks which values of the steps are stored. The answer is there when the
// batch has been answered.
func queueStored(batch *pgx.Batch, runID int64, points []Point) map[slot]bool {
	const of = `select p.step, k.metric_ids from point p join keyset k using (keyset_id) where p.run_id = $1 and p.step `
	steps := make([]int32, len(points))
	for i, p := range points {
		steps[i] = int32(p.Step)
	}
	var query *pgx.QueuedQuery
	if low, high := slices.Min(steps), slices.Max(steps); int(high)-int(low) < 2*len(steps) {
		query = batch.Queue(of+`between $2 and $3`, runID, low, high) // one descent of the index, and not one a step
	} else {
		query = batch.Queue(of+`= any($2)`, runID, steps)
	}
	known := map[slot]bool{}
	query.Query(func(rows pgx.Rows) error {
		var step int32
		var metrics []int32
		_, err := pgx.ForEachRow(rows, []any{&step, &metrics}, func() error {
			for _, m := range metrics {
				known[slot{step, m}] = true
			}
			return nil
		})
		return err
	})
	return known
}

// rows reads a group as COPY does (PostgreSQL 15, reference of COPY, "Binary Format"):
// what is in it, and then those of the points that fit, which it takes into the group.
type rows struct {
	group  *group
	runID  int64
	keyset int32
	points []Point
	next   int // row of the group
	buffer []byte
	ended  bool
}

// piece is how much of the rows the server gets at a time: little enough for it to
// work on one while the next is made.
const piece = 8 << 10

func (r *rows) Read(to []byte) (int, error) {
	if len(r.buffer) == 0 && r.ended {
		return 0, io.EOF
	}
	if r.next == 0 {
		r.buffer = append(r.buffer, "PGCOPY\n\xff\r\n\x00\x00\x00\x00\x00\x00\x00\x00\x00"...) // no flags, nothing more in the header
	}
	for g := r.group; len(r.buffer) < min(len(to), piece) && !r.ended; {
		if r.next == len(g.steps) {
			if len(r.points) == 0 || !g.fits(int32(r.points[0].Step), r.points[0].Values) {
				r.ended = true
				r.buffer = append(r.buffer, 0xff, 0xff)
				break
			}
			r.points = r.points[1:]
		}
		r.add(g.steps[r.next], g.flat[r.next*len(g.metrics):][:len(g.metrics)])
		r.next++
	}
	n := copy(to, r.buffer)
	r.buffer = r.buffer[:copy(r.buffer, r.buffer[n:])]
	return n, nil
}

// add appends a row to the buffer.
func (r *rows) add(step int32, values []float64) {
	const element, float8 = 12, 701
	be := binary.BigEndian
	out := be.AppendUint16(r.buffer, 4) // columns, each after its length
	out = be.AppendUint64(be.AppendUint32(out, 8), uint64(r.runID))
	out = be.AppendUint32(be.AppendUint32(out, 4), uint32(step))
	out = be.AppendUint32(be.AppendUint32(out, 4), uint32(r.keyset))
	out = be.AppendUint32(out, uint32(20+element*len(values)))
	for _, x := range [5]uint32{1, 0, float8, uint32(len(values)), 1} { // one dimension, no NULL, the type, its length and first index
		out = be.AppendUint32(out, x)
	}
	for _, v := range values {
		out = be.AppendUint64(be.AppendUint32(out, 8), math.Float64bits(v))
	}
	r.buffer = out
}
