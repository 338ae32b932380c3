package mlflow_test

import (
	"context"
	"math"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/deconfound/deconfound/tracker/mlflow"
)

func noEnvironment(string) string { return "" }

func open(t *testing.T, place string) mlflow.Store {
	t.Helper()
	s, err := mlflow.Open(place, noEnvironment)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// all reads every run, by experiment.
func all(t *testing.T, s mlflow.Store) map[string][]mlflow.Run {
	t.Helper()
	experiments, err := s.Experiments(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]mlflow.Run{}
	for _, e := range experiments {
		out[e.Name] = nil
		if err := s.Runs(t.Context(), e, func(r mlflow.Run) error {
			out[e.Name] = append(out[e.Name], r)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

func values(points []mlflow.Point) (out []float64) {
	for _, p := range points {
		out = append(out, p.Value)
	}
	return out
}

// TestDirectory_Read reads what MLflow wrote: testdata/fixture.py.
func TestDirectory_Read(t *testing.T) {
	got := all(t, open(t, "testdata/mlruns"))
	if len(got) != 3 || len(got["Default"]) != 0 || len(got["fusion study"]) != 7 || len(got["notes"]) != 1 {
		t.Fatalf("got %d experiments with %d and %d runs; want 3, none of them deleted, with 7 and 1", len(got), len(got["fusion study"]), len(got["notes"]))
	}
	first, last := got["fusion study"][1], got["fusion study"][6]
	if first.Name != "groupdro-0" || first.Status != mlflow.Finished || first.User != "analyst" || !first.End.After(first.Start) {
		t.Errorf("got %+v", first)
	}
	if d := cmp.Diff(map[string]string{"variant": "groupdro", "backbone": "medfuse", "dataset": "mimic", "seed": "0", "lr": "0.001"}, first.Params); d != "" {
		t.Errorf("params (-want +got):\n%s", d)
	}
	if d := cmp.Diff([]float64{0.72, 0.73, 0.74}, values(first.Metrics["val/auroc"]), cmpopts.EquateApprox(0, 1e-12)); d != "" {
		t.Errorf("val/auroc (-want +got):\n%s", d)
	}
	if p := first.Metrics["val/auroc"][2]; p.Step != 2 || p.At.Before(first.Start) {
		t.Errorf("got point %+v", p)
	}
	if d := cmp.Diff([]float64{math.NaN(), math.Inf(1)}, values(last.Metrics["train/loss"]), cmpopts.EquateNaNs()); d != "" || last.Status != mlflow.Failed {
		t.Errorf("failed run: %s (-want +got):\n%s", last.Status, d)
	}
	if got := got["notes"][0].Params["text"]; got != "line 1\nMüller: \"x\"" {
		t.Errorf("got text %q", got)
	}
}

// sample is a run with everything that is hard to write.
func sample(name string) mlflow.Run {
	at := time.Date(2026, 3, 1, 12, 0, 0, 5e6, time.UTC)
	return mlflow.Run{
		ID: mlflow.ID("sample", name), Name: name, User: "analyst", Status: mlflow.Killed, Start: at, End: at.Add(time.Minute),
		Params: map[string]string{"optimizer.lr": "0.001", "empty": "", "text": "a: [1,\n2]"},
		Tags:   map[string]string{"key": name, "mlflow.runName": name},
		Metrics: map[string][]mlflow.Point{
			"val/auroc": {{0, at, 0.1}, {1, at, math.NaN()}, {2, at, math.Inf(-1)}, {3, at, math.Inf(1)}},
			"loss":      {{7, at, 1.2345678901234567e-30}},
		},
	}
}

// several hands out runs.
func several(runs ...mlflow.Run) func(func(mlflow.Run) error) error {
	return func(yield func(mlflow.Run) error) error {
		for _, r := range runs {
			if err := yield(r); err != nil {
				return err
			}
		}
		return nil
	}
}

// writes checks that a store gives back what it was given, and takes each run once.
func writes(t *testing.T, s mlflow.Store) {
	t.Helper()
	for _, step := range []struct {
		runs []mlflow.Run
		want int
	}{{[]mlflow.Run{sample("one"), sample("two")}, 2}, {[]mlflow.Run{sample("two"), sample("three")}, 1}} {
		if n, err := s.Write(t.Context(), "a name", "key", several(step.runs...)); err != nil || n != step.want {
			t.Errorf("got %d runs, %v; want %d", n, err, step.want)
		}
	}
	want := []mlflow.Run{sample("one"), sample("two"), sample("three")}
	options := []cmp.Option{
		cmpopts.EquateNaNs(), cmpopts.IgnoreFields(mlflow.Run{}, "ID"), // a server's own
		cmpopts.SortSlices(func(a, b mlflow.Run) bool { return a.Name < b.Name }),
	}
	if d := cmp.Diff(want, all(t, s)["a name"], options...); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestDirectory_Write(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "mlruns")
	writes(t, open(t, "file://"+dir))
	bad := sample("bad")
	bad.Metrics["../../outside"] = nil
	if _, err := open(t, dir).Write(t.Context(), "a name", "key", several(bad)); err == nil {
		t.Error("a metric that leaves the directory: got no error")
	}
	if got := len(all(t, open(t, dir))["a name"]); got != 3 {
		t.Errorf("%d runs, want the 3 that are whole", got)
	}
}

func TestOpen_Refuses(t *testing.T) {
	for place, want := range map[string]string{"": "no directory", "sqlite:///mlflow.db": "mlflow server", "file://host/dir": "file:///", "databricks://x": "mlflow server"} {
		if _, err := mlflow.Open(place, noEnvironment); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got %v, want %q in it", place, err, want)
		}
	}
	if _, err := open(t, filepath.Join(t.TempDir(), "none")).Experiments(context.Background()); err == nil {
		t.Error("a directory that is not there: got no error")
	}
}

func TestName(t *testing.T) {
	for name, want := range map[string]string{
		"val/auroc": "val/auroc", "val/auroc@sex=m": "val/auroc_sex_m", "labs+ecg": "labs_ecg", "../../etc": "__/__/etc", "/a//b/": "a/b", "ä": "_", "": "_", "net_benefit@0.1": "net_benefit_0.1",
	} {
		if got := mlflow.Name(name); got != want {
			t.Errorf("%q: got %q, want %q", name, got, want)
		}
	}
}
