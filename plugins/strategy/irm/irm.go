package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "irm",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Arjovsky, Bottou, Gulrajani, Lopez-Paz, Invariant risk minimization, arXiv:1907.02893 (IRMv1, equation 3; unbiased product, appendix D)",
	Text:     "Penalises the gradient of each group risk with respect to a scale of the logits. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 100.0, Min: 1e-1, Max: 1e5, Log: true,
			Text: "weight of the penalty, from the step anneal on",
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

// Penalty is weight * mean_e D_e1 D_e2 over the groups e with two rows in the
// batch. D = mean (p - y) * logits, the derivative of the risk with respect to a
// scale of the logits at 1, in closed form; half 1 are the first, third and so on
// of a group's rows, half 2 the others. The product of two halves is an unbiased
// estimate of the square, and may be negative.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	losses, groups := strategy.LossesOf(r.task, b), b.ByGroup(2)
	outputs := losses.Outputs
	logits := make([]float64, len(b.Logits.Data))
	for j, v := range b.Logits.Data {
		logits[j] = float64(v)
	}
	gradient := make([]float64, len(logits))
	weight := r.anneal.Weight(b.Step)
	var penalty float64
	for _, rows := range groups {
		var slope, count [2]float64
		for k, i := range rows {
			for j := i * outputs; j < (i+1)*outputs; j++ {
				slope[k%2] += losses.Gradient[j] * logits[j]
			}
			count[k%2]++
		}
		slope[0], slope[1] = slope[0]/count[0], slope[1]/count[1]
		penalty += slope[0] * slope[1] / float64(len(groups))
		for k, i := range rows {
			// d/dl (p-y)*l = p-y + H l, H the second derivatives of the loss.
			factor := weight * slope[1-k%2] / (count[k%2] * float64(len(groups)))
			losses.AddGradient(i, factor, gradient)
			losses.Curvature(i, factor, logits[i*outputs:(i+1)*outputs], gradient[i*outputs:(i+1)*outputs])
		}
	}
	terms := []sdk.Term{{Name: "irm", Value: penalty}}
	return weight * penalty, nil, strategy.Narrow(gradient), terms, nil
}

// Reset has the optimisers start anew when the weight changes.
func (r *rule) Reset(step uint64) bool { return r.anneal.Reset(step) }
