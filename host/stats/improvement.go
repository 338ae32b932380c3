package stats

import (
	"math"
	"math/rand/v2"
)

// Matchup are the values of one seed in both arms.
type Matchup struct{ Baseline, Variant float64 }

// ImprovementProbability is how likely a training of the variant beats one of the
// baseline in the same stratum, averaged over strata (Agarwal et al., NeurIPS
// 2021, section 4.3): within a stratum the Mann-Whitney share of pairs of seeds in
// which the variant is better, ties counting one half. 0.5 is no difference. It
// says how often, not by how much.
//
// The interval is the stratified bootstrap over seeds, theirs without change: with
// few seeds it is too narrow. Seeds are matched, so both arms take the same draws. Seeds in which an arm has no value are left out, and
// so are strata without seeds; without any the result is NaN.
func ImprovementProbability(strata [][]Matchup, better Direction, resamples int, confidence float64, r *rand.Rand) Interval {
	var known [][]Matchup
	for _, stratum := range strata {
		var complete []Matchup
		for _, m := range stratum {
			if !math.IsNaN(m.Baseline) && !math.IsNaN(m.Variant) {
				complete = append(complete, m)
			}
		}
		if len(complete) > 0 {
			known = append(known, complete)
		}
	}
	share := func(drawn [][]Matchup) float64 {
		var sum float64
		for _, stratum := range drawn {
			sum += shareBetter(stratum, better)
		}
		return sum / float64(len(drawn)) // 0/0 is NaN
	}
	low, high := stratified(known, resamples, confidence, r, share)
	return Interval{Number(share(known)), low, high}
}

// shareBetter is the share of pairs of seeds in which the variant is better.
func shareBetter(stratum []Matchup, better Direction) float64 {
	var won float64
	for _, v := range stratum {
		for _, b := range stratum {
			switch {
			case v.Variant == b.Baseline:
				won += 0.5
			case better.worse(b.Baseline, v.Variant):
				won++
			}
		}
	}
	return won / float64(len(stratum)*len(stratum))
}
