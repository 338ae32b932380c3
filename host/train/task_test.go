package train_test

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// Every task is trained with every component, in one slice and in many, to the
// same bits, and every known label of a test row has one prediction.
func TestRun_TasksAndComponents(t *testing.T) {
	for _, task := range []string{"binary", "multiclass", "multilabel"} {
		store := cohortOf(t, 400, task, func(int, *patient) {})
		d := data(t, store)
		for _, variant := range []struct {
			name                string
			missingness, branch map[string]any
			reveal              bool
		}{
			{name: "erm"},
			{name: "mask_feature", reveal: true},
			{name: "mask_do", missingness: map[string]any{"mode": "mask_do"}},
			{name: "md", missingness: map[string]any{"code": "both"}},
			{name: "nwgm", missingness: map[string]any{"mode": "nwgm", "attention": int64(8), "projection": int64(8)}},
			{name: "db", branch: map[string]any{"independence": "vclub"}},
			{name: "md_db", missingness: map[string]any{}, branch: map[string]any{"independence": "orthogonal"}},
		} {
			t.Run(task+"/"+variant.name, func(t *testing.T) {
				cfg := config(3)
				cfg.Epochs, cfg.Examine = 3, true
				var err error
				if variant.missingness != nil {
					if cfg.Missingness, err = causal.ParseMissingness(variant.missingness); err != nil {
						t.Fatal(err)
					}
				}
				if variant.branch != nil {
					if cfg.DualBranch, err = causal.ParseDualBranch(variant.branch); err != nil {
						t.Fatal(err)
					}
				}
				o := &opener{}
				if variant.reveal {
					o.info = sdk.Info{Capabilities: sdk.Capabilities{RevealsAvailability: true}}
					o.strategy = strategy.New(o.info, func(strategy.Config) (strategy.Rule, error) { return struct{}{}, nil })
				}
				want, _ := finish(t, cfg, d, o, 100)
				got, _ := finish(t, cfg, d, o, 1)
				sameOutcome(t, got, want)
				checkPredictions(t, store, d, want)
				if auroc := want.Values[train.Metric{Name: "auroc", Split: "test"}]; !(auroc > 0 && auroc <= 1) {
					t.Errorf("test auroc is %v", auroc)
				}
				_, spoofed := want.Values[train.Metric{Name: "spoofing", Split: "val"}]
				_, varied := want.Values[train.Metric{Name: "enumeration_variance", Split: "do"}]
				if md := variant.name == "md" || variant.name == "md_db"; spoofed != md || varied != (md || variant.name == "db") {
					t.Errorf("diagnostics of the adjustment: spoofing %v, variance %v", spoofed, varied)
				}
			})
		}
	}
}

func checkPredictions(t *testing.T, store *dataset.Store, d train.Data, got train.Outcome) {
	t.Helper()
	task := store.Task()
	width := len(store.Labels()) / store.Rows()
	type key struct {
		unit  int64
		class int
	}
	want := map[key]float32{}
	for _, row := range d.Split.Test {
		unit := store.UnitHash()[row]
		label := store.Labels()[int(row)*width : (int(row)+1)*width]
		switch task.Kind {
		case "binary":
			want[key{unit, 1}] = label[0]
		case "multiclass":
			for c := range task.Classes {
				want[key{unit, c}] = 0
			}
			want[key{unit, int(label[0])}] = 1
		default:
			for c, l := range label {
				if l == l {
					want[key{unit, c}] = l
				}
			}
		}
	}
	sums, n := map[int64]float64{}, 0
	for _, p := range got.Predictions {
		if p.TestSet != "test" {
			continue
		}
		n++
		label, known := want[key{p.Unit, p.Class}]
		if !known || label != p.Label || !(p.Score >= 0 && p.Score <= 1) {
			t.Fatalf("prediction %+v, want label %v, known %v", p, label, known)
		}
		sums[p.Unit] += float64(p.Score)
	}
	if n != len(want) {
		t.Errorf("got %d predictions, want %d", n, len(want))
	}
	for unit, sum := range sums {
		if task.Kind == "multiclass" && math.Abs(sum-1) > 1e-5 {
			t.Fatalf("scores of unit %d sum to %v", unit, sum)
		}
	}
}
