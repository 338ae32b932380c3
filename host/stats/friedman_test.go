package stats

import (
	"math"
	"testing"
)

func TestFriedman_SciPy(t *testing.T) {
	for i, f := range load(t).Friedman {
		got := Friedman(f.Values, Higher, 0.95)
		if got.Blocks != len(f.Values) || got.Exact != f.Exact {
			t.Errorf("case %d: %d blocks, exact %v", i, got.Blocks, got.Exact)
		}
		near(t, "statistic", float64(got.Statistic), f.Statistic, 1e-9)
		near(t, "p", float64(got.P), f.P, 1e-9)
		near(t, "critical difference", float64(got.Critical), f.Critical, 1e-6)
		for a := range f.MeanRanks {
			near(t, "mean rank", float64(got.Ranks[a]), f.MeanRanks[a], 1e-12)
			for b := range f.MeanRanks {
				near(t, "nemenyi p", float64(got.Pairs[a][b]), f.Nemenyi[a][b], 1e-6)
			}
		}
	}
}

// Demšar's table 5(a): the critical values of Nemenyi's test at 0.05.
func TestFriedman_CriticalValues(t *testing.T) {
	for i, want := range []float64{1.960, 2.343, 2.569, 2.728, 2.850, 2.949, 3.031, 3.102, 3.164} {
		near(t, "critical value", rangeQuantile(0.95, i+2)/math.Sqrt2, want, 0.0011)
	}
}

// With two treatments the exact test is the sign test.
func TestFriedman_TwoTreatments(t *testing.T) {
	values := [][]float64{{1, 2}, {1, 2}, {3, 5}, {0, 1}, {2, 1}, {0, 7}, {1, math.NaN()}}
	got := Friedman(values, Lower, 0.95)
	near(t, "p", float64(got.P), 2*7.0/64, 1e-12)
	if got.Blocks != 6 || got.Ranks[0] >= got.Ranks[1] {
		t.Errorf("got %+v", got)
	}
}

func TestFriedman_Undefined(t *testing.T) {
	for name, values := range map[string][][]float64{
		"no blocks": nil, "one block": {{1, 2, 3}}, "one treatment": {{1}, {2}}, "incomplete blocks": {{1, math.NaN()}, {2, math.NaN()}},
	} {
		got := Friedman(values, Higher, 0.95)
		nan(t, "p of "+name, float64(got.P))
		nan(t, "critical difference of "+name, float64(got.Critical))
	}
	tied := Friedman([][]float64{{1, 1, 1}, {2, 2, 2}}, Higher, 0.95)
	nan(t, "p of ties", float64(tied.P))
	near(t, "mean rank of ties", float64(tied.Ranks[1]), 2, 0)
	if !panics(func() { Friedman([][]float64{{1, 2}, {1, 2, 3}}, Higher, 0.95) }) {
		t.Error("blocks of different size do not panic")
	}
	many := make([][]float64, 40)
	for i := range many {
		many[i] = []float64{1, 2, 3}
	}
	near(t, "p of 40 blocks that agree", float64(Friedman(many, Higher, 0.95).P), 0, 0)
}
