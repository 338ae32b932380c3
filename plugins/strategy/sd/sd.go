package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "sd",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Pezeshki et al., Gradient starvation: a learning proclivity in neural networks, NeurIPS 2021 (equation 17)",
	Text:     "Adds half the mean squared norm of the logits, so that a feature that is learned first does not starve the others. It knows no groups.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 0.1, Min: 1e-5, Max: 1e2, Log: true,
			Text: "weight of the penalty",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct{ weight float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	return &rule{weight: c.Float("weight")}, nil
}

// Penalty is weight/2 * mean_i |logits_i|^2.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	var norm float64
	factor := r.weight / float64(len(b.Rows))
	gradient := make([]float32, len(b.Logits.Data))
	for j, v := range b.Logits.Data {
		norm += float64(v) * float64(v)
		gradient[j] = float32(factor * float64(v))
	}
	return factor / 2 * norm, nil, gradient, nil, nil
}
