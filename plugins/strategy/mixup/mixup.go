package main

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "mixup",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Zhang, Cisse, Dauphin, Lopez-Paz, mixup: beyond empirical risk minimization, ICLR 2018 (equation 1); of representations: Verma et al., Manifold mixup, ICML 2019 (equation 1)",
	Text:     "Every row of a batch is mixed with another, and so is its loss. Mixed is the fused representation h, to which a missing modality has contributed what the backbone makes of absence; so no value is made up for it.",
	Hyperparameters: []sdk.Hyperparameter{{
		Name: "alpha", Type: sdk.Float, Default: 0.2, Min: 0.05, Max: 10, Log: true,
		Text: "both parameters of the beta distribution of a batch's share; small values mix little",
	}},
	Capabilities: sdk.Capabilities{Deterministic: true, Mixes: true},
}

type rule struct{ alpha float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	return rule{c.Float("alpha")}, nil
}

// Mix draws a permutation and one share for the whole batch, as the paper does.
func (m rule) Mix(b strategy.Batch, r *rand.Rand) (partner []int32, share []float32) {
	lambda := float32(strategy.Beta(m.alpha, r))
	for _, j := range r.Perm(len(b.Rows)) {
		partner, share = append(partner, int32(j)), append(share, lambda)
	}
	return partner, share
}
