package main

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "fusemoe",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Han et al., FuseMoE: Mixture-of-Experts Transformers for Fleximodal Fusion, NeurIPS 2024",
	Text: "FuseMoE: experts read the embeddings of the modalities, zero where missing, and a router with noisy top gates " +
		"chooses which. One router may see all embeddings side by side (joint), or each modality has a router, to experts " +
		"that all share (modality) or to some of its own (disjoint). Gates are a softmax of linear scores, of minus the " +
		"distance to the centre of an expert (laplace) or of its square (gaussian). A loss balances the experts. The mask " +
		"shows through the zeros. Time series are embedded by the encoders of all backbones, not by attention over " +
		"irregular times.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.25),
		sdk.Hyperparameter{Name: "router", Type: sdk.String, Default: "joint", Values: []string{"joint", "modality", "disjoint"}, Text: "Who is routed where: all embeddings together, each to shared experts, or each to experts of its own."},
		sdk.Hyperparameter{Name: "gate", Type: sdk.String, Default: "laplace", Values: []string{"softmax", "laplace", "gaussian"}, Text: "Scores of the experts."},
		sdk.Hyperparameter{Name: "experts", Type: sdk.Int, Default: 16, Min: 2, Max: 256, Text: "Number of experts, of each modality if they are disjoint."},
		sdk.Hyperparameter{Name: "top", Type: sdk.Int, Default: 4, Min: 1, Max: 256, Text: "Number of experts that an embedding is sent to, at most experts."},
		sdk.Hyperparameter{Name: "balance", Type: sdk.Float, Default: 0.01, Min: 0, Max: 100, Text: "Weight of the loss that balances the experts."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is section 3 of the paper. For the input x of a router, all e_m side by side or
// one of them, and centres w_k of its experts,
//
//	scores_k = x·w_k, -|x - w_k| or -|x - w_k|²
//	z        = Σ_k gate_k Expert_k(x)       gates by nn.NoisyTop, experts two-layer networks
//	h        = Linear(Σ z over the routers)
//
// The loss is the mean over the routers of the squared coefficients of variation of
// importance and load.
type model struct {
	params   nn.Params
	balance  float64
	gate     string
	encoders *encoder.Set
	joint    bool
	routers  []router
	out      *nn.Linear
	terms    [1]backbone.Term
}

// router sends one input to experts, which may be those of another router.
type router struct {
	centres *nn.Param // [experts, in]
	gates   *nn.NoisyTop
	experts *nn.Experts
}

func build(c backbone.Config) (backbone.Model, error) {
	m, err := newModel(c)
	if err != nil {
		return nil, err
	}
	return backbone.FromTape(m), nil
}

func newModel(c backbone.Config) (*model, error) {
	d, count, top := c.Int("hidden"), c.Int("experts"), c.Int("top")
	if top > count {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "backbone fusemoe: top is %d of %d experts", top, count)
	}
	m := &model{balance: c.Float("balance"), gate: c.Text("gate"), joint: c.Text("router") == "joint"}
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	n, in := len(c.Modalities), d
	if m.joint {
		n, in = 1, d*len(c.Modalities)
	}
	for i := range n {
		name, r := "router", c.Rand("router", i)
		if !m.joint {
			name += "." + c.Modalities[i].Name
		}
		l := router{centres: ps.New(name+".centres", count, in, nn.Normal(r, 1/float64(in))), gates: nn.NewNoisyTop(ps, name+".noise", in, count, top)}
		switch {
		case i > 0 && c.Text("router") == "modality":
			l.experts = m.routers[0].experts
		default:
			l.experts = nn.NewExperts(ps, fmt.Sprintf("expert.%d", i), count, in, d, d, (*nn.Tape).ReLU, c.Float("dropout"), c.Rand("experts", i))
		}
		m.routers = append(m.routers, l)
	}
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m, nil
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	inputs := m.encoders.Encode(t, b)
	if m.joint {
		joint := t.Concat(inputs...)
		inputs = append(inputs[:0], joint)
	}
	var z *nn.Var
	loss := t.Const(1, 1, t.Scratch(1))
	for i, l := range m.routers {
		gates, load := l.gates.Apply(t, inputs[i], m.scores(t, inputs[i], t.Param(l.centres)), b.Rand)
		part := l.experts.Apply(t, inputs[i], gates, b.Rand)
		if z == nil {
			z = part
		} else {
			z = t.Add(z, part)
		}
		loss = t.Add(loss, t.Variation(t.SumRows(gates)))
		if load != nil {
			loss = t.Add(loss, t.Variation(t.SumRows(load)))
		}
	}
	h := m.out.Apply(t, z)
	if !b.Train {
		return h, nil
	}
	m.terms[0] = backbone.Term{Name: "balance", Weight: m.balance, Value: t.Scale(loss, 1/float64(len(m.routers)))}
	return h, m.terms[:]
}

// distanceFloor keeps the gradient of a distance finite where it is zero.
const distanceFloor = 1e-12

// scores of x [B, in] for centres [experts, in].
func (m *model) scores(t *nn.Tape, x, centres *nn.Var) *nn.Var {
	product := t.MatMulT(x, centres)
	if m.gate == "softmax" {
		return product
	}
	// |x|² - 2 x·w + |w|²
	ones := t.Scratch(centres.Rows)
	for i := range ones {
		ones[i] = 1
	}
	own := t.MatMul(t.SumCols(t.Square(x)), t.Const(1, centres.Rows, ones))
	square := t.AddRow(t.Add(own, t.Scale(product, -2)), t.Transpose(t.SumCols(t.Square(centres))))
	if m.gate == "gaussian" {
		return t.Scale(square, -1)
	}
	return t.Scale(t.Sqrt(t.Shift(t.ReLU(square), distanceFloor)), -1)
}
