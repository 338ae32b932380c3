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

// In the reference all noise is 1/2, and centres are 0 before the first step.
func TestReference(t *testing.T) {
	backbonetest.Reference(t, info, func(c backbone.Config) (backbone.Model, error) {
		m := newModel(c)
		m.draw = func(*rand.Rand) float64 { return 0.5 }
		for _, k := range m.clusters {
			clear(k.centres)
		}
		return backbone.FromTape(m), nil
	})
}

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, info, func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c), nil })
}

// The centres of batches from three separate clouds are the means of the clouds.
func TestClusters(t *testing.T) {
	k := newClusters(3, 1, rng.Stream(2))
	r := rng.Stream(1)
	for range 200 {
		k.update([]float32{float32(-5 + r.NormFloat64()/10), float32(r.NormFloat64() / 10), float32(5 + r.NormFloat64()/10)})
	}
	for i, want := range []float64{-5, 0, 5} {
		if math.Abs(float64(k.centres[i])-want) > 0.1 {
			t.Errorf("centre %d is at %.2f, want %v", i, k.centres[i], want)
		}
	}
}
