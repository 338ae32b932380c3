package main

import (
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "smil",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Ma et al., SMIL: Multimodal Learning with Severely Missing Modality, AAAI 2021",
	Text: "SMIL, a reconstruction method: a missing embedding is a mixture of cluster centres of its modality's observed " +
		"embeddings, weighed by what the row does have, and the fused representation is regularised by learned noise. The " +
		"mask shows weakly, through the filled embeddings. Changed: centres are kept by k-means over training batches, as " +
		"encoders are trained, not fixed before; and there is no meta-learning, whose inner step would need the loss of " +
		"the head, which the host owns: mixtures and noise are trained with everything else. It is not a direct " +
		"prediction method, which the debiasing components are meant for; it is here to compare.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.25),
		sdk.Hyperparameter{Name: "clusters", Type: sdk.Int, Default: 10, Min: 1, Max: 256, Log: true, Text: "Number of cluster centres of a modality."},
		sdk.Hyperparameter{Name: "noise", Type: sdk.Float, Default: 1.0, Min: 0, Max: 10, Text: "Factor of the learned noise, in training."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is, with o = [e_1; …; e_M], zero where missing, and centres µ_mk that no
// gradient goes to,
//
//	ê_m = Σ_k softmax_k(MLP_m(o)) µ_mk       where m is missing, e_m else
//	u   = ReLU(Linear([ê_1; …; ê_M]))
//	h   = Linear(u ⊙ softplus(a(u) + ε ⊙ softplus(b(u))))
//
// with linear a and b and ε drawn from the standard normal distribution, 0 outside
// training (equations 4 and 7 of the paper).
type model struct {
	params   nn.Params
	width    int
	dropout  float64
	noise    float64
	encoders *encoder.Set
	mixtures []*nn.MLP
	fusion   *nn.Linear
	mean     *nn.Linear
	scale    *nn.Linear
	out      *nn.Linear
	clusters []*clusters
	draw     func(r *rand.Rand) float64

	observed []*nn.Var
	filled   []*nn.Var
	has      [][]bool
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	d, count := c.Int("hidden"), len(c.Modalities)
	m := &model{
		width: d, dropout: c.Float("dropout"), noise: c.Float("noise"), draw: (*rand.Rand).NormFloat64,
		has: make([][]bool, count), observed: make([]*nn.Var, count),
	}
	ps := &m.params
	m.encoders = encoder.For(ps, c, d)
	for i, modality := range c.Modalities {
		m.mixtures = append(m.mixtures, nn.NewMLP(ps, "mixture."+modality.Name, []int{count * d, d, c.Int("clusters")}, nil, m.dropout, c.Rand("mixture", i)))
		m.clusters = append(m.clusters, newClusters(c.Int("clusters"), d, c.Rand("clusters", i)))
	}
	m.fusion = nn.NewLinear(ps, "fusion", count*d, d, c.Rand("fusion"))
	r := c.Rand("noise")
	m.mean, m.scale = nn.NewLinear(ps, "noise.mean", d, d, r), nn.NewLinear(ps, "noise.scale", d, d, r)
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.filled = m.filled[:0]
	for i := range m.mixtures {
		e, rows := m.encoders.Observed(t, b, i)
		m.observed[i] = t.Const(b.Size, m.width, t.Scratch(b.Size*m.width))
		if e != nil {
			if b.Train {
				m.clusters[i].observe(t, e)
			}
			m.observed[i] = t.Scatter(e, rows, b.Size)
		}
	}
	have := t.Concat(m.observed...)
	for i, mixture := range m.mixtures {
		m.has[i] = m.has[i][:0]
		for row := range b.Size {
			m.has[i] = append(m.has[i], b.Has(row, i))
		}
		k := m.clusters[i]
		guess := t.MatMul(t.Softmax(mixture.Apply(t, have, b.Rand)), t.Const(k.count, m.width, k.centres))
		m.filled = append(m.filled, t.Where(m.has[i], m.observed[i], guess))
	}
	u := t.Dropout(m.fusion.ApplyReLU(t, t.Concat(m.filled...)), m.dropout, b.Rand)
	gain := m.mean.Apply(t, u)
	if b.Train {
		draws := t.Scratch(len(u.Value))
		for i := range draws {
			draws[i] = float32(m.noise * m.draw(b.Rand))
		}
		gain = t.Add(gain, t.Mul(t.Const(u.Rows, u.Cols, draws), t.Softplus(m.scale.Apply(t, u))))
	}
	return m.out.Apply(t, t.Mul(u, t.Softplus(gain))), nil
}
