// Command sd is spectral decoupling: it decays logits instead of weights.
package main

import (
	"github.com/deconfound/deconfound/sdk/serve"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func main() { serve.Strategy(strategy.New(info, newRule)) }
