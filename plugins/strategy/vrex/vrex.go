package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "vrex",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Krueger et al., Out-of-distribution generalization via risk extrapolation, ICML 2021 (equation 8)",
	Text:     "Adds the variance of the group risks to their mean. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 10.0, Min: 1e-1, Max: 1e5, Log: true,
			Text: "weight of the variance, from the step anneal on",
		},
		strategy.AnnealHyperparameter(500),
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	task   sdk.Task
	anneal strategy.Anneal
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	return &rule{task: c.Open.Task, anneal: strategy.NewAnneal(c, 1)}, nil
}

// Weights make the weighted mean loss the mean over the groups that are in the
// batch.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	return b.EqualGroups(), nil, nil
}

// Penalty is weight * mean_e (R_e - mean R)^2 over the groups e that are in the
// batch, R_e the mean cross-entropy of the logits.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	losses, groups := strategy.LossesOf(r.task, b), b.ByGroup(1)
	risk := make([]float64, len(groups))
	var mean, variance float64
	for e, rows := range groups {
		risk[e] = losses.Mean(rows)
		mean += risk[e] / float64(len(groups))
	}
	weight := r.anneal.Weight(b.Step)
	gradient := make([]float64, len(b.Logits.Data))
	for e, rows := range groups {
		off := risk[e] - mean
		variance += off * off / float64(len(groups))
		for _, i := range rows {
			losses.AddGradient(i, weight*2*off/float64(len(groups)*len(rows)), gradient)
		}
	}
	terms := []sdk.Term{{Name: "risk_variance", Value: variance}}
	return weight * variance, nil, strategy.Narrow(gradient), terms, nil
}

// Reset has the optimisers start anew when the weight changes.
func (r *rule) Reset(step uint64) bool { return r.anneal.Reset(step) }
