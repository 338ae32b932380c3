package main

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "late",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Baltrušaitis et al., Multimodal Machine Learning: A Survey and Taxonomy, TPAMI 2019 (late fusion)",
	Text: "Late fusion: every modality is turned into decision scores of its own, and h is their average over the " +
		"observed modalities with learned positive weights. As nothing follows the average but the host's head, a " +
		"linear head on h is the same as fusing the logits of one classifier per modality. The mask shows through what " +
		"the average is over.",
	Hyperparameters: encoder.Hyperparameters(),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is h = Σ_m δ_m a_m s_m / Σ_m δ_m a_m with s_m = W_m e_m + b_m and
// a = exp(α). A linear head commutes with the average: head(h) is the average, with
// the same weights, of the logits head(s_m).
type model struct {
	params   nn.Params
	encoders *encoder.Set
	scores   []*nn.Linear
	width    int
	weight   *nn.Param // α, [1, M], 0 at first: a plain average
}

func build(c backbone.Config) (backbone.Model, error) {
	m := &model{width: c.Width}
	hidden := c.Int("hidden")
	m.encoders = encoder.For(&m.params, c, hidden)
	for i, modality := range c.Modalities {
		m.scores = append(m.scores, nn.NewLinear(&m.params, fmt.Sprintf("score.%s", modality.Name), hidden, c.Width, c.Rand("score", i)))
	}
	m.weight = m.params.New("weight", 1, len(c.Modalities), nn.Zeros)
	m.weight.NoDecay = true
	return backbone.FromTape(m), nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	mask, penalty := b.Masks()
	// A softmax over the observed modalities is exp(α) divided by its sum.
	weights := t.AddRow(t.Const(b.Size, len(m.scores), penalty), t.Param(m.weight))
	weights = t.Mul(t.Softmax(weights), t.Const(b.Size, len(m.scores), mask))
	h := t.Const(b.Size, m.width, make([]float32, b.Size*m.width))
	for i, score := range m.scores {
		if e, rows := m.encoders.Observed(t, b, i); e != nil {
			part := t.MulRows(score.Apply(t, e), t.Gather(t.Slice(weights, i, i+1), rows))
			h = t.Add(h, t.Scatter(part, rows, b.Size))
		}
	}
	return h, nil
}
