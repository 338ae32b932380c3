package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "jtt",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Liu, Haghgoo, Chen, Raghunathan, Koh, Sagawa, Liang, Finn, Just train twice: improving group robustness without training group information, ICML 2021 (algorithm 1, equations 1 and 2)",
	Text:     "A first model is trained plainly; the training rows that it gets wrong weigh more in a second one, which begins anew. It knows no groups. The two share the epochs of the run.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "first", Type: sdk.Float, Default: 0.5, Min: 0.05, Max: 0.95,
			Text: "share of the epochs that the first model is trained for, at least one",
		},
		{
			Name: "upweight", Type: sdk.Float, Default: 10.0, Min: 1, Max: 1000, Log: true,
			Text: "weight of a training row that the first model gets wrong; of the others it is 1",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, Stages: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

type rule struct {
	task     sdk.Task
	labels   []float32 // of all training rows
	upweight float32
	stages   []sdk.Stage
	wrong    []bool // of all training rows; nil in the first stage
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	epochs := c.Open.Epochs
	if epochs < 2 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "jtt trains two models, each for an epoch at least, and run.epochs is %d", epochs)
	}
	start := min(max(int(math.Round(c.Float("first")*float64(epochs))), 1), epochs-1)
	return &rule{
		task: c.Open.Task, labels: slices.Clone(c.Open.Labels), upweight: float32(c.Float("upweight")),
		stages: []sdk.Stage{{Start: start, Restart: true}},
	}, nil
}

// Stages are one after the first, with a new model.
func (r *rule) Stages() []sdk.Stage { return r.stages }

// Begin keeps the error set of the first model (equation 1).
func (r *rule) Begin(_ int, predictions []float32) ([]sdk.Term, error) { //nolint:unparam // the interface has an error
	r.wrong = make([]bool, len(r.labels))
	count, outputs := 0, r.task.Outputs()
	for i, y := range r.labels {
		p := predictions[i*outputs : (i+1)*outputs]
		class := 0
		if r.task.Kind == sdk.Binary {
			if p[0] >= 0.5 {
				class = 1
			}
		} else {
			for c := range p {
				if p[c] > p[class] {
					class = c
				}
			}
		}
		if r.wrong[i] = class != int(y); r.wrong[i] {
			count++
		}
	}
	return []sdk.Term{{Name: "error_share", Value: float64(count) / float64(len(r.labels))}}, nil
}

// Weights are upweight on the error set and 1 elsewhere (equation 2, where the
// paper repeats rows instead); all alike in the first stage.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	if r.wrong == nil {
		return nil, nil, nil
	}
	weights := make([]float32, len(b.Rows))
	for i, row := range b.Rows {
		weights[i] = 1
		if r.wrong[row] {
			weights[i] = r.upweight
		}
	}
	return weights, nil, nil
}

// State is a byte for every training row, 1 if it is in the error set; nothing in
// the first stage.
func (r *rule) State() ([]byte, error) { //nolint:unparam // the interface has more
	if r.wrong == nil {
		return nil, nil
	}
	out := make([]byte, len(r.wrong))
	for i, wrong := range r.wrong {
		if wrong {
			out[i] = 1
		}
	}
	return out, nil
}

// SetState restores it. An error changes nothing.
func (r *rule) SetState(data []byte) error {
	if len(data) == 0 {
		r.wrong = nil
		return nil
	}
	if len(data) != len(r.labels) {
		return fmt.Errorf("an error set of %d rows, there are %d", len(data), len(r.labels))
	}
	wrong := make([]bool, len(data))
	for i, v := range data {
		if v > 1 {
			return fmt.Errorf("row %d of the error set is %d", i, v)
		}
		wrong[i] = v == 1
	}
	r.wrong = wrong
	return nil
}
