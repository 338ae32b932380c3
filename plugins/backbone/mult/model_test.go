package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

// small is a model of few parameters.
func small(embed int) sdk.Info {
	return backbonetest.With(backbonetest.With(backbonetest.With(info, "embed", embed), "layers", 1), "heads", 2)
}

func TestModel(t *testing.T) { backbonetest.Run(t, small(2), build) }

func TestReference(t *testing.T) { backbonetest.Reference(t, info, build) }

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, small(2), func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c) })
}
