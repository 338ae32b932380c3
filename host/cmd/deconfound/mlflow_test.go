package main

import (
	"bytes"
	"math"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/mlflow"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// fixture is what MLflow wrote: tracker/mlflow/testdata/fixture.py.
const fixture = "../../../tracker/mlflow/testdata/mlruns"

func mlflowStore(t *testing.T, place string) mlflow.Store {
	t.Helper()
	s, err := openMLflow(place)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

var byDefault = importing{dataset: "dataset", backbone: "backbone", variant: "variant", seed: "seed", baseline: "erm"}

func TestImportMLflow(t *testing.T) {
	store := trackertest.New(t)
	for range 2 { // the second time replaces
		list, err := importMLflow(t.Context(), store, mlflowStore(t, fixture), byDefault)
		if err != nil {
			t.Fatal(err)
		}
		want := []importedSweep{
			{Sweep: "fusion study", Experiment: "fusion study", Runs: 7, Failed: 1, Cells: []string{"mimic/medfuse/erm", "mimic/medfuse/groupdro"}},
			{Sweep: "notes", Experiment: "notes", Runs: 1, Repeated: 1, Unseeded: 1, Cells: []string{"notes/imported/imported"}},
		}
		if d := cmp.Diff(want, list, cmpopts.SortSlices(func(a, b importedSweep) bool { return a.Sweep < b.Sweep })); d != "" {
			t.Errorf("-want +got:\n%s", d)
		}
	}
	sweep, err := store.Sweep(t.Context(), "", "fusion study")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := sweeps.StoredPlan(sweep); sweep.Imported() != "MLflow" || err == nil || !strings.Contains(err.Error(), "imported from MLflow") {
		t.Errorf("imported from %q, plan: %v", sweep.Imported(), err)
	}
	paired, err := ask(t.Context(), store, `select variant, n, round(mean::numeric, 9)::text, wins from paired where metric = 'auroc' and split = 'test'`)
	if err != nil {
		t.Fatal(err)
	}
	// 0.71 + 0.02 + 0.002 seed against 0.71 + 0.002 seed.
	if d := cmp.Diff([][]any{{"groupdro", int64(3), "0.020000000", int64(3)}}, paired.Rows); d != "" {
		t.Errorf("paired (-want +got):\n%s", d)
	}
	runs, err := store.Runs(t.Context(), tracker.RunFilter{SweepID: sweep.ID, States: []tracker.State{tracker.Failed}})
	if err != nil || len(runs) != 1 {
		t.Fatalf("%d failed runs, %v", len(runs), err)
	}
	curves, err := store.Curves(t.Context(), runs[0].ID)
	if err != nil {
		t.Fatal(err)
	}
	want := map[tracker.Metric][]tracker.StepValue{{Name: "loss", Split: "train"}: {{Step: 0, Value: math.NaN()}, {Step: 1, Value: math.Inf(1)}}}
	if d := cmp.Diff(want, curves, cmpopts.EquateNaNs()); d != "" {
		t.Errorf("curves of the failed run (-want +got):\n%s", d)
	}
	notes, err := ask(t.Context(), store, `select runs.seed > 1000000, spec -> 'params' ->> 'text', value from runs join results using (run_id) where runs.sweep = 'notes'`)
	if err != nil {
		t.Fatal(err)
	}
	if notes.Rows[0][0] != true || notes.Rows[0][1] != "line 1\nMüller: \"x\"" || len(notes.Rows) != 1 {
		t.Errorf("got %v", notes.Rows)
	}

	// A sweep of the program's own is not replaced.
	err = store.InTx(t.Context(), func(tx pgx.Tx) error {
		_, err := store.UpsertSweep(t.Context(), tx, tracker.SweepSpec{Name: "mine"})
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	with := byDefault
	with.experiment, with.name = "notes", "mine"
	if _, err := importMLflow(t.Context(), store, mlflowStore(t, fixture), with); err == nil || !strings.Contains(err.Error(), "not imported") {
		t.Errorf("import over a sweep: got %v", err)
	}
	with.experiment = "none"
	if _, err := importMLflow(t.Context(), store, mlflowStore(t, fixture), with); err == nil || !strings.Contains(err.Error(), "fusion study") {
		t.Errorf("no such experiment: got %v", err)
	}
}

// TestCompareImported says what cannot be said.
func TestCompareImported(t *testing.T) {
	store := trackertest.New(t)
	if _, err := importMLflow(t.Context(), store, mlflowStore(t, fixture), byDefault); err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	a := &app{out: &out, errs: &out, store: store}
	if err := a.compare(t.Context(), comparison{sweep: "fusion study", metric: "auroc"}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"nothing is tested patient by patient", "minus erm", "groupdro  test   auroc             3      0.02"} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("got\n%s\nwant %q in it", out.String(), want)
		}
	}
	if strings.Contains(out.String(), "loss") {
		t.Errorf("asked for auroc, got\n%s", out.String())
	}
	if err := a.compare(t.Context(), comparison{sweep: "notes"}); err != nil {
		t.Errorf("nothing to compare: %v", err)
	}
}

// TestExportMLflow writes what was imported and reads it again.
func TestExportMLflow(t *testing.T) {
	store := trackertest.New(t)
	if _, err := importMLflow(t.Context(), store, mlflowStore(t, fixture), byDefault); err != nil {
		t.Fatal(err)
	}
	sweep, err := store.Sweep(t.Context(), "", "fusion study")
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for _, want := range []int{7, 0} {
		if n, err := exportMLflow(t.Context(), store, sweep, mlflowStore(t, dir), "again"); err != nil || n != want {
			t.Fatalf("got %d runs, %v; want %d", n, err, want)
		}
	}
	target := mlflowStore(t, dir)
	experiments, err := target.Experiments(t.Context())
	if err != nil || len(experiments) != 1 || experiments[0].Name != "again" {
		t.Fatalf("got %v, %v", experiments, err)
	}
	var runs []mlflow.Run
	if err := target.Runs(t.Context(), experiments[0], func(r mlflow.Run) error {
		runs = append(runs, r)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	r := runs[1]
	if len(runs) != 7 || r.Status != mlflow.Finished || runs[6].Status != mlflow.Failed || r.Params["variant"] != "groupdro" || r.Params["seed"] != "0" || r.Params["params.lr"] != "0.001" {
		t.Errorf("got %d runs, of which one is %+v", len(runs), r)
	}
	var values []float64
	for _, p := range r.Metrics["val/auroc"] {
		values = append(values, p.Value)
	}
	if d := cmp.Diff([]float64{0.72, 0.73, 0.74}, values, cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Errorf("curve (-want +got):\n%s", d)
	}
	if got := r.Metrics["final/val/auroc"]; len(got) != 1 || math.Abs(got[0].Value-0.74) > 1e-12 {
		t.Errorf("final value: got %v", got)
	}
}

func TestMLflowName(t *testing.T) {
	for _, m := range []tracker.Metric{{Name: "auroc", Split: "val"}, {Name: "auroc", Split: "test", Group: "sex", Level: "m"}, {Name: "loss"}} {
		if got := metricOf(mlflowName(m)); got != m {
			t.Errorf("%s: got %s back", m, got)
		}
	}
	if got := mlflowName(tracker.Metric{Name: "auroc", Split: "test", Group: "pattern", Level: "labs+ecg"}); got != "test/auroc:pattern:labs_ecg" {
		t.Errorf("got %s", got)
	}
	taken := map[string][]mlflow.Point{"a": nil, "a:2": nil}
	if got := free(taken, "a"); got != "a:3" {
		t.Errorf("got %s", got)
	}
	if got := metricOf("validation/f1"); got != (tracker.Metric{Name: "f1", Split: "val"}) {
		t.Errorf("got %+v", got)
	}
}
