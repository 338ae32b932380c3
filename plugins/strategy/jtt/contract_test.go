package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func TestContract(t *testing.T) { plugintest.Strategy(t, strategy.New(info, newRule)) }
