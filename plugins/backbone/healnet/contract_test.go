package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

func TestContract(t *testing.T) {
	small := backbonetest.With(backbonetest.With(backbonetest.With(info, "hidden", 16), "latents", 3), "layers", 2)
	plugintest.Backbone(t, backbone.New(small, build))
}

func TestCost(t *testing.T) { backbonetest.Cost(t, info, build) }
