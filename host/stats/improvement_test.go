package stats

import (
	"math"
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
		got := ImprovementProbability(matchups(f.Strata), Higher, 0.95)
		near(t, "probability", float64(got.Estimate), f.Probability, 1e-12)
		other := ImprovementProbability(matchups(f.Strata), Lower, 0.95)
		near(t, "the other way", float64(other.Estimate), 1-f.Probability, 1e-12)
		near(t, "low and high", float64(got.Low+other.High), 1, 1e-9)
		near(t, "low", float64(got.Low), f.Low, 1e-9)
		near(t, "high", float64(got.High), f.High, 1e-9)
	}
	none := ImprovementProbability(nil, Higher, 0.95)
	nan(t, "estimate of none", float64(none.Estimate))
	nan(t, "low of one seed", float64(ImprovementProbability([][]Matchup{{{1, 2}}, {{2, 1}}}, Higher, 0.95).Low))
}

// A variant that always wins may lose another time.
func TestImprovementProbability_Always(t *testing.T) {
	stratum := []Matchup{{1, 2}, {1, 3}, {0, 4}, {math.NaN(), 1}}
	few := ImprovementProbability([][]Matchup{stratum, {{math.NaN(), 1}}}, Higher, 0.95)
	more := ImprovementProbability([][]Matchup{stratum, stratum, stratum}, Higher, 0.95)
	if few.Estimate != 1 || few.High != 1 || !(few.Low > .3 && few.Low < more.Low && more.Low < 1) {
		t.Errorf("got %+v of one stratum, %+v of three", few, more)
	}
}
