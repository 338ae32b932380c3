package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "resample",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Japkowicz, The class imbalance problem: significance and strategies, ICAI 2000; Idrissi, Arjovsky, Pezeshki, Lopez-Paz, Simple data balancing achieves competitive worst-group-accuracy, CLeaR 2022 (RWSG)",
	Text:     "Draws from each batch as many rows as it has, with replacement and every group equally often on average. A group is an availability pattern, pattern and label, or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		strategy.GroupHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	seed  uint64
	share []float64 // of a row of each group, 1/n_g
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	sizes, err := c.GroupSizes()
	if err != nil {
		return nil, err
	}
	r := &rule{seed: c.Open.Seed, share: make([]float64, len(sizes))}
	for g, n := range sizes {
		if n > 0 {
			r.share[g] = 1 / float64(n)
		}
	}
	return r, nil
}

// Weights say how often each row was drawn when as many as the batch has were
// drawn with probability proportional to 1/n_g, n_g the training rows of the
// group. A step draws the same whenever it is asked. The host chooses what is in
// the batch, so a group that is absent from it cannot be drawn.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	if len(b.Groups) != len(b.Rows) {
		return nil, nil, sdk.Errorf(sdk.CodeBadShape, "%d groups for %d rows", len(b.Groups), len(b.Rows))
	}
	var total float64
	for _, g := range b.Groups {
		total += r.share[g]
	}
	weights := make([]float32, len(b.Rows))
	draw := rng.Stream(r.seed, "resample", b.Step)
	distinct := 0.0
	for range b.Rows {
		left := draw.Float64() * total
		i := 0
		for ; i < len(b.Rows)-1; i++ {
			if left -= r.share[b.Groups[i]]; left < 0 {
				break
			}
		}
		if weights[i] == 0 {
			distinct++
		}
		weights[i]++
	}
	return weights, []sdk.Term{{Name: "distinct_share", Value: distinct / float64(len(b.Rows))}}, nil
}
