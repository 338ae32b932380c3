package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "focal",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Lin, Goyal, Girshick, He, Dollar, Focal loss for dense object detection, ICCV 2017 (equation 4)",
	Text:     "Replaces the cross-entropy by (1-p)^gamma times it, p the probability of the label. It knows no groups.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "gamma", Type: sdk.Float, Default: 1.0, Min: 0, Max: 5,
			Text: "0 is the cross-entropy",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

type rule struct {
	task  sdk.Task
	gamma float64
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	return &rule{task: c.Open.Task, gamma: c.Float("gamma")}, nil
}

// Penalty is the mean of ((1-p)^gamma - 1) CE with p = exp(-CE): with the
// cross-entropy that the host adds it makes the focal loss.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	losses := strategy.LossesOf(r.task, b)
	gradient := make([]float64, len(b.Logits.Data))
	n := float64(len(b.Rows))
	var focal, plain float64
	for i, ce := range losses.Value {
		p := math.Exp(-ce)
		miss := -math.Expm1(-ce) // 1-p without cancellation
		power := math.Pow(miss, r.gamma)
		focal += power * ce / n
		plain += ce / n
		// d/dCE (1-e^-CE)^g CE; (1-p)^(g-1) CE tends to 0 or 1 at CE = 0.
		slope := power
		if miss > 0 {
			slope += r.gamma * power / miss * p * ce
		}
		losses.AddGradient(i, (slope-1)/n, gradient)
	}
	return focal - plain, nil, strategy.Narrow(gradient), []sdk.Term{{Name: "focal", Value: focal}}, nil
}
