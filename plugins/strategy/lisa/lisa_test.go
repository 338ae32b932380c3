package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// Of a batch all rows are mixed within labels and across groups, or all the other
// way round, as often as within_label says; a row that nobody fits is left alone.
func TestMix(t *testing.T) {
	b := strategy.Batch{
		Rows:   make([]int32, 7),
		Labels: []float32{0, 0, 1, 1, 0, 1, 2},
		Groups: []int32{0, 1, 0, 1, 2, 1, 3},
	}
	l := rule{alpha: 2, withinLabel: 0.25}
	within := 0
	const batches = 4000
	for step := range batches {
		partner, share := l.Mix(b, rng.Stream(1, "mix", step))
		if partner[6] != 6 || share[6] != 1 {
			t.Fatalf("the row that nobody fits is mixed with row %d", partner[6])
		}
		first := b.Labels[0] == b.Labels[partner[0]]
		if first {
			within++
		}
		for i := range 6 {
			j := int(partner[i])
			if share[i] != share[0] && share[i] != 1 {
				t.Fatalf("shares %v", share)
			}
			sameLabel, sameGroup := b.Labels[i] == b.Labels[j], b.Groups[i] == b.Groups[j]
			alone := i == 4 && j == 4 && !first // no other row is in its group
			if !alone && (sameLabel != first || sameGroup == first) {
				t.Fatalf("step %d: row %d is mixed with row %d", step, i, j)
			}
		}
	}
	// Four standard deviations of a binomial share.
	if p := float64(within) / batches; p < 0.25-0.028 || p > 0.25+0.028 {
		t.Errorf("%v of the batches are mixed within labels, want a quarter", p)
	}
}

func TestMix_everyPartner(t *testing.T) {
	b := strategy.Batch{Rows: make([]int32, 5), Labels: []float32{1, 1, 1, 1, 0}, Groups: []int32{0, 1, 2, 1, 1}}
	seen := map[int32]bool{}
	for step := range 200 {
		partner, _ := rule{alpha: 2, withinLabel: 1}.Mix(b, rng.Stream(2, "mix", step))
		seen[partner[0]] = true
	}
	if len(seen) != 3 || !seen[1] || !seen[2] || !seen[3] {
		t.Errorf("row 0 was mixed with rows %v, want 1, 2 and 3", seen)
	}
}
