package main

import (
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// Partners are a permutation, and one share is drawn for the batch, another for the
// next.
func TestMix(t *testing.T) {
	shares := map[float32]bool{}
	for step := range 20 {
		partner, share := rule{alpha: 2}.Mix(strategy.Batch{Rows: make([]int32, 9)}, rng.Stream(1, "mix", step))
		sorted := slices.Sorted(slices.Values(partner))
		for i, j := range sorted {
			if int(j) != i {
				t.Fatalf("partners %v are no permutation", partner)
			}
		}
		for _, s := range share {
			if s != share[0] {
				t.Fatalf("shares %v differ within a batch", share)
			}
		}
		shares[share[0]] = true
	}
	if len(shares) != 20 {
		t.Errorf("%d shares in 20 batches", len(shares))
	}
}
