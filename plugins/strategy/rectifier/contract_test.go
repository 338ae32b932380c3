package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/plugintest"
	"github.com/deconfound/deconfound/sdk/strategy"
	"github.com/deconfound/deconfound/sdk/strategy/strategytest"
)

func TestContract(t *testing.T) { plugintest.Strategy(t, strategy.New(info, newRule)) }

func TestPostHoc(t *testing.T) { strategytest.PostHoc(t, info, newRule) }
