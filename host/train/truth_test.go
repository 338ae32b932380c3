package train_test

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/scm"
	"github.com/deconfound/deconfound/host/train"
)

// Where the truth is known, a run says how far off it is, and how much of the
// confounder each representation holds; elsewhere it says nothing of either.
func TestRun_MeasuresAgainstTheTruth(t *testing.T) {
	scenario, _ := scm.Scenario("S2")
	scenario.Modalities, scenario.Rows, scenario.ValidationRows, scenario.TestRows = 2, 1000, 300, 600
	source, err := scm.Source(scenario, 1)
	if err != nil {
		t.Fatal(err)
	}
	store, err := dataset.Build(source, t.TempDir(), make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	split, err := store.Split(dataset.SplitSpec{Scheme: dataset.Given}, 1)
	if err != nil {
		t.Fatal(err)
	}
	tests, err := store.Tests([]string{"do"}, split, 1)
	if err != nil {
		t.Fatal(err)
	}
	cfg := config(1)
	cfg.Groups = nil
	if cfg.DualBranch, err = causal.ParseDualBranch(map[string]any{"split": "gce"}); err != nil {
		t.Fatal(err)
	}
	outcome, _ := finish(t, cfg, train.Data{Store: store, Split: split, Tests: tests, Scaling: store.Scaling(split.Train)}, &opener{}, 100)

	truth := map[int64]float64{}
	for i, row := range tests[1].Rows {
		truth[store.UnitHash()[row]] = tests[1].Truth[i]
	}
	sum, n := 0.0, 0
	for _, p := range outcome.Predictions {
		if p.TestSet != "do" {
			continue
		}
		if math.Abs(float64(p.Truth)-truth[p.Unit]) > 1e-7 {
			t.Fatalf("unit %d has truth %v, want %v", p.Unit, p.Truth, truth[p.Unit])
		}
		sum += math.Pow(float64(p.Score)-truth[p.Unit], 2)
		n++
	}
	got, want := outcome.Values[train.Metric{Name: "irmse", Split: "do"}], math.Sqrt(sum/float64(n))
	if n != 600 || math.Abs(got-want) > 1e-12 {
		t.Errorf("irmse of %d rows is %v, want %v", n, got, want)
	}
	for _, name := range []string{"confounder_r2", "confounder_r2_causal", "confounder_r2_biased"} {
		if r2, ok := outcome.Values[train.Metric{Name: name, Split: "test"}]; !ok || r2 < .2 || r2 > 1 {
			t.Errorf("%s is %v, %v; spurious columns hold most of U", name, r2, ok)
		}
		if _, ok := outcome.Values[train.Metric{Name: name, Split: "do"}]; ok {
			t.Errorf("%s is measured under do, where columns know nothing of U", name)
		}
	}

	plain, _ := finish(t, config(1), data(t, cohort(t, 400)), &opener{}, 100)
	for metric := range plain.Values {
		if metric.Name == "irmse" || metric.Name == "excess_log_loss" || metric.Name == "confounder_r2" {
			t.Errorf("%+v is measured without a truth", metric)
		}
	}
}
