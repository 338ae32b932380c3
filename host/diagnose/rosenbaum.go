package diagnose

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// RosenbaumP bounds the one-sided p-value of Wilcoxon's signed-rank test that
// matched-pair differences are positive, when an unmeasured confounder can change
// the odds of exposure within a pair by the factor gamma ≥ 1 (Rosenbaum,
// Observational Studies 2002, section 4.3.3): p⁺ = Γ/(1+Γ), normal approximation
// without continuity correction, mid-ranks for ties. Zero differences are
// dropped; NaN without others.
func RosenbaumP(differences []float64, gamma float64) float64 {
	return signedRanks(differences).bound(gamma)
}

// rankedPairs are pairs in the order of their absolute differences.
type rankedPairs struct {
	ranks     []float64
	statistic float64 // the sum of the ranks of positive differences
}

func (r rankedPairs) bound(gamma float64) float64 {
	if len(r.ranks) == 0 {
		return math.NaN()
	}
	p := gamma / (1 + gamma)
	var mean, variance float64
	for _, rank := range r.ranks {
		mean += p * rank
		variance += p * (1 - p) * rank * rank
	}
	return distuv.UnitNormal.Survival((r.statistic - mean) / math.Sqrt(variance))
}

// RosenbaumGamma is the largest Γ at which the bound stays below alpha: how much
// hidden bias the finding survives. It is 1 when it is not significant without
// any (read RosenbaumP at 1 to tell the two apart), +Inf above 1e6, and NaN
// without nonzero differences.
func RosenbaumGamma(differences []float64, alpha float64) float64 {
	low, high := 1.0, 1e6
	ranked := signedRanks(differences) // which gamma does not change
	at := ranked.bound(low)
	switch {
	case math.IsNaN(at):
		return at
	case at >= alpha:
		return 1
	case ranked.bound(high) < alpha:
		return math.Inf(1)
	}
	for range 200 {
		middle := (low + high) / 2
		if middle <= low || middle >= high {
			break // no number lies between them
		}
		if ranked.bound(middle) < alpha {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func signedRanks(differences []float64) rankedPairs {
	var r rankedPairs
	var d []float64
	for _, v := range differences {
		if v != 0 && !math.IsNaN(v) {
			d = append(d, v)
		}
	}
	slices.SortFunc(d, func(a, b float64) int { return cmp.Compare(math.Abs(a), math.Abs(b)) })
	for from := 0; from < len(d); {
		to := from
		for to < len(d) && math.Abs(d[to]) == math.Abs(d[from]) {
			to++
		}
		for _, v := range d[from:to] {
			rank := float64(from+to+1) / 2
			r.ranks = append(r.ranks, rank)
			if v > 0 {
				r.statistic += rank
			}
		}
		from = to
	}
	return r
}
