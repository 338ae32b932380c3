package main

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "lisa",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Yao, Wang, Li, Zhang, Liang, Zou, Finn, Improving out-of-distribution robustness via selective augmentation, ICML 2022 (equation 2, algorithm 1)",
	Text:     "Rows are mixed with rows of their own label and another group, so that the group says nothing, or of their own group and another label. Mixed is the fused representation h, as in mixup. A row without such a partner in the batch stays as it is. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "alpha", Type: sdk.Float, Default: 2.0, Min: 0.05, Max: 10, Log: true,
			Text: "both parameters of the beta distribution of a batch's share",
		},
		{
			Name: "within_label", Type: sdk.Float, Default: 0.5, Min: 0, Max: 1,
			Text: "probability that a batch is mixed within labels and across groups, not the other way round",
		},
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true, Mixes: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

type rule struct{ alpha, withinLabel float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	return rule{c.Float("alpha"), c.Float("within_label")}, nil
}

// Mix draws share and kind of mixing for the batch and, for every row, one of the
// rows that fit.
func (l rule) Mix(b strategy.Batch, r *rand.Rand) (partner []int32, share []float32) {
	lambda, withinLabel := float32(strategy.Beta(l.alpha, r)), r.Float64() < l.withinLabel
	for i := range b.Rows {
		var fit []int32
		for j := range b.Rows {
			sameLabel, sameGroup := b.Labels[i] == b.Labels[j], b.Group(i) == b.Group(j)
			if sameLabel == withinLabel && sameGroup != withinLabel {
				fit = append(fit, int32(j))
			}
		}
		if len(fit) == 0 {
			partner, share = append(partner, int32(i)), append(share, 1)
			continue
		}
		partner, share = append(partner, fit[r.IntN(len(fit))]), append(share, lambda)
	}
	return partner, share
}
