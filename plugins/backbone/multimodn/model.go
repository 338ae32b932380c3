package main

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "multimodn",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Swamy et al., MultiModN: Multimodal, Multi-Task, Interpretable Modular Networks, NeurIPS 2023",
	Text: "Sequential fusion: a learned state is updated by one modality after the other; a missing modality is " +
		"skipped, so that no fill value exists. One shared decoder predicts the label from the state after every step, " +
		"and h is the last state. The mask shows only through the number of updates.",
	Hyperparameters: append(encoder.Hyperparameters(), sdk.Hyperparameter{
		Name: "penalty", Type: sdk.Float, Default: 1.0, Min: 0, Max: 1000,
		Text: "Factor of 0.01 · mean(Δs²), the penalty on changes of the state.",
	}),
	Capabilities: sdk.Capabilities{NeedsLabels: true, BatchIndependent: true, Deterministic: true},
}

// model updates s ← MLP_m([e_m; s]) for observed modalities in order, from a
// trained s_0, with a decoder that all steps share. In training it adds
// mean over steps of the loss + 0.01 · penalty · mean(Δs²) (the objective of the
// paper's code); steps that a row skips do not count, and the rows' losses have the
// weights that a strategy gives the rows.
type model struct {
	params   nn.Params
	task     sdk.Task
	width    int
	dropout  float64
	penalty  float64
	encoders *encoder.Set
	start    *nn.Param // s_0, [1, width]
	hidden   []*nn.Linear
	update   []*nn.Linear
	decoder  *nn.Linear

	losses, changes []*nn.Var // of the rows of one step, [n, 1]
	rows            []int32   // of all steps
	terms           [2]backbone.Term
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	m := &model{task: c.Task, width: c.Width, dropout: c.Float("dropout"), penalty: c.Float("penalty")}
	hidden := c.Int("hidden")
	m.encoders = encoder.For(&m.params, c, hidden)
	m.start = m.params.New("start", 1, c.Width, nn.Normal(c.Rand("start"), 0.1))
	for i, modality := range c.Modalities {
		r := c.Rand("step", i)
		m.hidden = append(m.hidden, nn.NewLinear(&m.params, fmt.Sprintf("step.%s.hidden", modality.Name), hidden+c.Width, hidden, r))
		m.update = append(m.update, nn.NewLinear(&m.params, fmt.Sprintf("step.%s.out", modality.Name), hidden, c.Width, r))
	}
	m.decoder = nn.NewLinear(&m.params, "decoder", c.Width, c.Task.Outputs(), c.Rand("decoder"))
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	state := t.Repeat(t.Param(m.start), b.Size)
	m.losses, m.changes, m.rows = m.losses[:0], m.changes[:0], m.rows[:0]
	for i := range m.update {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			continue
		}
		old := t.Gather(state, rows)
		x := t.Dropout(m.hidden[i].ApplyReLU(t, t.Concat(e, old)), m.dropout, b.Rand)
		change := t.Sub(m.update[i].Apply(t, x), old)
		state = t.Add(state, t.Scatter(change, rows, b.Size))
		if b.Train && b.Labels != nil {
			m.losses = append(m.losses, b.Loss(t, m.task, m.decoder.Apply(t, t.Add(old, change)), rows))
			m.changes = append(m.changes, t.MeanCols(t.Square(change)))
			m.rows = append(m.rows, rows...)
		}
	}
	if len(m.losses) == 0 {
		return state, nil
	}
	m.terms = [2]backbone.Term{
		{Name: "step_loss", Weight: 1, Rows: t.Stack(m.losses...), Of: m.rows},
		{Name: "state_change", Weight: 0.01 * m.penalty, Value: t.WeightedMean(t.Stack(m.changes...), nil)},
	}
	return state, m.terms[:]
}
