// Command ipw weighs training rows by the inverse probability of their
// availability given always-observed covariates.
package main

import (
	"github.com/deconfound/deconfound/sdk/serve"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func main() { serve.Strategy(strategy.New(info, newRule)) }
