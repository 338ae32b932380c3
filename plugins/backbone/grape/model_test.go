package main

import (
	"math/rand/v2"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

// small has few learned columns.
func small() sdk.Info { return backbonetest.With(info, "columns", 3) }

func TestModel(t *testing.T) { backbonetest.Run(t, small(), build) }

// In the reference every third value is left out.
func TestReference(t *testing.T) {
	backbonetest.Reference(t, backbonetest.With(info, "impute", 1.0), func(c backbone.Config) (backbone.Model, error) {
		m := newModel(c)
		m.leave = func(_ *rand.Rand, value int) bool { return value%3 == 0 }
		return backbone.FromTape(m), nil
	})
}

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, small(), func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c), nil })
}
