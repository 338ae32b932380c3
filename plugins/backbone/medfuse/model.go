package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/encoder"
	"github.com/deconfound/deconfound/sdk/nn"
)

var info = sdk.Info{
	Name:     "medfuse",
	Version:  "0.1.0",
	Licence:  "Apache-2.0",
	Citation: "Hayat et al., MedFuse: Multi-modal fusion with clinical time-series data and chest X-ray images, MLHC 2022",
	Text: "MedFuse: the embeddings of the observed modalities, projected to one space, are the steps of a sequence that a " +
		"long short-term memory reads in the order of the modalities; h is read from its last state. Missing modalities " +
		"are left out of the sequence, so the mask shows through its length only. Extended from the two modalities of the " +
		"paper to any number, for which the bias of the forget gate starts one higher (Jozefowicz et al., ICML 2015), so " +
		"that the first are not forgotten by the last; encoders are trained with the rest, not before.",
	Hyperparameters: encoder.HyperparametersWith(256, 0.25),
	Capabilities:    sdk.Capabilities{BatchIndependent: true, Deterministic: true},
}

// model is section 3.3 of the paper: with v_m = Linear_m(e_m) for the observed m, in
// order, from state s = c = 0,
//
//	i, f, g, o = W v_m + U s + b,  c ← σ(f) c + σ(i) tanh(g),  s ← σ(o) tanh(c)
//	h = Linear(s)
type model struct {
	params    nn.Params
	width     int
	dropout   float64
	encoders  *encoder.Set
	project   []*nn.Linear
	in, recur *nn.Param // [width, 4 width]: i, f, g, o
	bias      *nn.Param
	out       *nn.Linear
}

func build(c backbone.Config) (backbone.Model, error) { return backbone.FromTape(newModel(c)), nil }

func newModel(c backbone.Config) *model {
	m := &model{width: c.Int("hidden"), dropout: c.Float("dropout")}
	ps, d := &m.params, m.width
	m.encoders = encoder.For(ps, c, d)
	for i, modality := range c.Modalities {
		m.project = append(m.project, nn.NewLinear(ps, "project."+modality.Name, d, d, c.Rand("project", i)))
	}
	init := nn.Uniform(c.Rand("lstm"), 1/math.Sqrt(float64(d)))
	m.in, m.recur = ps.New("lstm.in", d, 4*d, init), ps.New("lstm.state", d, 4*d, init)
	m.bias = ps.New("lstm.bias", 1, 4*d, init)
	m.bias.NoDecay = true
	for i := d; i < 2*d; i++ {
		m.bias.Value[i]++ // of the forget gate
	}
	m.out = nn.NewLinear(ps, "out", d, c.Width, c.Rand("out"))
	return m
}

func (m *model) Params() *nn.Params { return &m.params }

func (m *model) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	d := m.width
	state := t.Const(b.Size, d, t.Scratch(b.Size*d))
	cell := state
	in, recur, bias := t.Param(m.in), t.Param(m.recur), t.Param(m.bias)
	for i, project := range m.project {
		e, rows := m.encoders.Observed(t, b, i)
		if e == nil {
			continue
		}
		oldState, oldCell := t.Gather(state, rows), t.Gather(cell, rows)
		gates := t.Add(t.Linear(project.Apply(t, e), in, bias), t.Linear(oldState, recur, nil))
		gate := func(k int) *nn.Var { return t.Slice(gates, k*d, (k+1)*d) }
		keep, add := t.Sigmoid(gate(1)), t.Mul(t.Sigmoid(gate(0)), t.Tanh(gate(2)))
		newCell := t.Add(t.Mul(keep, oldCell), add)
		newState := t.Mul(t.Sigmoid(gate(3)), t.Tanh(newCell))
		cell = replace(t, cell, newCell, oldCell, rows)
		state = replace(t, state, newState, oldState, rows)
	}
	return m.out.Apply(t, t.Dropout(state, m.dropout, b.Rand)), nil
}

// replace is x with other values in some rows, given the old ones.
func replace(t *nn.Tape, x, values, old *nn.Var, rows []int32) *nn.Var {
	if len(rows) == x.Rows {
		return values
	}
	return t.Add(x, t.Scatter(t.Sub(values, old), rows, x.Rows))
}
