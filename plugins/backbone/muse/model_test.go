package main

import (
	"math"
	"math/bits"
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/rng"
)

// At the usual temperature the losses are too steep for differences in float32.
func TestModel(t *testing.T) { backbonetest.Run(t, backbonetest.With(info, "temperature", 1.0), build) }

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, info, func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c), nil })
}

// In the reference every second row keeps its first modality only.
func TestReference(t *testing.T) {
	backbonetest.Reference(t, info, func(c backbone.Config) (backbone.Model, error) {
		m := newModel(c)
		m.augment = func(_ *backbone.Batch, keep []uint64) {
			for i := 0; i < len(keep); i += 2 {
				keep[i] &= -keep[i]
			}
		}
		return backbone.FromTape(m), nil
	})
}

func TestDropEdges(t *testing.T) {
	const rows, all = 20000, 0b1011
	keep := make([]uint64, rows)
	for i := range keep {
		keep[i] = all
	}
	keep[0], keep[1] = 0, 0b100 // nothing to drop
	dropEdges(0.5)(&backbone.Batch{Rand: rng.Stream(1)}, keep)
	if keep[0] != 0 || keep[1] != 0b100 {
		t.Errorf("rows with no or one modality keep %b and %b", keep[0], keep[1])
	}
	// Half of the rows keep all three, a quarter each two and one, whose bits are
	// drawn evenly: 1/2 + 1/4·2/3 + 1/4·1/3.
	var whole, first float64
	for _, k := range keep[2:] {
		if n := bits.OnesCount64(k); k&^all != 0 || n < 1 {
			t.Fatalf("a row keeps %b of %b", k, all)
		} else if n == 3 {
			whole += 1. / rows
		}
		first += float64(k&1) / rows
	}
	if math.Abs(whole-0.5) > 0.02 || math.Abs(first-0.75) > 0.02 {
		t.Errorf("%.3f of the rows keep all and %.3f the first modality, want 0.5 and 0.75", whole, first)
	}
}

func TestEqual(t *testing.T) {
	nan := float32(math.NaN())
	for _, c := range []struct {
		a, b []float32
		want float32
	}{
		{[]float32{1}, []float32{1}, 1}, {[]float32{1}, []float32{0}, 0},
		{[]float32{1, nan}, []float32{1, 0}, 1}, {[]float32{1, nan}, []float32{0, 0}, 0},
	} {
		if got := equal(c.a, c.b); got != c.want {
			t.Errorf("equal(%v, %v) is %v, want %v", c.a, c.b, got, c.want)
		}
	}
	if got := equal([]float32{nan, 1}, []float32{0, nan}); got == got {
		t.Errorf("labels of which no one is known compare as %v, want NaN", got)
	}
}
