package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

func TestReference(t *testing.T) { backbonetest.Reference(t, info, build) }

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, info, func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c) })
}
