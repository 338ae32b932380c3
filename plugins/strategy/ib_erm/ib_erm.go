package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "ib_erm",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Ahuja et al., Invariance principle meets information bottleneck for out-of-distribution generalization, NeurIPS 2021 (IB-ERM, section 4); schedule as in DomainBed",
	Text:     "Adds the variance of h within groups, a bound of the information that h keeps. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 100.0, Min: 1e-1, Max: 1e5, Log: true,
			Text: "weight of the variance, from the step anneal on; 0 before",
		},
		strategy.AnnealHyperparameter(500),
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct{ anneal strategy.Anneal }

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	return &rule{anneal: strategy.NewAnneal(c, 0)}, nil
}

// Penalty is weight * mean_e mean_d Var(h_d) over the groups e with at least two
// rows in the batch, the variance divided by n-1.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	width := b.H.Shape[1]
	groups := b.ByGroup(2)
	weight := r.anneal.Weight(b.Step)
	gradient := make([]float64, len(b.H.Data))
	mean := make([]float64, width)
	var variance float64
	for _, rows := range groups {
		clear(mean)
		for _, i := range rows {
			for j, v := range b.H.Data[i*width : (i+1)*width] {
				mean[j] += float64(v) / float64(len(rows))
			}
		}
		scale := 1 / float64((len(rows)-1)*width*len(groups))
		for _, i := range rows {
			for j, v := range b.H.Data[i*width : (i+1)*width] {
				off := float64(v) - mean[j]
				variance += scale * off * off
				gradient[i*width+j] += weight * 2 * scale * off
			}
		}
	}
	terms := []sdk.Term{{Name: "variance", Value: variance}}
	return weight * variance, strategy.Narrow(gradient), nil, terms, nil
}

// Reset has the optimisers start anew when the weight changes.
func (r *rule) Reset(step uint64) bool { return r.anneal.Reset(step) }
