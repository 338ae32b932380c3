package train_test

import (
	"math"
	"reflect"
	"testing"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func examination(t *testing.T, o *opener, change func(cfg *train.Config)) *train.Examination {
	t.Helper()
	cfg := config(4)
	cfg.Examine = true
	change(&cfg)
	outcome, _ := finish(t, cfg, data(t, marked(t, 900, func(int, *patient) {})), o, 100)
	if outcome.Examination == nil {
		t.Fatal("there is no examination")
	}
	return outcome.Examination
}

// The questions are what they are said to be, and asked without labels and after
// training.
func TestRun_Examines(t *testing.T) {
	trained, seen := false, 0
	o := &opener{watch: func(req sdk.ForwardRequest) {
		if req.Mode == sdk.Train {
			trained = true
			return
		}
		if req.Labels != nil {
			t.Error("labels of an examined row reach the backbone")
		}
		seen += len(req.Rows)
	}}
	e := examination(t, o, func(*train.Config) {})
	n := len(e.Rows)
	if !trained || seen == 0 || n < 100 || len(e.Score) != n || len(e.Labels) != n || len(e.Claimed) != n || len(e.Placebo) != n || len(e.Reference) != n {
		t.Fatalf("got %d rows and %d scores", n, len(e.Score))
	}
	if e.Told != nil || e.Causal != nil || e.BiasedSwapped != nil {
		t.Error("a plain head is told no pattern and has no branches")
	}
	for i := 1; i < n; i++ {
		if e.Rows[i] <= e.Rows[i-1] {
			t.Fatal("rows are not ascending")
		}
	}
	names := map[string]bool{}
	for _, h := range e.Hidden {
		names[h.Modality] = true
		if len(h.Rows) != len(h.Score) || len(h.Rows) != len(h.Reference) {
			t.Errorf("%s: %d rows, %d scores", h.Modality, len(h.Rows), len(h.Score))
		}
		moved := 0.0
		for k, i := range h.Rows {
			moved += math.Abs(h.Score[k] - e.Score[i])
		}
		if moved == 0 {
			t.Errorf("hiding %s moves nothing", h.Modality)
		}
	}
	if !names["base"] || !names["lab"] || !names["exam"] {
		t.Errorf("hidden were %v", names)
	}
	// The backbone gives zeros for what is missing: with the bit or without, a row
	// that has everything is asked nothing new.
	for i, a := range e.Availability {
		if a == 7 && (e.Claimed[i] != e.Score[i] || e.Placebo[i] != e.Score[i]) {
			t.Fatal("a row that has everything answers otherwise when told so")
		}
	}
	if len(e.Rates) != 5 || len(e.DriftRows) == 0 || len(e.DriftFull) != len(e.DriftRows)*e.Width || len(e.DriftMasked) != len(e.DriftFull) {
		t.Errorf("got %d rates and %d rows of drift", len(e.Rates), len(e.DriftRows))
	}
	again := examination(t, &opener{}, func(*train.Config) {})
	if !reflect.DeepEqual(e, again) {
		t.Error("the same run examines otherwise")
	}

	plain, _ := finish(t, config(4), data(t, cohort(t, 400)), &opener{}, 100)
	if plain.Examination != nil {
		t.Error("a run examines without being asked")
	}
}

// An adjusted prediction does not care what pattern it is told; its unadjusted twin
// and a head that is shown the mask do.
func TestRun_ExaminesWhatTheHeadIsTold(t *testing.T) {
	moved := func(a, b []float64) float64 {
		sum := 0.0
		for i := range a {
			sum += math.Abs(a[i] - b[i])
		}
		return sum / float64(len(a))
	}
	md := examination(t, &opener{}, func(cfg *train.Config) {
		var err error
		if cfg.Missingness, err = causal.ParseMissingness(map[string]any{"warmup": int64(0)}); err != nil {
			t.Fatal(err)
		}
	})
	if reported, inner := moved(md.Score, md.Told), moved(md.Observed, md.Reliant); reported > 1e-7 || inner < 1e-4 {
		t.Errorf("adjusted predictions move by %v, unadjusted ones by %v", reported, inner)
	}
	info := sdk.Info{Capabilities: sdk.Capabilities{RevealsAvailability: true}}
	mask := examination(t, &opener{info: info, strategy: strategy.New(info, func(strategy.Config) (strategy.Rule, error) { return struct{}{}, nil })}, func(*train.Config) {})
	if v := moved(mask.Score, mask.Told); v < 1e-4 {
		t.Errorf("a head that is shown the mask moves by %v", v)
	}
}

// Where nothing is predicted from z_b, swapping it moves nothing of what is
// reported; with its own z_b it does.
func TestRun_ExaminesBranches(t *testing.T) {
	for predict, reacts := range map[string]bool{"drop": false, "own": true} {
		e := examination(t, &opener{}, func(cfg *train.Config) {
			var err error
			if cfg.DualBranch, err = causal.ParseDualBranch(map[string]any{"split": "gce", "predict": predict}); err != nil {
				t.Fatal(err)
			}
		})
		differs := func(a, b []float64) bool { return !reflect.DeepEqual(a, b) }
		if differs(e.Score, e.BiasedSwapped) != reacts || !differs(e.Score, e.CausalSwapped) || !differs(e.Observed, e.BiasedObserved) {
			t.Errorf("%s: swapping z_b moves what is reported: %v", predict, !reacts)
		}
		if len(e.Causal) != len(e.Rows)*e.CausalWidth || len(e.Biased) != len(e.Rows)*e.BiasedWidth || e.CausalWidth == 0 {
			t.Errorf("%s: %d and %d columns", predict, e.CausalWidth, e.BiasedWidth)
		}
	}
}
