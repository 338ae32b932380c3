// Command ib_erm penalises the variance of the representation within groups.
package main

import (
	"github.com/deconfound/deconfound/sdk/serve"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func main() { serve.Strategy(strategy.New(info, newRule)) }
