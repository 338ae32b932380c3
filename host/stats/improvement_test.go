package stats

import (
	"math"
	"math/rand/v2"
	"testing"
)

func matchups(strata [][][2]float64) [][]Matchup {
	out := make([][]Matchup, len(strata))
	for i, stratum := range strata {
		for _, m := range stratum {
			out[i] = append(out[i], Matchup{m[0], m[1]})
		}
	}
	return out
}

func TestImprovementProbability_SciPy(t *testing.T) {
	for _, f := range load(t).Improvement {
		r := rand.New(rand.NewPCG(1, 1))
		got := ImprovementProbability(matchups(f.Strata), Higher, 200, 0.95, r)
		near(t, "probability", float64(got.Estimate), f.Probability, 1e-12)
		near(t, "the other way", float64(ImprovementProbability(matchups(f.Strata), Lower, 0, 0.95, r).Estimate), 1-f.Probability, 1e-12)
		if got.Low > got.Estimate || got.High < got.Estimate {
			t.Errorf("got %+v", got)
		}
	}
	always := [][]Matchup{{{1, 2}, {1, 3}, {math.NaN(), 1}}, {{math.NaN(), 1}}}
	got := ImprovementProbability(always, Higher, 50, 0.95, rand.New(rand.NewPCG(1, 1)))
	if got != (Interval{1, 1, 1}) {
		t.Errorf("got %+v of a variant that always wins", got)
	}
	none := ImprovementProbability(nil, Higher, 10, 0.95, rand.New(rand.NewPCG(1, 1)))
	nan(t, "estimate of none", float64(none.Estimate))
}
