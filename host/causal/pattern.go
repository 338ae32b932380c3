package causal

import (
	"math/bits"
	"slices"
)

// patterns numbers the availability patterns of the training rows. Rare ones
// are merged, and one that training never saw goes to its nearest kept pattern.
type patterns struct {
	kept   []uint64 // ascending; the index is the stratum
	rows   []int    // training rows of each, merged ones included
	merged int      // patterns seen in training that are not kept
	of     map[uint64]int32
}

// PatternGroups numbers the availability pattern of every row of availability. The
// patterns are those of the training rows, of which there must be one; rare ones
// are merged as the strata of Missingness are with MinRows = minimum, and one that
// training never saw goes to its nearest.
func PatternGroups(training, availability []uint64, minimum int) []int32 {
	return newPatterns(training, minimum).strata(availability)
}

// newPatterns keeps the patterns with at least minimum rows; if there is none, the
// most frequent one. A merged pattern joins the kept one at the smallest Hamming
// distance; on a tie the one with more rows of its own, then the smaller value.
func newPatterns(availability []uint64, minimum int) *patterns {
	count := map[uint64]int{}
	for _, a := range availability {
		count[a]++
	}
	seen := make([]uint64, 0, len(count))
	for a := range count {
		seen = append(seen, a)
	}
	slices.Sort(seen)
	p := &patterns{of: make(map[uint64]int32, len(count))}
	commonest := seen[0]
	for _, a := range seen {
		if count[a] >= minimum {
			p.kept = append(p.kept, a)
		}
		if count[a] > count[commonest] {
			commonest = a
		}
	}
	if len(p.kept) == 0 {
		p.kept = []uint64{commonest}
	}
	p.merged = len(seen) - len(p.kept)
	p.rows = make([]int, len(p.kept))
	own := make([]int, len(p.kept))
	for k, a := range p.kept {
		own[k] = count[a]
	}
	for _, a := range seen {
		k := p.nearest(a, own)
		p.of[a] = k
		p.rows[k] += count[a]
	}
	return p
}

func (p *patterns) nearest(a uint64, size []int) int32 {
	best := 0
	for k := range p.kept {
		d, e := bits.OnesCount64(a^p.kept[k]), bits.OnesCount64(a^p.kept[best])
		if d < e || (d == e && size[k] > size[best]) {
			best = k
		}
	}
	return int32(best)
}

// stratum returns the stratum of any pattern, seen in training or not.
func (p *patterns) stratum(a uint64) int32 {
	if k, ok := p.of[a]; ok {
		return k
	}
	return p.nearest(a, p.rows)
}

func (p *patterns) strata(availability []uint64) []int32 {
	out := make([]int32, len(availability))
	for i, a := range availability {
		out[i] = p.stratum(a)
	}
	return out
}
