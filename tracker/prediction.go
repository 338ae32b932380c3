package tracker

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"

	"github.com/jackc/pgx/v5"
)

// Prediction is the score of one class for one unit (row) of a test set.
type Prediction struct {
	TestSet  string // id for the plain test rows, else the name of the shift
	Unit     int64  // keyed hash of the row, never an identifier
	Class    int16
	Label    float32 // 0 or 1; NaN = not known
	Score    float32 // the probability that the variant reports
	Observed float32 // that of its own stratum or branch; NaN = it has none
	Pattern  uint64  // availability as the model saw it
	Weight   float32 // 1 where rows are not re-weighted
	Truth    float32 // P(Y = 1 | do(x)), which is above 0; 0 = not known
}

// predictionChunk bounds the memory of one insert.
const predictionChunk = 50_000

func (s *Store) writePredictions(ctx context.Context, tx pgx.Tx, runID int64, predictions []Prediction) error {
	total := map[string]float64{}
	for _, p := range predictions {
		total[p.TestSet] += float64(p.Weight)
	}
	var names []string
	for name, w := range total {
		if w == 0 {
			return fmt.Errorf("all predictions of test set %q have weight 0", name)
		}
		names = append(names, name)
	}
	ids, err := s.dict.testSetIDs(ctx, names)
	if err != nil {
		return err
	}
	const insert = `insert into prediction (run_id, test_set_id, unit_hash, class, label, score, score_observed, pattern, weight, truth)
		select $1, t, u, c, nullif(l, 'NaN'), s, nullif(o, 'NaN'), p, w, nullif(h, 0)
		  from unnest($2::smallint[], $3::bigint[], $4::smallint[], $5::real[], $6::real[], $7::real[], $8::bigint[], $9::real[], $10::real[])
		       x(t, u, c, l, s, o, p, w, h)
		on conflict do nothing`
	for len(predictions) > 0 {
		n := min(len(predictions), predictionChunk)
		sets, units, classes := make([]int16, n), make([]int64, n), make([]int16, n)
		labels, scores, observed := make([]float32, n), make([]float32, n), make([]float32, n)
		patterns, weights, truths := make([]int64, n), make([]float32, n), make([]float32, n)
		for i, p := range predictions[:n] {
			sets[i], units[i], classes[i] = ids[p.TestSet], p.Unit, p.Class
			labels[i], scores[i], observed[i] = p.Label, p.Score, p.Observed
			patterns[i], weights[i], truths[i] = int64(p.Pattern), p.Weight, p.Truth
		}
		if _, err := tx.Exec(ctx, insert, runID, sets, units, classes, labels, scores, observed, patterns, weights, truths); err != nil {
			return err
		}
		predictions = predictions[n:]
	}
	return nil
}

// RunPredictions are the predictions of one run on one test set, in columns of
// equal length, ordered by unit and class: two runs on the same split agree in
// Unit and Class row by row.
type RunPredictions struct {
	Run      Run
	TestSet  string
	Unit     []int64
	Class    []int16
	Label    []float32 // NaN = not known
	Score    []float32
	Observed []float32 // NaN = none
	Pattern  []uint64
	Weight   []float32
	Truth    []float32 // 0 = not known
}

// Predictions reads the predictions of the runs that f selects. An empty
// testSet means all of them. The answer is ordered by run and test set.
func (r Reader) Predictions(ctx context.Context, f RunFilter, testSet string) ([]*RunPredictions, error) {
	runs, err := r.Runs(ctx, f)
	if err != nil {
		return nil, fmt.Errorf("read predictions: %w", err)
	}
	var out []*RunPredictions
	for _, run := range runs {
		if out, err = r.runPredictions(ctx, out, run, testSet); err != nil {
			return nil, fmt.Errorf("read predictions of run %d: %w", run.ID, err)
		}
	}
	return out, nil
}

func (r Reader) runPredictions(ctx context.Context, out []*RunPredictions, run Run, testSet string) ([]*RunPredictions, error) {
	const query = `select t.name, p.unit_hash, p.class, p.label, p.score, p.score_observed, p.pattern, p.weight, coalesce(p.truth, 0)
		from test_set t join prediction p using (test_set_id)
		where p.run_id = $1 and ($2 = '' or t.name = $2) order by t.name, p.unit_hash, p.class`
	rows, err := r.db.Query(ctx, query, pgx.QueryResultFormats{pgx.BinaryFormatCode}, run.ID, testSet)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	var p *RunPredictions
	for rows.Next() {
		v := rows.RawValues() // binary, in network byte order
		if p == nil || string(v[0]) != p.TestSet {
			p = &RunPredictions{Run: run, TestSet: string(v[0])}
			out = append(out, p)
		}
		p.Unit = append(p.Unit, int64(binary.BigEndian.Uint64(v[1])))
		p.Class = append(p.Class, int16(binary.BigEndian.Uint16(v[2])))
		p.Label = append(p.Label, float4(v[3]))
		p.Score = append(p.Score, float4(v[4]))
		p.Observed = append(p.Observed, float4(v[5]))
		p.Pattern = append(p.Pattern, binary.BigEndian.Uint64(v[6]))
		p.Weight = append(p.Weight, float4(v[7]))
		p.Truth = append(p.Truth, float4(v[8]))
	}
	return out, rows.Err()
}

// float4 decodes a binary real; null is NaN.
func float4(b []byte) float32 {
	if b == nil {
		return float32(math.NaN())
	}
	return math.Float32frombits(binary.BigEndian.Uint32(b))
}
