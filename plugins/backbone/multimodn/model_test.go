package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }
