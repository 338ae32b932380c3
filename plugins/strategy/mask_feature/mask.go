package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "mask_feature",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Lipton, Kale, Wetzel, Modeling missing data in clinical time series with RNNs, MLHC 2016",
	Text: "Appends the availability mask to the representation, h' = [h; mask]. The opposite of deconfounding: " +
		"usually the best score on the same distribution and the worst under an intervention on the mask.",
	Capabilities: sdk.Capabilities{RevealsAvailability: true, Deterministic: true},
}

// newRule changes nothing by itself: the host reveals the mask to the head.
func newRule(strategy.Config) (strategy.Rule, error) { return struct{}{}, nil }
