package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
	"github.com/deconfound/deconfound/sdk/strategy/adversary"
)

var info = sdk.Info{
	Kind:            sdk.KindStrategy,
	Name:            "cdann",
	Version:         "1.0.0",
	Licence:         "Apache-2.0",
	Citation:        "Li et al., Deep domain generalization via conditional invariant adversarial networks, ECCV 2018 (equation 5); as in DomainBed, Gulrajani, Lopez-Paz, ICLR 2021",
	Text:            "An adversary learns to tell the group of a row by h and the label, and h is trained against it: right where the shares of the groups depend on the label. A group is an availability pattern or an environment.",
	Hyperparameters: adversary.Hyperparameters(),
	Capabilities:    sdk.Capabilities{Deterministic: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

func newRule(c strategy.Config) (strategy.Rule, error) { return adversary.New(c, true) }
