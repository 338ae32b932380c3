// Command mask_feature is the anti-baseline: it hands the availability mask to
// the head as a feature.
package main

import (
	"github.com/deconfound/deconfound/sdk/serve"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func main() { serve.Strategy(strategy.New(info, newRule)) }
