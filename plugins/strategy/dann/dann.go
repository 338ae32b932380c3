package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
	"github.com/deconfound/deconfound/sdk/strategy/adversary"
)

var info = sdk.Info{
	Kind:            sdk.KindStrategy,
	Name:            "dann",
	Version:         "1.0.0",
	Licence:         "Apache-2.0",
	Citation:        "Ganin et al., Domain-adversarial training of neural networks, JMLR 2016 (equation 9); alternation and defaults as in DomainBed, Gulrajani, Lopez-Paz, ICLR 2021",
	Text:            "An adversary learns to tell the group of a row by h, and h is trained against it. A group is an availability pattern or an environment.",
	Hyperparameters: adversary.Hyperparameters(),
	Capabilities:    sdk.Capabilities{Deterministic: true},
}

func newRule(c strategy.Config) (strategy.Rule, error) { return adversary.New(c, false) }
