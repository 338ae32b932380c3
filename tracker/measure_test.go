//go:build measure

package tracker_test

import (
	"fmt"
	"math"
	"os"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// What is stored to measure: host/e2e/bench/tracker.py gives a peer the same points.
const (
	measuredRuns    = 60
	measuredSteps   = 1000
	measuredMetrics = 50
	// flushed is the number of steps that a worker sends at a time.
	flushed = 256
)

// curve is the value of a metric at a step.
func curve(run, step, metric int) float64 {
	return math.Sin(float64(run*7919+step*104729+metric*1299709)) + 1/float64(step+1)
}

// measured prints a figure for host/e2e/bench/tracker.py, which reads these lines.
func measured(what string, value float64) { fmt.Fprintf(os.Stdout, "measured %s %g\n", what, value) }

// TestMeasureIngest stores the same points through the store and by COPY into a table
// like it, in turn.
func TestMeasureIngest(t *testing.T) {
	b := setup(t)
	ctx := t.Context()
	metrics := make([]tracker.Metric, measuredMetrics)
	for i := range metrics {
		metrics[i] = tracker.Metric{Name: fmt.Sprint("m", i), Split: "train"}
	}
	if _, err := b.store.Pool().Exec(ctx, `create table copied (like point including all)`); err != nil {
		t.Fatal(err)
	}
	var ours, copied, whole time.Duration
	for run := range measuredRuns {
		l := b.lease(run + 1)
		points := make([]tracker.Point, measuredSteps)
		for step := range points {
			values := make(map[tracker.Metric]float64, len(metrics))
			for i, m := range metrics {
				values[m] = curve(run, step, i)
			}
			points[step] = tracker.Point{Step: step, Values: values}
		}
		begin := time.Now()
		for from := 0; from < measuredSteps; from += flushed {
			if err := b.store.AppendPoints(ctx, l, points[from:min(from+flushed, measuredSteps)]); err != nil {
				t.Fatal(err)
			}
		}
		ours += time.Since(begin)

		rows := make([][]any, measuredSteps)
		for step := range rows {
			v := make([]float64, len(metrics))
			for i := range v {
				v[i] = curve(run, step, i)
			}
			rows[step] = []any{l.Run.ID, int32(step), int32(1), v}
		}
		send := func(rows [][]any) {
			t.Helper()
			if _, err := b.store.Pool().CopyFrom(ctx, pgx.Identifier{"copied"}, []string{"run_id", "step", "keyset_id", "v"}, pgx.CopyFromRows(rows)); err != nil {
				t.Fatal(err)
			}
		}
		begin = time.Now()
		for from := 0; from < measuredSteps; from += flushed {
			send(rows[from:min(from+flushed, measuredSteps)])
		}
		copied += time.Since(begin)
		if _, err := b.store.Pool().Exec(ctx, `delete from copied where run_id = $1`, l.Run.ID); err != nil {
			t.Fatal(err)
		}
		begin = time.Now()
		send(rows)
		whole += time.Since(begin)
	}
	points := float64(measuredRuns * measuredSteps * measuredMetrics)
	measured("ingest.points_per_s", points/ours.Seconds())
	measured("copy.points_per_s", points/copied.Seconds())
	measured("copy.whole.points_per_s", points/whole.Seconds())
	var size int64
	const total = `select sum(pg_total_relation_size(relid)) from pg_partition_tree('point') where isleaf`
	if err := b.store.Pool().QueryRow(ctx, total).Scan(&size); err != nil {
		t.Fatal(err)
	}
	var summaries int64
	if err := b.store.Pool().QueryRow(ctx, `select pg_total_relation_size('summary')`).Scan(&summaries); err != nil {
		t.Fatal(err)
	}
	measured("bytes_per_point", float64(size+summaries)/points)
}
