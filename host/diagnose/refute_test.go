package diagnose

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// study has an exposure that the covariate drives and that moves the outcome by
// effect on the logit scale.
func study(n int, effect float64) Study {
	r := rng.Stream(7, "study")
	s := Study{Width: 1, Patients: clusters(n)}
	for range n {
		w := r.NormFloat64()
		t, y := 0., 0.
		if r.Float64() < sigmoid(w) {
			t = 1
		}
		if r.Float64() < sigmoid(w+effect*t-.5) {
			y = 1
		}
		s.Covariates, s.Exposure, s.Outcome = append(s.Covariates, w), append(s.Exposure, t), append(s.Outcome, y)
	}
	return s
}

func refuters() Refuters {
	return Refuters{Repeats: 40, Subset: .8, Rand: rng.Stream(1, "refute")}
}

func TestRefuters_SoundEstimator(t *testing.T) {
	findings := refuters().All(study(800, 1), LogOddsRatio)
	want := []string{"placebo_mask", "placebo_outcome", "dummy_outcome", "random_common_cause", "data_subset", "bootstrap"}
	if len(findings) != len(want) {
		t.Fatalf("got %d findings, want %d", len(findings), len(want))
	}
	for i, f := range findings {
		if f.Name != want[i] || f.Verdict != OK || f.Reason == "" || f.N != 800 {
			t.Errorf("got %+v, want an ok %s", f, want[i])
		}
	}
	if Worst(findings...) != OK {
		t.Errorf("got %q", Worst(findings...))
	}
}

// An estimator that forgets the covariate finds an effect in an outcome that has
// none.
func TestRefuters_UnadjustedEstimatorFails(t *testing.T) {
	s := study(2000, 0)
	crude := func(s Study) float64 {
		s.Covariates, s.Width = nil, 0
		return LogOddsRatio(s)
	}
	f := refuters().DummyOutcome(s, crude, crude(s))
	if f.Verdict != Fail {
		t.Errorf("got %+v", f)
	}
	// The placebo that keeps the dependence on the covariate tells as much.
	r := refuters()
	for _, w := range s.Covariates {
		r.Strata = append(r.Strata, int(math.Floor(2*w)))
	}
	if f := r.PlaceboMask(s, crude, crude(s)); f.Verdict != Fail {
		t.Errorf("within strata: got %+v", f)
	}
}

// An estimator that answers with the number of columns is not stable.
func TestRefuters_UnstableEstimatorsFail(t *testing.T) {
	s := study(200, 0)
	columns := func(s Study) float64 { return float64(s.Width) }
	if f := refuters().RandomCommonCause(s, columns, 1, .1); f.Verdict != Fail {
		t.Errorf("random common cause: got %+v", f)
	}
	rows := func(s Study) float64 { return float64(len(s.Outcome)) }
	if f := refuters().DataSubset(s, rows, 200); f.Verdict != Fail || f.Estimate != 160 {
		t.Errorf("subset: got %+v", f)
	}
	none := func(Study) float64 { return math.NaN() }
	for _, f := range refuters().All(s, none) {
		if f.Verdict != None || f.Reason == "" {
			t.Errorf("no estimate: got %+v", f)
		}
	}
}

// Several rows of a patient are drawn together.
func TestRefuters_BootstrapDrawsPatients(t *testing.T) {
	s := study(100, 0)
	for i := range s.Patients {
		s.Patients[i] = int64(i / 50)
	}
	sizes := map[int]bool{}
	refuters().Bootstrap(s, func(s Study) float64 {
		count := map[int64]int{}
		for _, p := range s.Patients {
			count[p]++
		}
		for _, n := range count {
			sizes[n%50] = true
		}
		return 0
	}, 0)
	if len(sizes) != 1 || !sizes[0] {
		t.Errorf("a patient was cut apart: %v", sizes)
	}
}
