package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// build takes the patterns of the training rows. The prior, which is about
// predictions, must not matter.
func build(t *testing.T, values sdk.Values, training ...uint64) *rule {
	t.Helper()
	made, err := newRule(strategy.Config{Open: sdk.StrategyOpenRequest{
		Hyperparameters: values, Availability: training, Prior: map[uint64]float64{0b111: 1},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return made.(*rule)
}

func TestAugment_KeepsASubsetAndNeverNothing(t *testing.T) {
	for _, kind := range []string{"independent", "marginal"} {
		r := build(t, sdk.Values{"rate": 0.9, "kind": kind}, 1, 6)
		own := make([]uint64, 500)
		for i := range own {
			own[i] = uint64(1 + i%7)
		}
		for i, seen := range r.Augment(own, rng.Stream(1, kind)) {
			if seen == 0 || seen&^own[i] != 0 {
				t.Fatalf("%s: row with %03b is shown as %03b", kind, own[i], seen)
			}
		}
	}
}

func TestAugment_HidesAtTheRate(t *testing.T) {
	r := build(t, sdk.Values{"rate": 0.25, "kind": "independent"}, 3)
	const n = 20000
	own := make([]uint64, n)
	for i := range own {
		own[i] = 0b11
	}
	hidden := 0
	for _, seen := range r.Augment(own, rng.Stream(2, "rate")) {
		if seen&1 == 0 {
			hidden++
		}
	}
	// Both hidden (1/16) is redrawn to one of the two at random.
	want := 0.25*0.75 + 0.25*0.25/2
	if got := float64(hidden) / n; math.Abs(got-want) > 0.01 {
		t.Errorf("hid the first modality in %.3f of rows, want %.3f", got, want)
	}
}

func TestAugment_MarginalDrawsTrainingPatterns(t *testing.T) {
	r := build(t, sdk.Values{"rate": 0.25, "kind": "marginal"}, 0b001, 0b110, 0b110, 0b110, 0b110)
	const n = 20000
	own := make([]uint64, n)
	for i := range own {
		own[i] = 0b111
	}
	first := 0
	for _, seen := range r.Augment(own, rng.Stream(3, "marginal")) {
		switch seen {
		case 0b001:
			first++
		case 0b110:
		default:
			t.Fatalf("a fully observed row is shown as %03b, which is no training pattern", seen)
		}
	}
	if got := float64(first) / n; math.Abs(got-0.2) > 0.01 {
		t.Errorf("drew the rare pattern in %.3f of rows, want 0.2", got)
	}
}

func TestAugment_RowThatSharesNothingStays(t *testing.T) {
	r := build(t, sdk.Values{"rate": 0.25, "kind": "marginal"}, 0b001)
	if got := r.Augment([]uint64{0b100}, rng.Stream(4, "stay"))[0]; got != 0b100 {
		t.Errorf("got %03b, want the row's own 100", got)
	}
}
