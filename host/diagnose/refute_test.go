package diagnose

import (
	"math"
	"math/rand/v2"
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

// Estimators with a fault that one refuter is for: it fails in nearly all sets, and
// seldom in those of a sound one.
func TestRefuters_ErrorRates(t *testing.T) {
	draw := func(r *rand.Rand) Study {
		s := Study{Width: 1, Patients: clusters(200)}
		for range 200 {
			w := r.NormFloat64()
			exposure := indicator(r.Float64() < sigmoid(w))
			s.Covariates, s.Exposure = append(s.Covariates, w), append(s.Exposure, exposure)
			s.Outcome = append(s.Outcome, indicator(r.Float64() < sigmoid(w+exposure-.5)))
		}
		return s
	}
	// Reads the last column as the exposure.
	misplaced := func(s Study) float64 {
		last := s
		last.Exposure, last.Covariates, last.Width = nil, nil, 0
		for i := range s.Outcome {
			last.Exposure = append(last.Exposure, s.Covariates[(i+1)*s.Width-1])
		}
		return LogOddsRatio(last)
	}
	// A count where a rate was meant.
	count := func(s Study) float64 { return dot(s.Exposure, s.Outcome) }
	// The agreement with the outcome of the nearest other row, which on resampled
	// patients is often the row itself.
	nearest := func(s Study) float64 {
		agreed := 0.
		for i, w := range s.Covariates {
			best, gap := 0, math.Inf(1)
			for j, v := range s.Covariates {
				if d := math.Abs(v - w); j != i && d < gap {
					best, gap = j, d
				}
			}
			agreed += indicator(s.Outcome[best] == s.Outcome[i]) / float64(len(s.Outcome))
		}
		return agreed - .5
	}
	for name, planted := range map[string]Estimator{"random_common_cause": misplaced, "data_subset": count, "bootstrap": nearest} {
		judge := func(estimate Estimator) func(r *rand.Rand) Verdict {
			return func(r *rand.Rand) Verdict {
				s := draw(r)
				f := Refuters{Repeats: 40, Subset: .8, Rand: r}
				original := estimate(s)
				switch name {
				case "random_common_cause":
					const se = .33 // of the log odds ratio of 200 rows
					return f.RandomCommonCause(s, estimate, original, se).Verdict
				case "data_subset":
					return f.DataSubset(s, estimate, original).Verdict
				}
				return f.Bootstrap(s, estimate, original).Verdict
			}
		}
		rates(t, name, 60, judge(LogOddsRatio), judge(planted))
	}
}
