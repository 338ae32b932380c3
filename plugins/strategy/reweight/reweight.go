package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "reweight",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Japkowicz, The class imbalance problem: significance and strategies, ICAI 2000; Idrissi, Arjovsky, Pezeshki, Lopez-Paz, Simple data balancing achieves competitive worst-group-accuracy, CLeaR 2022 (RWG)",
	Text:     "Weighs each training row by the inverse of the size of its group: every group counts alike. A group is an availability pattern, pattern and label, or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		strategy.GroupHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct{ weights []float32 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	sizes, err := c.GroupSizes()
	if err != nil {
		return nil, err
	}
	present := 0
	for _, n := range sizes {
		if n > 0 {
			present++
		}
	}
	r := &rule{weights: make([]float32, len(sizes))}
	for g, n := range sizes {
		if n > 0 {
			r.weights[g] = float32(float64(len(c.Open.Groups)) / float64(present*n))
		}
	}
	return r, nil
}

// Weights are 1/n_g, n_g the training rows of the group, scaled to mean 1 over the
// training rows.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	weights := make([]float32, len(b.Rows))
	if len(b.Groups) != len(b.Rows) {
		return nil, nil, sdk.Errorf(sdk.CodeBadShape, "%d groups for %d rows", len(b.Groups), len(b.Rows))
	}
	var sum, square float64
	for i, g := range b.Groups {
		w := float64(r.weights[g])
		weights[i] = r.weights[g]
		sum += w
		square += w * w
	}
	return weights, []sdk.Term{{Name: "effective_sample_share", Value: sum * sum / (square * float64(len(b.Rows)))}}, nil
}
