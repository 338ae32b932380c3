package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

// At the usual temperature the losses are too steep for differences in float32.
func TestContract(t *testing.T) {
	gentle := backbonetest.With(backbonetest.With(info, "hidden", 16), "temperature", 0.5)
	plugintest.Backbone(t, backbone.New(gentle, build))
}

func TestCost(t *testing.T) { backbonetest.Cost(t, info, build) }
