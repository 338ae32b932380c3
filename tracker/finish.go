package tracker

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/jackc/pgx/v5"
)

// Outcome is what a run that has been trained to its end leaves behind.
type Outcome struct {
	Epoch       int                // completed epochs
	Reason      string             // why it ended: completed, early_stop ...
	Metrics     map[Metric]float64 // final values
	Points      []Point
	Predictions []Prediction
	Diagnostics []Diagnostic
	Memory      Memory // peak of the last slice
}

// Diagnostic is a causal diagnostic of a run. NaN stands for a number that was
// not computed.
type Diagnostic struct {
	Name     string
	Estimate float64
	Lo, Hi   float64 // 95 % interval
	P        float64
	Verdict  string          // ok, warn, fail or "" where none applies
	Detail   json.RawMessage // a JSON object; nil = {}
}

// Finish stores the outcome of a run and ends it. Its checkpoint is deleted.
func (s *Store) Finish(ctx context.Context, tx pgx.Tx, l Lease, out Outcome) error {
	if err := s.finish(ctx, tx, l, out); err != nil {
		return fmt.Errorf("finish run %d: %w", l.Run.ID, err)
	}
	return nil
}

func (s *Store) finish(ctx context.Context, tx pgx.Tx, l Lease, out Outcome) error {
	if err := l.hold(ctx, tx, true); err != nil {
		return err
	}
	if err := s.writePoints(ctx, tx, l.Run.ID, out.Points); err != nil {
		return err
	}
	if err := s.writeResults(ctx, tx, l.Run.ID, out.Metrics); err != nil {
		return err
	}
	if err := s.writePredictions(ctx, tx, l.Run.ID, out.Predictions); err != nil {
		return err
	}
	if err := writeDiagnostics(ctx, tx, l.Run.ID, out.Diagnostics); err != nil {
		return err
	}
	if err := writeMemory(ctx, tx, l.Run.ID, out.Memory); err != nil {
		return err
	}
	if _, err := tx.Exec(ctx, `delete from checkpoint where run_id = $1`, l.Run.ID); err != nil {
		return err
	}
	const end = `update run set state = 'done', fence = fence + 1, worker_id = null, epoch = $2, stop_reason = $3, ended_at = now(),
		error_code = '', error_message = '', error_log = '' where run_id = $1`
	_, err := tx.Exec(ctx, end, l.Run.ID, out.Epoch, out.Reason)
	return err
}

func (s *Store) writeResults(ctx context.Context, tx pgx.Tx, runID int64, metrics map[Metric]float64) error {
	if len(metrics) == 0 {
		return nil
	}
	ids, err := s.dict.metricIDs(ctx, slices.Collect(maps.Keys(metrics)))
	if err != nil {
		return err
	}
	keys := make([]int32, 0, len(metrics))
	values := make([]float64, 0, len(metrics))
	for m, v := range metrics {
		keys, values = append(keys, ids[m]), append(values, v)
	}
	const insert = `insert into result (run_id, metric_id, value)
		select $1, m, v from unnest($2::int[], $3::float8[]) u(m, v) order by m on conflict do nothing`
	_, err = tx.Exec(ctx, insert, runID, keys, values)
	return err
}

func writeDiagnostics(ctx context.Context, tx pgx.Tx, runID int64, diagnostics []Diagnostic) error {
	diagnostics = slices.Clone(diagnostics)
	slices.SortFunc(diagnostics, func(a, b Diagnostic) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	const insert = `insert into diagnostic (run_id, name, estimate, lo, hi, p, verdict, detail)
		values ($1, $2, nullif($3::float8, 'NaN'), nullif($4::float8, 'NaN'), nullif($5::float8, 'NaN'), nullif($6::float8, 'NaN'), $7, $8) on conflict do nothing`
	for _, d := range diagnostics {
		if d.Detail == nil {
			d.Detail = json.RawMessage("{}")
		}
		if _, err := tx.Exec(ctx, insert, runID, d.Name, d.Estimate, d.Lo, d.Hi, d.P, d.Verdict, d.Detail); err != nil {
			return err
		}
	}
	return nil
}
