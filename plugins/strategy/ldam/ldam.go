package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "ldam",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Cao, Wei, Gaidon, Arechiga, Ma, Learning imbalanced datasets with label-distribution-aware margin loss, NeurIPS 2019 (equations 12 and 13)",
	Text:     "Replaces the cross-entropy by that of scaled logits of which the one of the label is lowered by a margin, larger for rare classes. A binary task has the logits 0 and l. It knows no groups. The paper bounds logits by normalising; here nothing does, and a smaller scale learns more slowly and is steadier.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "margin", Type: sdk.Float, Default: 0.5, Min: 0, Max: 5,
			Text: "margin of the rarest class",
		},
		{
			Name: "scale", Type: sdk.Float, Default: 30.0, Min: 1, Max: 100, Log: true,
			Text: "factor of the logits after the margin",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

type rule struct {
	task   sdk.Task
	margin []float64 // of every class
	scale  float64
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	counts := make([]float64, max(c.Open.Task.Classes, 2))
	for _, y := range c.Open.Labels {
		counts[int(y)]++
	}
	r := &rule{task: c.Open.Task, margin: make([]float64, len(counts)), scale: c.Float("scale")}
	var largest float64
	for y, n := range counts {
		if n > 0 {
			r.margin[y] = math.Pow(n, -0.25)
			largest = max(largest, r.margin[y])
		}
	}
	for y := range r.margin {
		r.margin[y] *= c.Float("margin") / largest
	}
	return r, nil
}

// Penalty is mean CE(scale (l - margin_y onehot_y), y) - mean CE(l, y): with the
// cross-entropy that the host adds it makes the margin loss.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	plain := strategy.LossesOf(r.task, b)
	moved := b
	moved.Logits.Data = make([]float32, len(b.Logits.Data))
	for j, v := range b.Logits.Data {
		moved.Logits.Data[j] = float32(r.scale * float64(v))
	}
	for i, label := range b.Labels {
		y := int(label)
		at, sign := i*plain.Outputs+y, 1.0
		if r.task.Kind == sdk.Binary {
			// Lowering the logit 0 of class 0 raises l.
			at, sign = i, float64(2*y-1)
		}
		moved.Logits.Data[at] = float32(r.scale * (float64(b.Logits.Data[at]) - sign*r.margin[y]))
	}
	margin := strategy.LossesOf(r.task, moved)
	gradient := make([]float64, len(b.Logits.Data))
	n := float64(len(b.Rows))
	var penalty, loss float64
	for i, v := range margin.Value {
		loss += v / n
		penalty += (v - plain.Value[i]) / n
		margin.AddGradient(i, r.scale/n, gradient)
		plain.AddGradient(i, -1/n, gradient)
	}
	return penalty, nil, strategy.Narrow(gradient), []sdk.Term{{Name: "ldam", Value: loss}}, nil
}
