package main

import (
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/serve"
)

func main() { serve.Backbone(backbone.New(info, build)) }
