package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func TestIQM_SciPy(t *testing.T) {
	for _, f := range load(t).IQM {
		near(t, "iqm", IQM(append(f.Values, math.NaN())), f.IQM, 1e-12)
	}
	nan(t, "iqm of none", IQM(nil))
}

func TestStratifiedIQM(t *testing.T) {
	// Without spread within strata, drawing within them changes nothing.
	fixed := [][]float64{{1, 1, 1}, {2, 2, 2}, {6, 6, math.NaN()}}
	got := StratifiedIQM(fixed, 100, 0.95, rand.New(rand.NewPCG(1, 1)))
	want := IQM([]float64{1, 1, 1, 2, 2, 2, 6, 6})
	near(t, "estimate", float64(got.Estimate), want, 1e-12)
	near(t, "low", float64(got.Low), want, 1e-12)
	near(t, "high", float64(got.High), want, 1e-12)
	spread := [][]float64{{1, 2, 3}, {2, 3, 4}}
	a := StratifiedIQM(spread, 500, 0.95, rand.New(rand.NewPCG(1, 1)))
	b := StratifiedIQM(spread, 500, 0.95, rand.New(rand.NewPCG(1, 1)))
	if a != b || a.Low >= a.Estimate || a.High <= a.Estimate {
		t.Errorf("got %+v and %+v", a, b)
	}
	none := StratifiedIQM(nil, 10, 0.95, rand.New(rand.NewPCG(1, 1)))
	nan(t, "estimate of none", float64(none.Estimate))
	nan(t, "low of none", float64(none.Low))
	two := StratifiedIQM([][]float64{{1, 2}, {3, 5}}, 10, 0.95, rand.New(rand.NewPCG(1, 1)))
	nan(t, "low of two seeds", float64(two.Low))
}
