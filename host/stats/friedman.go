package stats

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"
)

// Ranked compares treatments over blocks by their ranks.
type Ranked struct {
	// Ranks are the mean ranks of the treatments, 1 is the best; ties share theirs.
	Ranks []Number `json:"mean_ranks"`
	// Blocks are those in which every treatment has a value; the others do not
	// count.
	Blocks int `json:"blocks"`
	// Statistic is Friedman's chi-square, corrected for ties.
	Statistic Number `json:"statistic"`
	P         Number `json:"p"`
	// Exact says that P counts permutations; else it is of Iman and Davenport's F.
	Exact bool `json:"exact"`
	// Critical is Nemenyi's critical difference: mean ranks that are further apart
	// differ at the level 1 − confidence, over all pairs.
	Critical Number `json:"critical_difference"`
	// Pairs[i][j] is Nemenyi's p-value that i and j differ, adjusted for all pairs.
	Pairs [][]Number `json:"nemenyi_p"`
}

// friedmanExact is the largest number of arrangements of ranks that are visited.
const friedmanExact = 1 << 18

// Friedman is the test that k treatments do not differ over blocks (Friedman,
// JASA 1937), with Nemenyi's comparison of all pairs (Demšar, JMLR 2006, section
// 3.2.2). values are [block][treatment]; better says which values have the small
// ranks. Blocks must be independent of each other.
//
// P is exact if the (k!)^(blocks−1) ways to arrange the ranks are at most 2^18,
// else from the F of Iman and Davenport (1980), for the chi-square that Friedman
// took is far off with few blocks. Everything is NaN with fewer than two
// complete blocks or two treatments; P is NaN, too, if all values of all blocks
// are tied.
func Friedman(values [][]float64, better Direction, confidence float64) Ranked {
	none := Number(math.NaN())
	r := Ranked{Statistic: none, P: none, Critical: none}
	var ranks [][]float64
	for _, block := range values {
		if slices.ContainsFunc(block, math.IsNaN) {
			continue
		}
		signed := slices.Clone(block)
		if better == Higher {
			for i := range signed {
				signed[i] = -signed[i]
			}
		}
		ranks = append(ranks, midRanks(signed))
	}
	r.Blocks = len(ranks)
	if len(ranks) == 0 {
		return r
	}
	k, n := len(ranks[0]), float64(len(ranks))
	sums := make([]float64, k)
	for _, block := range ranks {
		if len(block) != k {
			panic("stats: blocks differ in their number of treatments")
		}
		for i, v := range block {
			sums[i] += v
		}
	}
	for _, s := range sums {
		r.Ranks = append(r.Ranks, Number(s/n))
	}
	if len(ranks) < 2 || k < 2 {
		return r
	}
	r.test(ranks, sums)
	scale := math.Sqrt(float64(k*(k+1)) / (12 * n))
	r.Critical = Number(rangeQuantile(confidence, k) * scale)
	for i := range k {
		row := make([]Number, k)
		for j := range k {
			row[j] = Number(1 - rangeCDF(math.Abs(sums[i]-sums[j])/n/scale, k))
		}
		r.Pairs = append(r.Pairs, row)
	}
	return r
}

// test fills Statistic and P. sums are those of the ranks of the treatments.
func (r *Ranked) test(ranks [][]float64, sums []float64) {
	k, n := float64(len(sums)), float64(len(ranks))
	// The sum of squares of the ranks about their mean, over all blocks, is
	// n k (k²−1) / 12 without ties.
	var within float64
	for _, block := range ranks {
		for _, v := range block {
			within += (v - (k+1)/2) * (v - (k+1)/2)
		}
	}
	if within == 0 {
		return
	}
	between := spreadOf(sums, n)
	statistic := between * (k - 1) / within
	r.Statistic = Number(statistic)
	arrangements := math.Pow(math.Gamma(k+1), n-1)
	if arrangements <= friedmanExact {
		r.Exact = true
		r.P = Number(rankArrangements(ranks, between) / arrangements)
		return
	}
	rest := n*(k-1) - statistic
	if rest <= 0 { // all blocks agree
		r.P = 0
		return
	}
	r.P = Number(distuv.F{D1: k - 1, D2: (k - 1) * (n - 1)}.Survival((n - 1) * statistic / rest))
}

// spreadOf is the sum over treatments of (sum of ranks − n (k+1)/2)².
func spreadOf(sums []float64, n float64) float64 {
	k := float64(len(sums))
	var total float64
	for _, s := range sums {
		total += (s - n*(k+1)/2) * (s - n*(k+1)/2)
	}
	return total
}

// rankArrangements counts how many ways of permuting the ranks within all blocks
// but the first have a spread of at least that observed. The first stays: to
// permute it too only renames the treatments.
func rankArrangements(ranks [][]float64, observed float64) float64 {
	k, n := len(ranks[0]), float64(len(ranks))
	sums := slices.Clone(ranks[0])
	hits := 0.0
	var visit func(block int)
	visit = func(block int) {
		if block == len(ranks) {
			if spreadOf(sums, n) >= observed*(1-1e-9) {
				hits++
			}
			return
		}
		used := make([]bool, k)
		var place func(treatment int)
		place = func(treatment int) {
			if treatment == k {
				visit(block + 1)
				return
			}
			for i, v := range ranks[block] {
				if used[i] {
					continue
				}
				used[i] = true
				sums[treatment] += v
				place(treatment + 1)
				sums[treatment] -= v
				used[i] = false
			}
		}
		place(0)
	}
	visit(1)
	return hits
}
