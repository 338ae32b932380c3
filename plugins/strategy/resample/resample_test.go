package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// One group has nine times the rows of the other; drawn rows come from both alike.
func TestWeights_DrawGroupsEquallyOften(t *testing.T) {
	const rows, steps = 100, 400
	b := strategy.Batch{Rows: make([]int32, rows), Groups: make([]int32, rows)}
	for i := range rows {
		b.Rows[i] = int32(i)
		if i%10 == 0 {
			b.Groups[i] = 1
		}
	}
	r, err := newRule(strategy.Config{Open: sdk.StrategyOpenRequest{Groups: b.Groups, Seed: 3}})
	if err != nil {
		t.Fatal(err)
	}
	rare := 0.0
	for step := range uint64(steps) {
		b.Step = step
		weights, _, err := r.(strategy.Weigher).Weights(b)
		if err != nil {
			t.Fatal(err)
		}
		total := 0.0
		for i, w := range weights {
			total += float64(w)
			if b.Groups[i] == 1 {
				rare += float64(w)
			}
		}
		if total != rows {
			t.Fatalf("step %d drew %v rows, want %d", step, total, rows)
		}
	}
	// The standard error is sqrt(0.25/40000) = 0.0025.
	if share := rare / (rows * steps); math.Abs(share-0.5) > 0.01 {
		t.Errorf("the rare group was drawn in a share of %.3f, want 0.5", share)
	}
}
