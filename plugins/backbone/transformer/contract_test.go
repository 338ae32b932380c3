package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

func TestContract(t *testing.T) { plugintest.Backbone(t, backbone.New(info, build)) }

func TestCost(t *testing.T) { backbonetest.Cost(t, info, build) }
