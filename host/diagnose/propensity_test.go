package diagnose

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

type propensityCase struct {
	X, Available, Propensity      values
	Folds                         []int
	AUROC, Brier, Slope, Outside  float64
	Quantiles, Weights, Effective values
	Overlap, Heaviest             float64
	Histogram                     [2][]int // with and without
	SMD                           values
	WeightedSMD                   values `json:"weighted_smd"`
	VarianceRatio                 values `json:"variance_ratio"`
}

func TestPropensity_Reference(t *testing.T) {
	c := fixture[propensityCase](t, "propensity")
	p, err := CrossFit(c.X, 3, c.Available, c.Folds, 1)
	if err != nil {
		t.Fatal(err)
	}
	nearAll(t, "propensity", p, c.Propensity)
	d := DescribePropensity(p, c.Available)
	near(t, "auroc", d.AUROC, c.AUROC)
	near(t, "brier", d.Brier, c.Brier)
	near(t, "slope", d.Slope, c.Slope)
	near(t, "outside", d.Outside, c.Outside)
	nearAll(t, "quantiles", []float64{d.Min, d.Low99, d.High99, d.Max}, c.Quantiles)
	near(t, "overlap", d.Overlap, c.Overlap)
	nearAll(t, "effective size", []float64{d.Effective, d.EffectiveAvailable, d.EffectiveMissing}, c.Effective)
	if h := CountPropensity(p, c.Available); !slices.Equal(h.With, c.Histogram[0]) || !slices.Equal(h.Without, c.Histogram[1]) {
		t.Errorf("got %v, want %v", h, c.Histogram)
	}
	near(t, "heaviest", d.Heaviest, c.Heaviest)
	w := StabilisedWeights(p, c.Available)
	nearAll(t, "weights", w, c.Weights)
	for j, b := range CompareCovariates([]string{"a", "b", "c"}, c.X, 3, c.Available, w) {
		near(t, "smd", float64(b.SMD), c.SMD[j])
		near(t, "weighted smd", float64(b.WeightedSMD), c.WeightedSMD[j])
		near(t, "variance ratio", float64(b.VarianceRatio), c.VarianceRatio[j])
	}
}

func TestDescribePropensity_OneKindOfRow(t *testing.T) {
	d := DescribePropensity([]float64{.9, .8}, []float64{1, 1})
	nan(t, "auroc", d.AUROC)
	nan(t, "overlap", d.Overlap)
	nan(t, "effective size of no rows", d.EffectiveMissing)
	near(t, "effective size", d.Effective, (1/.9+1/.8)*(1/.9+1/.8)/(1/.81+1/.64))
}

func TestCountPropensity_Ends(t *testing.T) {
	h := CountPropensity([]float64{0, .049, .05, .999, 1}, []float64{1, 0, 1, 0, 1})
	if h.With[0] != 1 || h.Without[0] != 1 || h.With[1] != 1 || h.Without[19] != 1 || h.With[19] != 1 {
		t.Errorf("got %v", h)
	}
}

func TestJudgeBalance_FollowsItsBounds(t *testing.T) {
	list := func(after ...float64) []Balance {
		out := []Balance{{Covariate: "constant", SMD: number(math.NaN()), WeightedSMD: number(math.NaN())}}
		for _, v := range after {
			out = append(out, Balance{Covariate: "age", SMD: .9, WeightedSMD: number(v)})
		}
		return out
	}
	for _, c := range []struct {
		list []Balance
		left float64
		want Verdict
	}{
		{list(.02, -.1), .1, OK}, {list(.02, -.11), .11, Warn}, {list(.25), .25, Warn}, {list(-.26, .1), .26, Fail}, {list(math.Inf(-1)), math.Inf(1), Fail},
	} {
		if f := JudgeBalance("balance", c.list, 100, 80); float64(f.Estimate) != c.left || f.Verdict != c.want || f.EffectiveN != 80 || f.Reason == "" {
			t.Errorf("%v: got %+v, want %v and %q", c.list, f, c.left, c.want)
		}
	}
	nan(t, "the balance of what does not vary", float64(JudgeBalance("balance", list(), 100, 80).Estimate))
}

func TestJudges_FollowTheirBounds(t *testing.T) {
	n := 100
	patients := make([]int64, n)
	for i := range patients {
		patients[i] = int64(i)
	}
	boot := func() Bootstrap { return Bootstrap{patients, 200, rng.Stream(1, "test")} }
	for _, c := range []struct {
		outside int
		want    Verdict
	}{{0, OK}, {10, Warn}, {30, Fail}} {
		p := make([]float64, n)
		for i := range p {
			if p[i] = .5; i < c.outside {
				p[i] = .01
			}
		}
		f := Positivity("positivity", p, .5, boot())
		if f.Verdict != c.want || f.N != n || !(f.Low <= f.Estimate && f.Estimate <= f.High) {
			t.Errorf("%d rows outside: got %+v, want %q", c.outside, f, c.want)
		}
	}
	for _, c := range []struct {
		heavy float64
		want  Verdict
	}{{1, OK}, {20, Fail}, {12, Warn}} {
		w := make([]float64, n)
		for i := range w {
			if w[i] = 1; i < 3 {
				w[i] = c.heavy
			}
		}
		if f := EffectiveSize("ess", w, boot()); f.Verdict != c.want {
			t.Errorf("three rows of weight %v: got %+v, want %q", c.heavy, f, c.want)
		}
	}
	rare := make([]float64, n) // a block that 2 % have, whoever they are
	for i := range rare {
		rare[i] = .02
	}
	if f := Positivity("positivity", rare, .02, boot()); f.Verdict != Warn || f.Estimate != 1 {
		t.Errorf("a rare block: got %+v", f)
	}
	if f := Positivity("positivity", nil, .5, boot()); f.Verdict != None || f.Reason == "" {
		t.Errorf("no rows: got %+v", f)
	}
}

// Rows of one patient are never fitted and predicted together, and the order of
// rows does not matter.
func TestFolds_KeepPatientsTogether(t *testing.T) {
	patients := []int64{5, 9, 5, 1, 9, 2, 3, 4, 7, 8}
	folds := Folds(patients, 3, rng.Stream(1, "folds"))
	if folds[0] != folds[2] || folds[1] != folds[4] {
		t.Errorf("a patient is in several folds: %v", folds)
	}
	if slices.Max(folds) != 2 || slices.Min(folds) != 0 {
		t.Errorf("got folds %v, want 0 to 2", folds)
	}
	slices.Reverse(patients)
	again := Folds(patients, 3, rng.Stream(1, "folds"))
	slices.Reverse(again)
	if !slices.Equal(folds, again) {
		t.Errorf("another order of rows: got %v, want %v", again, folds)
	}
}
