// Command modality_dropout is the strategy that hides observed modalities from
// the backbone during training.
package main

import (
	"github.com/deconfound/deconfound/sdk/serve"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func main() { serve.Strategy(strategy.New(info, newRule)) }
