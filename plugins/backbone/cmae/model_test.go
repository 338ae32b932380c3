package main

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/rng"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

// In the reference every second row shows its first modality only.
func TestReference(t *testing.T) {
	backbonetest.Reference(t, info, func(c backbone.Config) (backbone.Model, error) {
		m := newModel(c)
		m.conceal = func(_ *rand.Rand, shown []uint64) {
			for i := 0; i < len(shown); i += 2 {
				shown[i] &= -shown[i]
			}
		}
		return backbone.FromTape(m), nil
	})
}

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, info, func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c), nil })
}

// Of three modalities one, evenly drawn, stays; the others go with the probability.
func TestHide(t *testing.T) {
	const rows = 20000
	shown := make([]uint64, rows)
	for i := range shown {
		shown[i] = 0b1011
	}
	shown[0], shown[1] = 0, 0b100
	hide(0.5)(rng.Stream(1), shown)
	if shown[0] != 0 || shown[1] != 0b100 {
		t.Errorf("rows with no or one modality show %b and %b", shown[0], shown[1])
	}
	var first float64
	for _, s := range shown[2:] {
		if s == 0 || s&^0b1011 != 0 {
			t.Fatalf("a row shows %b of 1011", s)
		}
		first += float64(s&1) / rows
	}
	if want := 1./3 + 2./3*0.5; math.Abs(first-want) > 0.02 {
		t.Errorf("the first modality is shown in %.3f of the rows, want %.3f", first, want)
	}
}
