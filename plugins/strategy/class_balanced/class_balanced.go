package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "class_balanced",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Cui, Jia, Lin, Song, Belongie, Class-balanced loss based on effective number of samples, CVPR 2019 (equation 4)",
	Text:     "Weighs each class by (1-beta)/(1-beta^n), n its training rows, scaled to mean 1 over classes. It knows no groups.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "beta", Type: sdk.Float, Default: 0.9999, Min: 0, Max: 0.99999,
			Text: "0 leaves classes as they are, towards 1 they are weighed by 1/n",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

type rule struct{ weights []float32 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	counts := make([]float64, max(c.Open.Task.Classes, 2))
	for _, y := range c.Open.Labels {
		counts[int(y)]++
	}
	beta := c.Float("beta")
	raw := make([]float64, len(counts))
	var sum, present float64
	for y, n := range counts {
		if n > 0 {
			raw[y] = (1 - beta) / (1 - math.Pow(beta, n))
			sum += raw[y]
			present++
		}
	}
	r := &rule{weights: make([]float32, len(counts))}
	for y, w := range raw {
		r.weights[y] = float32(w * present / sum)
	}
	return r, nil
}

// Weights are those of the rows' classes.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	weights := make([]float32, len(b.Rows))
	for i, y := range b.Labels {
		weights[i] = r.weights[int(y)]
	}
	return weights, nil, nil
}
