package train_test

import (
	"cmp"
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
)

// bothComponents is the variant that uses all there is to know of the training
// rows: availability, labels, covariates and representations.
func bothComponents(t *testing.T, cfg train.Config, branch map[string]any) train.Config {
	t.Helper()
	var err error
	if cfg.Missingness, err = causal.ParseMissingness(map[string]any{"dictionary": "kmeans", "clusters": int64(4), "code": "both"}); err != nil {
		t.Fatal(err)
	}
	if cfg.DualBranch, err = causal.ParseDualBranch(branch); err != nil {
		t.Fatal(err)
	}
	return cfg
}

// Rows that are poisoned, in features, labels and availability, change nothing
// where they may not be used: test rows neither training nor validation nor the
// choice of the epoch, validation rows no step of training.
func TestRun_PoisonedRowsDoNotLeak(t *testing.T) {
	for name, branch := range map[string]map[string]any{
		"gce":          {"predict": "marginal", "pool": int64(50)},
		"availability": {"split": "availability", "mechanism": "confounder", "pool": int64(50)},
	} {
		t.Run(name, func(t *testing.T) { poisonedRowsDoNotLeak(t, branch) })
	}
}

func poisonedRowsDoNotLeak(t *testing.T, branch map[string]any) {
	ages := make([]float64, 400)
	clean := marked(t, 400, func(i int, p *patient) { ages[i] = p.age })
	cfg := bothComponents(t, config(3), branch)
	d := data(t, clean)
	want, points := finish(t, cfg, d, &opener{}, 100)
	patients := patientsOf(clean, d, ages)

	for _, part := range []struct {
		name string
		rows []int32
	}{{"test", d.Split.Test}, {"validation", d.Split.Validation}} {
		poisoned := map[int]bool{}
		for _, row := range part.rows {
			poisoned[patients[row]] = true
		}
		store := marked(t, 400, func(i int, p *patient) {
			if poisoned[i] {
				p.marker = -1e6
				p.age, p.lab, p.measured, p.label = 1e6, -1e6, !p.measured, 1-p.label
			}
		})
		for row, label := range clean.Labels() {
			if (store.Labels()[row] != label) != poisoned[patients[row]] {
				t.Fatalf("%s: row %d has label %v, without poison %v", part.name, row, store.Labels()[row], label)
			}
		}
		got, again := finish(t, cfg, data(t, store), &opener{}, 100)
		differ := false
		for epoch, values := range points {
			for metric, value := range values {
				same := math.Float64bits(again[epoch][metric]) == math.Float64bits(value) || (value != value && again[epoch][metric] != again[epoch][metric])
				if !same && (metric.Split == "train" || part.name == "test") {
					t.Errorf("poisoned %s rows: epoch %d, %+v is %v, want %v", part.name, epoch, metric, again[epoch][metric], value)
				}
				differ = differ || !same
			}
		}
		if part.name == "test" && got.BestEpoch != want.BestEpoch {
			t.Errorf("poisoned test rows: best epoch %d, want %d", got.BestEpoch, want.BestEpoch)
		}
		if part.name == "validation" && !differ {
			t.Error("poisoned validation rows changed no validation metric: the test poisons nothing")
		}
		auroc := train.Metric{Name: "auroc", Split: "test"}
		if part.name == "test" && got.Values[auroc] == want.Values[auroc] {
			t.Error("poisoned test rows changed no test metric: the test poisons nothing")
		}
	}
}

// patientsOf finds the patient of every row of a store, which orders rows by
// hashed identifiers: the covariate is the age, standardised.
func patientsOf(store *dataset.Store, d train.Data, ages []float64) []int {
	rows, byAge := make([]int32, len(ages)), make([]int, len(ages))
	for i := range rows {
		rows[i], byAge[i] = int32(i), i
	}
	w := store.Covariates(rows, d.Split.Train)
	slices.SortFunc(rows, func(a, b int32) int { return cmp.Compare(w[a], w[b]) })
	slices.SortFunc(byAge, func(a, b int) int { return cmp.Compare(ages[a], ages[b]) })
	patients := make([]int, len(ages))
	for rank, row := range rows {
		patients[row] = byAge[rank]
	}
	return patients
}

// With freeze, the joint stage trains the joint head alone: the backbone answers
// the same from then on, whatever momentum and weight decay it has.
func TestRun_FreezeStopsTheBackbone(t *testing.T) {
	d := data(t, cohort(t, 400))
	cfg := bothComponents(t, config(3), map[string]any{"freeze": true, "joint_start": 0.5})
	cfg.Optimizer.Name, cfg.Optimizer.WeightDecay = "adamw", 0.1
	first := d.Split.Validation[0]
	var states [][]float32 // h of the first validation row, by epoch
	backwards := 0
	o := &opener{
		answer: func(req sdk.ForwardRequest, resp *sdk.ForwardResponse) {
			if req.Mode == sdk.Eval && req.Rows[0] == first {
				states = append(states, append([]float32(nil), resp.H.Data[:cfg.Width]...))
			}
		},
		backward: func(sdk.BackwardRequest) { backwards++ },
	}
	finish(t, cfg, d, o, 100)
	for epoch := 1; epoch < cfg.Epochs; epoch++ {
		same := true
		for j, v := range states[epoch] {
			same = same && v == states[epoch-1][j]
		}
		if frozen := epoch >= 3; same != frozen {
			t.Errorf("epoch %d: the representation stayed the same: %v, want %v", epoch, same, frozen)
		}
	}
	if steps := (len(d.Split.Train) + cfg.BatchSize - 1) / cfg.BatchSize; backwards != 3*steps {
		t.Errorf("%d backward passes, want %d", backwards, 3*steps)
	}
}
