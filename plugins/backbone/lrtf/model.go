package main

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "lrtf",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Liu et al., Efficient Low-rank Multimodal Fusion with Modality-Specific Factors, ACL 2018",
	Text: "Low-rank tensor fusion: h is a linear map of the outer product of all embeddings, each with a 1 appended, whose " +
		"weight is a sum of few products of one factor for each modality, so that interactions of all modalities enter. A " +
		"missing embedding is zero and leaves its factor's bias; the mask shows through that. The biases start at 1 or " +
		"-1, because a product of as many small factors as there are modalities would hardly train.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.25),
		sdk.Hyperparameter{Name: "rank", Type: sdk.Int, Default: 8, Min: 1, Max: 256, Log: true, Text: "Number of ranks."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is equation 6 of the paper: h = Σ_r Π_m (W_m^r [e_m; 1]), the product element
// by element. Columns r·Width to (r+1)·Width of factor m are W_m^r without its last
// row, which is the bias.
type model struct {
	params   nn.Params
	encoders *encoder.Set
	factors  []*nn.Linear // [hidden, rank·Width]
	rank     int
	width    int
	ranks    []*nn.Var
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	m := &model{rank: c.Int("rank"), width: c.Width}
	d := c.Int("hidden")
	m.encoders = encoder.For(&m.params, c, d)
	for i, modality := range c.Modalities {
		factor := nn.NewLinear(&m.params, "factor."+modality.Name, d, m.rank*c.Width, c.Rand("factor", i))
		signs(c.Rand("sign", i), factor.Bias)
		m.factors = append(m.factors, factor)
	}
	return m
}

// signs draws 1 or -1.
func signs(r *rand.Rand, p *nn.Param) {
	for i := range p.Value {
		p.Value[i] = float32(2*r.IntN(2) - 1)
	}
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	var product *nn.Var
	for i, factor := range m.factors {
		part := factor.Apply(t, m.encoders.Modality(t, b, i))
		if product == nil {
			product = part
		} else {
			product = t.Mul(product, part)
		}
	}
	m.ranks = m.ranks[:0]
	for r := range m.rank {
		m.ranks = append(m.ranks, t.Slice(product, r*m.width, (r+1)*m.width))
	}
	return t.Sum(m.ranks...), nil
}
