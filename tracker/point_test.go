package tracker_test

import (
	"context"
	"errors"
	"math"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

var (
	auroc    = tracker.Metric{Name: "auroc", Split: "val"}
	aurocMen = tracker.Metric{Name: "auroc", Split: "val", Group: "sex", Level: "m"}
)

func TestAppendPoints_Replay(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	live := []tracker.Point{
		{Step: 1, Values: map[tracker.Metric]float64{loss: 3, auroc: 0.5}},
		{Step: 2, Values: map[tracker.Metric]float64{loss: math.NaN(), auroc: 0.75}},
	}
	for range 3 {
		if err := b.store.AppendPoints(t.Context(), l, live); err != nil {
			t.Fatal(err)
		}
	}
	// The slice brings the same values in other groups, one of them twice, a
	// contradiction, and something new.
	next, err := b.slice(l, tracker.Slice{Epoch: 3, Points: []tracker.Point{
		{Step: 1, Values: map[tracker.Metric]float64{loss: 3}},
		{Step: 1, Values: map[tracker.Metric]float64{auroc: 0.9, aurocMen: 0.25}},
		{Step: 3, Values: map[tracker.Metric]float64{loss: 1, auroc: math.Inf(1)}},
		{Step: 3, Values: map[tracker.Metric]float64{loss: 1}},
		{Step: 4},
	}})
	if err != nil || !next.Enqueue() {
		t.Fatalf("got %+v, %v", next, err)
	}
	got, err := b.store.Summary(t.Context(), l.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := map[tracker.Metric]tracker.Summary{
		loss:     {N: 3, LastStep: 3, Last: 1, Min: 1, Max: 3},
		auroc:    {N: 3, LastStep: 3, Last: math.Inf(1), Min: 0.5, Max: math.Inf(1)},
		aurocMen: {N: 1, LastStep: 1, Last: 0.25, Min: 0.25, Max: 0.25},
	}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("summary (-want +got):\n%s", d)
	}
	history, err := b.store.MetricHistory(t.Context(), auroc, l.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	wantHistory := map[int64][]tracker.StepValue{l.Run.ID: {{Step: 1, Value: 0.5}, {Step: 2, Value: 0.75}, {Step: 3, Value: math.Inf(1)}}}
	if d := cmp.Diff(wantHistory, history); d != "" {
		t.Errorf("history (-want +got):\n%s", d)
	}
	if got := b.rows(`select metric, split, grp, lvl, step, value from points where grp = 'sex'`); got != "auroc val sex m 1 0.25\n" {
		t.Errorf("view: got %s", got)
	}
	if err := b.store.AppendPoints(t.Context(), l, nil); err != nil {
		t.Errorf("no points: got %v", err)
	}
	l = b.lease(2)
	if err := b.store.AppendPoints(t.Context(), l, []tracker.Point{{Step: 1, Values: map[tracker.Metric]float64{{}: 1}}}); err == nil {
		t.Error("a metric without a name: got no error")
	}
	only := []tracker.Point{{Step: 5, Values: map[tracker.Metric]float64{loss: math.NaN()}}}
	if err := b.store.AppendPoints(t.Context(), l, only); err != nil {
		t.Fatal(err)
	}
	got, err = b.store.Summary(t.Context(), l.Run.ID)
	want = map[tracker.Metric]tracker.Summary{loss: {N: 1, LastStep: 5, Last: math.NaN(), Min: math.NaN(), Max: math.NaN()}}
	if d := cmp.Diff(want, got, cmpopts.EquateNaNs()); d != "" || err != nil {
		t.Errorf("only NaN: %v\n%s", err, d)
	}
}

// Many points at once, of which the later ones have as many but other metrics, or
// come again, are stored like few.
func TestAppendPoints_Long(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	const steps = 1500
	value := func(step int) float64 { return math.Cos(float64(step)) }
	points := make([]tracker.Point, steps)
	want := map[tracker.Metric][]tracker.StepValue{}
	for i := range points {
		metrics := []tracker.Metric{loss, auroc}
		if i >= 1000 && i%7 != 0 {
			metrics[1] = aurocMen
		}
		points[i] = tracker.Point{Step: 3 * i, Values: map[tracker.Metric]float64{}}
		for k, m := range metrics {
			points[i].Values[m] = value(i) + float64(k)
			want[m] = append(want[m], tracker.StepValue{Step: 3 * i, Value: value(i) + float64(k)})
		}
	}
	for _, part := range [][]tracker.Point{points[:100], points, points[700:]} {
		if err := b.store.AppendPoints(t.Context(), l, part); err != nil {
			t.Fatal(err)
		}
	}
	summary, err := b.store.Summary(t.Context(), l.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	for m, curve := range want {
		history, err := b.store.MetricHistory(t.Context(), m, l.Run.ID)
		if d := cmp.Diff(curve, history[l.Run.ID]); d != "" || err != nil {
			t.Errorf("%s: %v (-want +got):\n%s", m, err, d)
		}
		sum := tracker.Summary{N: len(curve), LastStep: curve[len(curve)-1].Step, Last: curve[len(curve)-1].Value, Min: math.Inf(1), Max: math.Inf(-1)}
		for _, at := range curve {
			sum.Min, sum.Max = min(sum.Min, at.Value), max(sum.Max, at.Value)
		}
		if d := cmp.Diff(sum, summary[m]); d != "" {
			t.Errorf("summary of %s (-want +got):\n%s", m, d)
		}
	}
	// Nothing of a lease that is gone is stored, and the connections stay of use.
	stale := l
	stale.Fence++
	more := make([]tracker.Point, 100)
	for i := range more {
		more[i] = tracker.Point{Step: 10_000 + i, Values: map[tracker.Metric]float64{loss: 1}}
	}
	for range 10 {
		if err := b.store.AppendPoints(t.Context(), stale, more); !errors.Is(err, tracker.ErrFenced) {
			t.Fatalf("a lease that is gone: got %v", err)
		}
	}
	if got := b.rows(`select count(*) from point`); got != strconv.Itoa(steps)+"\n" {
		t.Errorf("got %s rows", got)
	}
	if findings, err := b.store.Check(t.Context()); err != nil || len(findings) > 0 {
		t.Errorf("check: %v, %v", findings, err)
	}
}

// TestAppendPoints_Random sends overlapping pieces of known curves from several
// goroutines and compares the summaries with what the curves say.
func TestAppendPoints_Random(t *testing.T) {
	b := setup(t)
	runs := b.plan(true, planned(1), planned(2), planned(3))
	metrics := []tracker.Metric{loss, auroc, aurocMen, {Name: "ece", Split: "val"}}
	const steps = 40
	value := func(run, step, m int) float64 { return math.Sin(float64(run*1000 + step*10 + m)) }
	var wg sync.WaitGroup
	for i, r := range runs {
		l := b.claim(r)
		for worker := range 2 {
			wg.Add(1)
			go func() {
				defer wg.Done()
				random := rand.New(rand.NewPCG(uint64(i), uint64(worker)))
				for first := 0; first < steps; first += 5 {
					var points []tracker.Point
					for step := max(0, first-random.IntN(8)); step < first+5; step++ {
						p := tracker.Point{Step: step, Values: map[tracker.Metric]float64{}}
						for m, metric := range metrics {
							if random.IntN(3) > 0 {
								p.Values[metric] = value(i, step, m)
							}
						}
						points = append(points, p)
					}
					if err := b.store.AppendPoints(t.Context(), l, points); err != nil {
						t.Errorf("append: %v", err)
					}
				}
			}()
		}
	}
	wg.Wait()
	for _, r := range runs {
		summary, err := b.store.Summary(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range metrics {
			history, err := b.store.MetricHistory(t.Context(), m, r.ID)
			if err != nil {
				t.Fatal(err)
			}
			want := tracker.Summary{Min: math.Inf(1), Max: math.Inf(-1)}
			for i, v := range history[r.ID] {
				if i > 0 && v.Step == history[r.ID][i-1].Step {
					t.Errorf("run %d, %s: step %d is stored twice", r.ID, m, v.Step)
				}
				want.N++
				want.LastStep, want.Last = v.Step, v.Value
				want.Min, want.Max = min(want.Min, v.Value), max(want.Max, v.Value)
			}
			if summary[m] != want {
				t.Errorf("run %d, %s: got summary %+v, the curve says %+v", r.ID, m, summary[m], want)
			}
		}
	}
}

// Every availability pattern brings a dozen metrics, and a dataset can have
// hundreds of patterns: one step of a run is then thousands of metrics.
func TestAppendPoints_ManyMetrics(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	values := map[tracker.Metric]float64{}
	for i := range 4000 {
		values[tracker.Metric{Name: "auroc", Split: "val", Group: "pattern", Level: strconv.Itoa(i)}] = float64(i)
	}
	points := []tracker.Point{{Step: 1, Values: values}, {Step: 2, Values: values}}
	for range 2 {
		if err := b.store.AppendPoints(t.Context(), l, points); err != nil {
			t.Fatal(err)
		}
	}
	got, err := b.store.Summary(t.Context(), l.Run.ID)
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(values) {
		t.Errorf("got %d metrics, want %d", len(got), len(values))
	}
	for m, want := range values {
		if s := got[m]; s.N != 2 || s.Last != want {
			t.Fatalf("%v: got %+v, want twice %v", m, s, want)
		}
	}
}

// Each sweep has partitions of its own, by blocks of a thousand run numbers.
func TestBlocks(t *testing.T) {
	b := setup(t)
	l := b.claim(b.plan(false, planned(1))[0])
	other := inTx(b, func(ctx context.Context, tx pgx.Tx) (tracker.Sweep, error) {
		return b.store.UpsertSweep(ctx, tx, tracker.SweepSpec{Name: "other"})
	})
	many := make([]tracker.PlannedRun, 2500)
	for i := range many {
		many[i] = planned(100 + i)
	}
	runs := inTx(b, func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
		return b.store.PlanRuns(ctx, tx, other.ID, many, false)
	})
	if l.Run.ID != 1 || runs[0].ID != 1001 || runs[2499].ID != 3500 {
		t.Fatalf("got runs %d, and %d to %d", l.Run.ID, runs[0].ID, runs[2499].ID)
	}
	if second := b.plan(false, planned(2)); second[0].ID != 2 {
		t.Errorf("the next run of the first sweep: got %d, want 2", second[0].ID)
	}
	last := b.claim(runs[2499])
	for _, lease := range []tracker.Lease{l, last} {
		if err := b.store.AppendPoints(t.Context(), lease, []tracker.Point{point(1, 1)}); err != nil {
			t.Fatal(err)
		}
	}
	if got := b.rows(`select run_id, tableoid::regclass::text from point order by 1`); got != "1 point_r1\n3500 point_r1001\n" {
		t.Errorf("points are in %s", got)
	}
	b.rows(`insert into run (sweep_id, split_seed, init_seed, dataset_id, trial, phase, run_hash, backbone, variant, spec)
		select sweep_id, 9, 9, dataset_id, 9, phase, sha256('9'), backbone, variant, spec from run where run_id = 3500`)
	if got := b.rows(`select run_id from run where trial = 9 and init_seed = 9`); got != "3501\n" {
		t.Errorf("a run inserted by hand: got %s, want 3501", got)
	}

	// A run in progress keeps its sweep; then its space is free at once.
	err := b.store.InTx(t.Context(), func(tx pgx.Tx) error {
		_, err := b.store.DeleteSweep(t.Context(), tx, other.ID)
		return err
	})
	if err == nil {
		t.Error("a sweep with a running run was deleted")
	}
	if err := b.finish(last, tracker.Outcome{Predictions: []tracker.Prediction{{TestSet: "id", Unit: 1, Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	freed := inTx(b, func(ctx context.Context, tx pgx.Tx) (int64, error) { return b.store.DeleteSweep(ctx, tx, other.ID) })
	if got := b.rows(`select pg_relation_size('point_r1001') + pg_relation_size('prediction_r1001')`); got != "0\n" || freed < 4*8192 {
		t.Errorf("after the sweep was deleted its tables take %s bytes; freed %d", got, freed)
	}
	if got := b.rows(`select run_id from point`); got != "1\n" {
		t.Errorf("points that are left: %s", got)
	}
	if n, err := b.store.DropBlocks(t.Context()); n != 1 || err != nil {
		t.Errorf("dropped %d blocks, %v; want 1", n, err)
	}
	if got := b.rows(`select coalesce(to_regclass('point_r1001')::text, 'gone'), count(*) from run where sweep_id = $1`, other.ID); got != "gone 0\n" {
		t.Errorf("got %s", got)
	}
	// Numbers are not given twice.
	again := inTx(b, func(ctx context.Context, tx pgx.Tx) (tracker.Sweep, error) {
		return b.store.UpsertSweep(ctx, tx, tracker.SweepSpec{Name: "other"})
	})
	runs = inTx(b, func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
		return b.store.PlanRuns(ctx, tx, again.ID, many[:1], false)
	})
	if runs[0].ID != 4001 {
		t.Errorf("got run %d, want 4001", runs[0].ID)
	}
	if found, err := b.store.Check(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("check: got %+v, %v", found, err)
	}
}

func TestEmptyPoints(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	if err := b.finish(l, tracker.Outcome{Points: []tracker.Point{point(1, 3), point(2, 2)}, Metrics: map[tracker.Metric]float64{loss: 2}}); err != nil {
		t.Fatal(err)
	}
	if idle, err := b.store.Idle(t.Context(), time.Hour); err != nil || len(idle) != 0 {
		t.Errorf("a sweep that has just ended is idle: %v, %v", idle, err)
	}
	idle, err := b.store.Idle(t.Context(), 0)
	if err != nil || len(idle) != 1 || idle[0].ID != b.sweep.ID {
		t.Fatalf("got %v, %v", idle, err)
	}
	inTx(b, func(ctx context.Context, tx pgx.Tx) (int64, error) { return b.store.EmptyPoints(ctx, tx, b.sweep.ID) })
	if got := b.rows(`select (select count(*) from point), (select count(*) from result), n, last from summary`); got != "0 1 2 2\n" {
		t.Errorf("points, results and summary: got %s", got)
	}
	if idle, err := b.store.Idle(t.Context(), 0); err != nil || len(idle) != 0 {
		t.Errorf("an emptied sweep is still listed: %v, %v", idle, err)
	}
}

// Check finds what no transaction leaves behind.
func TestCheck(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	if err := b.store.AppendPoints(t.Context(), l, []tracker.Point{point(1, 3), point(2, 2)}); err != nil {
		t.Fatal(err)
	}
	if found, err := b.store.Check(t.Context()); err != nil || len(found) != 0 {
		t.Fatalf("got %+v, %v", found, err)
	}
	b.rows(`delete from point where step = 2`)
	b.rows(`insert into point select 999, step, keyset_id, v || v from point`)
	b.rows(`insert into result select 1, metric_id, 1 from metric limit 1`)
	found, err := b.store.Check(t.Context())
	want := []tracker.Finding{
		{What: "points of runs that do not exist", Rows: 1}, {What: "points whose number of values is not that of their metrics", Rows: 1},
		{What: "curves whose summary does not count their points", Rows: 1}, {What: "results of runs that are not done", Rows: 1},
	}
	if err != nil || cmp.Diff(want, found) != "" {
		t.Errorf("%v\n%s", err, cmp.Diff(want, found))
	}
}

// A thinned curve has the ends and the extremes of the whole one, in order.
func TestThinnedCurve(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	random := rand.New(rand.NewPCG(7, 0))
	points := make([]tracker.Point, 5000)
	low, high := math.Inf(1), math.Inf(-1)
	for i := range points {
		v := random.NormFloat64()
		if i%100 == 50 {
			v = math.NaN()
		} else {
			low, high = min(low, v), max(high, v)
		}
		points[i] = tracker.Point{Step: 10 * i, Values: map[tracker.Metric]float64{loss: v}}
	}
	if err := b.store.AppendPoints(t.Context(), l, points); err != nil {
		t.Fatal(err)
	}
	const thinned = `thinned_curve(1, $1, $2, '', '', $3)`
	for _, n := range []int{4, 5, 100, 1001} {
		got := b.rows(`select count(*) <= $3, count(*) > $3 * 0.9 - 2, min(step), max(step), min(value) = $4, max(value) = $5, count(distinct step) = count(*)
			from `+thinned, loss.Name, loss.Split, n, low, high)
		if got != "true true 0 49990 true true true\n" {
			t.Errorf("%d points: got %s", n, got)
		}
	}
	if got := b.rows(`select count(*) from `+thinned, loss.Name, loss.Split, 5000); got != "5000\n" {
		t.Errorf("a curve that is short enough: got %s points", got)
	}
	if got := b.rows(`select count(*) from thinned_curve(1, 'none', '', '', '', 10)`); got != "0\n" {
		t.Errorf("a curve that does not exist: got %s points", got)
	}
}

func TestFinish(t *testing.T) {
	b := setup(t)
	info := tracker.DatasetInfo{Name: "d", Hash: "dh", Task: "binary", Classes: 1, Patterns: map[uint64]string{1: "base", 3: "base+lipid", 1 << 63: "far"},
		Groups: []tracker.UnitGroup{{Unit: -5, Group: "sex", Level: "f"}, {Unit: 7, Group: "sex", Level: "m"}}}
	for range 2 {
		if err := b.store.DescribeDataset(t.Context(), info); err != nil {
			t.Fatal(err)
		}
	}
	if got, err := b.store.Dataset(t.Context(), "dh"); err != nil || cmp.Diff(info, got) != "" {
		t.Errorf("dataset: got %+v, %v; want %+v", got, err, info)
	}
	nan := float32(math.NaN())
	predictions := []tracker.Prediction{
		{TestSet: "id", Unit: 7, Label: 1, Score: 0.75, Observed: nan, Pattern: 3, Weight: 1},
		{TestSet: "id", Unit: -5, Label: nan, Score: 0.25, Observed: 0.5, Pattern: 1 << 63, Weight: 1},
		{TestSet: "flip", Unit: 7, Label: 1, Score: 0.5, Observed: nan, Pattern: 2, Weight: 0.5, Truth: 0.25},
	}
	l := b.claim(b.plan(true, replicate(1, 0, "md"))[0])
	out := tracker.Outcome{Epoch: 3, Reason: "early_stop", Metrics: map[tracker.Metric]float64{auroc: 0.75, aurocMen: math.NaN()},
		Points: []tracker.Point{point(3, 1)}, Predictions: predictions,
		Diagnostics: []tracker.Diagnostic{{Name: "overlap", Estimate: 0.5, Lo: math.NaN(), Hi: 1, P: math.NaN(), Verdict: "ok"}, {Name: "balance", Detail: []byte(`{"a": 1}`)}}}
	if err := b.finish(l, out); err != nil {
		t.Fatal(err)
	}
	got, err := b.store.Predictions(t.Context(), tracker.RunFilter{SweepID: b.sweep.ID}, "")
	if err != nil || len(got) != 2 {
		t.Fatalf("got %d sets of predictions, %v; want 2", len(got), err)
	}
	want := &tracker.RunPredictions{Run: b.run(l.Run.ID), TestSet: "id", Unit: []int64{-5, 7}, Class: []int16{0, 0}, Label: []float32{nan, 1},
		Score: []float32{0.25, 0.75}, Observed: []float32{0.5, nan}, Pattern: []uint64{1 << 63, 3}, Weight: []float32{1, 1}, Truth: []float32{0, 0}}
	if d := cmp.Diff(want, got[1], cmpopts.EquateNaNs(), cmpopts.IgnoreFields(tracker.RunPredictions{}, "Run")); d != "" || got[1].Run.ID != l.Run.ID {
		t.Errorf("predictions (-want +got):\n%s", d)
	}
	if only, err := b.store.Predictions(t.Context(), tracker.RunFilter{}, "flip"); err != nil || len(only) != 1 || only[0].Weight[0] != 0.5 || only[0].Truth[0] != 0.25 {
		t.Errorf("one test set: got %+v, %v", only, err)
	}
	results, err := b.store.Results(t.Context(), tracker.RunFilter{SweepID: b.sweep.ID})
	if err != nil || results[l.Run.ID][auroc] != 0.75 || !math.IsNaN(results[l.Run.ID][aurocMen]) || len(results[l.Run.ID]) != 2 {
		t.Errorf("results: got %v, %v", results, err)
	}
	if one, err := b.store.Results(t.Context(), tracker.RunFilter{}, auroc, loss); err != nil || len(one[l.Run.ID]) != 1 {
		t.Errorf("one metric: got %v, %v", one, err)
	}
	diagnostics, err := b.store.Diagnostics(t.Context(), l.Run.ID)
	if err != nil || len(diagnostics) != 2 || diagnostics[0].Name != "balance" || string(diagnostics[0].Detail) != `{"a": 1}` ||
		diagnostics[1].Estimate != 0.5 || !math.IsNaN(diagnostics[1].Lo) || diagnostics[1].Verdict != "ok" {
		t.Errorf("diagnostics: got %+v, %v", diagnostics, err)
	}
	if got := b.rows(`select unit, label, score, pattern from predictions order by unit`); got != "-5 <nil> 0.25 far\n7 1 0.75 base+lipid\n" {
		t.Errorf("view predictions: got %s", got)
	}
	if got := b.rows(`select test_set, pattern, truth, score - truth from all_predictions where test_set <> 'id'`); got != "flip 2 0.25 0.25\n" {
		t.Errorf("view all_predictions: got %s", got)
	}
	if got := b.rows(`select lvl, count(*) from predictions p join runs using (run_id) join unit_groups u using (dataset_hash, unit) where grp = 'sex' group by 1 order by 1`); got != "f 1\nm 1\n" {
		t.Errorf("view unit_groups: got %s", got)
	}

	l = b.lease(2)
	for name, p := range map[string]tracker.Prediction{"no test set": {Weight: 1}, "no weight": {TestSet: "id"}} {
		if err := b.finish(l, tracker.Outcome{Predictions: []tracker.Prediction{p}}); err == nil {
			t.Errorf("%s: got no error", name)
		}
	}
	b.wantState(l.Run.ID, tracker.Running)
	_, err = b.store.Dataset(t.Context(), "other")
	wantErr(t, err, tracker.ErrNotFound)
}

// TestFinish_Many crosses the size of one insert.
func TestFinish_Many(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	const n = 60_000
	predictions := make([]tracker.Prediction, n)
	for i := range predictions {
		predictions[i] = tracker.Prediction{TestSet: "id", Unit: int64(i), Class: int16(i % 3), Score: float32(i) / n, Weight: 1}
	}
	if err := b.finish(l, tracker.Outcome{Predictions: predictions}); err != nil {
		t.Fatal(err)
	}
	got, err := b.store.Predictions(t.Context(), tracker.RunFilter{}, "id")
	if err != nil || len(got) != 1 || len(got[0].Unit) != n {
		t.Fatalf("got %d sets, %v", len(got), err)
	}
	for i, p := range predictions {
		if got[0].Unit[i] != p.Unit || got[0].Class[i] != p.Class || got[0].Score[i] != p.Score {
			t.Fatalf("row %d: got unit %d, class %d, score %v; want %+v", i, got[0].Unit[i], got[0].Class[i], got[0].Score[i], p)
		}
	}
}

func TestMetric_String(t *testing.T) {
	for want, m := range map[string]tracker.Metric{
		"loss":            {Name: "loss"},
		"val/auroc":       auroc,
		"val/auroc@sex":   {Name: "auroc", Split: "val", Group: "sex"},
		"val/auroc@sex=m": aurocMen,
	} {
		if got := m.String(); got != want {
			t.Errorf("got %s, want %s", got, want)
		}
	}
}
