package main

import (
	"math/bits"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "shaspec",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Wang et al., Multi-modal Learning with Missing Modality via Shared-Specific Feature Modelling, CVPR 2023",
	Text: "ShaSpec: one network reads what a modality shares with the others, a network of its own what is specific to it, " +
		"and both are composed. A missing modality gets the mean of the shared features of those observed, without " +
		"anything specific, and a two-layer network fuses all of them into h. Losses bring shared features of a row " +
		"together and let specific features tell their modality. The mask shows weakly, through the filled features. " +
		"Taken from segmentation to vectors: the fusion network replaces the decoder.",
	Hyperparameters: append(encoder.HyperparametersWith(128, 0.25),
		sdk.Hyperparameter{Name: "distribution", Type: sdk.Float, Default: 0.1, Min: 0, Max: 100, Text: "Weight of the distance between the shared features of two modalities of a row (alpha)."},
		sdk.Hyperparameter{Name: "domain", Type: sdk.Float, Default: 0.02, Min: 0, Max: 100, Text: "Weight of the loss of telling the modality from its specific features (beta)."},
	),
	Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is section 3 of the paper: with shared s_m = S(e_m), S the same for all
// modalities, and specific p_m = P_m(e_m), both two-layer networks,
//
//	c_m = W [s_m; p_m] + s_m    if m is observed
//	c_m = mean of the observed s  if not
//	h   = MLP([c_1; …; c_M])
//
// The losses are the mean absolute difference of s_m and s_n over columns, rows and
// pairs of modalities that a row has, and the mean cross-entropy of m predicted from
// p_m by a linear map.
type model struct {
	params  nn.Params
	weights [2]float64
	width   int

	encoders *encoder.Set
	shared   *nn.MLP
	specific []*nn.MLP
	compose  *nn.Linear
	fusion   *nn.MLP
	domain   *nn.Linear

	parts    []*nn.Var // c_m
	observed []*nn.Var // s_m, [Size, width], nil if no row has m
	personal []*nn.Var // p_m of the rows that have it
	gaps     []*nn.Var
	class    []int32
	both     []float32
	terms    [2]backbone.Term
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	m := &model{weights: [2]float64{c.Float("distribution"), c.Float("domain")}, width: c.Int("hidden")}
	ps, d, dropout := &m.params, m.width, c.Float("dropout")
	m.encoders = encoder.For(ps, c, d)
	m.shared = nn.NewMLP(ps, "shared", []int{d, d, d}, nil, dropout, c.Rand("shared"))
	for i, modality := range c.Modalities {
		m.specific = append(m.specific, nn.NewMLP(ps, "specific."+modality.Name, []int{d, d, d}, nil, dropout, c.Rand("specific", i)))
	}
	m.compose = nn.NewLinear(ps, "compose", 2*d, d, c.Rand("compose"))
	m.fusion = nn.NewMLP(ps, "fusion", []int{len(c.Modalities) * d, d, c.Width}, nil, dropout, c.Rand("fusion"))
	m.domain = nn.NewLinear(ps, "domain", d, len(c.Modalities), c.Rand("domain"))
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	m.parts, m.observed, m.personal, m.class = m.parts[:0], m.observed[:0], m.personal[:0], m.class[:0]
	sum := t.Const(b.Size, m.width, t.Scratch(b.Size*m.width))
	nothing := sum
	for i := range m.specific {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			m.parts, m.observed = append(m.parts, nothing), append(m.observed, nil)
			continue
		}
		s, p := m.shared.Apply(t, e, b.Rand), m.specific[i].Apply(t, e, b.Rand)
		c := t.Add(m.compose.Apply(t, t.Concat(s, p)), s)
		spread := t.Scatter(s, rows, b.Size)
		sum = t.Add(sum, spread)
		m.parts, m.observed = append(m.parts, t.Scatter(c, rows, b.Size)), append(m.observed, spread)
		m.personal = append(m.personal, p)
		for range rows {
			m.class = append(m.class, int32(i))
		}
	}
	// The mean of the shared features, in the rows that lack a modality.
	for i := range m.parts {
		share := t.Scratch(b.Size)
		for row, a := range b.Availability {
			if !b.Has(row, i) && a != 0 {
				share[row] = 1 / float32(bits.OnesCount64(a))
			}
		}
		m.parts[i] = t.Add(m.parts[i], t.MulRows(sum, t.Const(b.Size, 1, share)))
	}
	h := m.fusion.Apply(t, t.Concat(m.parts...), b.Rand)
	if !b.Train || len(m.personal) == 0 {
		return h, nil
	}
	domain := t.CrossEntropy(m.domain.Apply(t, t.Stack(m.personal...)), m.class)
	m.terms = [2]backbone.Term{
		{Name: "distribution", Weight: m.weights[0], Value: m.distance(t, b)},
		{Name: "domain", Weight: m.weights[1], Value: t.WeightedMean(domain, nil)},
	}
	return h, m.terms[:]
}

// distance is the mean of |s_m - s_n|.
func (m *model) distance(t *nn.Tape, b *backbone.Batch) *nn.Var {
	m.gaps, m.both = m.gaps[:0], m.both[:0]
	for i, s := range m.observed {
		for j, other := range m.observed[:i] {
			if s == nil || other == nil {
				continue
			}
			m.gaps = append(m.gaps, t.MeanCols(t.Abs(t.Sub(s, other))))
			for row := range b.Size {
				weight := float32(0)
				if b.Has(row, i) && b.Has(row, j) {
					weight = 1
				}
				m.both = append(m.both, weight)
			}
		}
	}
	if len(m.gaps) == 0 {
		return t.Const(1, 1, t.Scratch(1))
	}
	return t.WeightedMean(t.Stack(m.gaps...), m.both)
}
