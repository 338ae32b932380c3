package strategytest

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// training is one case of testdata/training.json: a whole run of a small model,
//
//	h = tanh(x W + a), logits = h V + b
//
// on fixed batches, with Adam.
type training struct {
	Name                   string
	Hyperparameters        map[string]any
	Task                   sdk.TaskKind
	Classes, Inputs, Width int
	X                      []float64
	Labels                 []*float32
	Groups                 []int32
	Availability           []uint64
	// Initial is W [inputs, width], a, V [width, outputs] and b, one after the other.
	Initial      []float64
	LearningRate float64
	// Batches are training rows by epoch and step.
	Batches [][][]int32
	// Parameters of the rule by name, if it has any.
	Parameters map[string][]float32
	// Held and Test have X in the place of H and predictions.
	Held, Test struct {
		held

		X []float64
	}

	// Losses are the objective of every step, Final the parameters at the end, and
	// Want what is predicted of the test rows, adjusted if the rule fits.
	Losses, Final, Want []float64
}

// Training runs every case of testdata/training.json, which testdata/training.py
// made, through all stages and the fit after training, as the host does, and compares
// the objective of every step, the parameters at the end and the predictions of the
// test rows, to 1e-5 of the largest.
func Training(t *testing.T, info sdk.Info, build func(strategy.Config) (strategy.Rule, error)) {
	t.Helper()
	var cases []training
	readFixture(t, "testdata/training.json", &cases)
	if len(cases) == 0 {
		t.Fatal("the fixture has no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t, info, build) })
	}
}

func (c training) run(t *testing.T, info sdk.Info, build func(strategy.Config) (strategy.Rule, error)) {
	t.Helper()
	task := sdk.Task{Kind: c.Task, Classes: c.Classes}
	values, err := info.Complete(c.Hyperparameters)
	if err != nil {
		t.Fatalf("hyperparameters: %v", err)
	}
	labels := known(c.Labels)
	open := sdk.StrategyOpenRequest{
		Availability: c.Availability, Labels: labels, Groups: c.Groups, Modalities: 3, Task: task,
		Hyperparameters: values, Width: c.Width, Seed: 1, Epochs: len(c.Batches),
		Optimizer: sdk.OptimizerSettings{Name: "adam", LearningRate: c.LearningRate},
	}
	var opened sdk.StrategyOpenResponse
	if err := strategy.New(info, func(cfg strategy.Config) (strategy.Rule, error) {
		rule, err := build(cfg)
		if parametric, ok := rule.(Parametric); ok && err == nil && c.Parameters != nil {
			err = parametric.SetParameters(c.Parameters)
		}
		return rule, err
	}).Open(t.Context(), open, &opened); err != nil {
		t.Fatalf("open: %v", err)
	}
	var stages []sdk.Stage
	stager, _ := opened.Session.(sdk.Stager)
	if info.Capabilities.Stages {
		stages = stager.Stages()
	}

	m := newSmall(c, task)
	n, begun := 0, 0
	for epoch, batches := range c.Batches {
		if begun < len(stages) && stages[begun].Start == epoch {
			m.forward(c.X)
			begun++
			req := sdk.StageRequest{Stage: begun, Predictions: sdk.Tensor{Shape: []int{len(c.Availability), task.Outputs()}, Data: m.probabilities()}}
			if err := stager.Stage(t.Context(), req, &sdk.StageResponse{}); err != nil {
				t.Fatalf("stage %d: %v", begun, err)
			}
			if stages[begun-1].Restart {
				m = newSmall(c, task)
			}
		}
		for _, rows := range batches {
			x := make([]float64, 0, len(rows)*c.Inputs)
			for _, row := range rows {
				x = append(x, c.X[int(row)*c.Inputs:int(row+1)*c.Inputs]...)
			}
			m.forward(x)
			s := step{Step: uint64(n), Rows: rows, H: strategy.Narrow(m.h), Logits: strategy.Narrow(m.logits)}
			req := s.request(fixture{Width: c.Width, Groups: c.Groups, Availability: c.Availability}, task, labels)
			var resp sdk.ObjectiveResponse
			if err := opened.Session.Objective(t.Context(), req, &resp); err != nil {
				t.Fatalf("step %d: %v", n, err)
			}
			loss, dlogits := objective(task, req, resp)
			near(t, n, "objective", []float64{loss}, []float64{c.Losses[n]})
			m.learn(x, dlogits, widen(resp.DH.Data, len(m.h)))
			n++
		}
	}
	if begun != len(stages) || n != len(c.Losses) {
		t.Fatalf("%d stages of %d and %d steps of %d", begun, len(stages), n, len(c.Losses))
	}
	near(t, n, "parameters at the end", m.parameters, c.Final)

	show := func(x []float64, rows held) held {
		m.forward(x)
		rows.H, rows.Predictions = strategy.Narrow(m.h), m.probabilities()
		return rows
	}
	test := show(c.Test.X, c.Test.held)
	got := widen(test.Predictions, len(test.Predictions))
	if info.Capabilities.PostHoc != sdk.NoPostHoc {
		got, _ = show(c.Held.X, c.Held.held).fitAndAdjust(t, opened.Session, task, c.Width, test)
	}
	near(t, n, "predictions of the test rows", got, c.Want)
}

// small is the model of a training, in float64.
type small struct {
	inputs, width, outputs int
	sigmoid                bool
	rate                   float64
	parameters             []float64
	first, second          []float64 // moments of Adam
	steps                  int
	h, logits              []float64 // of the last forward
}

func newSmall(c training, task sdk.Task) *small {
	return &small{
		inputs: c.Inputs, width: c.Width, outputs: task.Outputs(), sigmoid: task.Kind != sdk.Multiclass, rate: c.LearningRate,
		parameters: slices.Clone(c.Initial), first: make([]float64, len(c.Initial)), second: make([]float64, len(c.Initial)),
	}
}

// layers are the parts of the parameters, or of a gradient.
func (m *small) layers(p []float64) (w, a, v, b []float64) {
	w, p = p[:m.inputs*m.width], p[m.inputs*m.width:]
	a, p = p[:m.width], p[m.width:]
	return w, a, p[:m.width*m.outputs], p[m.width*m.outputs:]
}

func (m *small) forward(x []float64) {
	w, a, v, b := m.layers(m.parameters)
	rows := len(x) / m.inputs
	m.h, m.logits = make([]float64, rows*m.width), make([]float64, rows*m.outputs)
	for i := range rows {
		for k := range m.width {
			z := a[k]
			for j := range m.inputs {
				z += x[i*m.inputs+j] * w[j*m.width+k]
			}
			m.h[i*m.width+k] = math.Tanh(z)
		}
		for c := range m.outputs {
			z := b[c]
			for k := range m.width {
				z += m.h[i*m.width+k] * v[k*m.outputs+c]
			}
			m.logits[i*m.outputs+c] = z
		}
	}
}

func (m *small) probabilities() []float32 {
	out := make([]float32, len(m.logits))
	for i := 0; i < len(out); i += m.outputs {
		var sum float64
		for c := range m.outputs {
			sum += math.Exp(m.logits[i+c])
		}
		for c := range m.outputs {
			if m.sigmoid {
				out[i+c] = float32(1 / (1 + math.Exp(-m.logits[i+c])))
			} else {
				out[i+c] = float32(math.Exp(m.logits[i+c]) / sum)
			}
		}
	}
	return out
}

// learn takes a step of Adam; dh is what is added to the gradient of h.
func (m *small) learn(x, dlogits, dh []float64) {
	gradient := make([]float64, len(m.parameters))
	_, _, v, _ := m.layers(m.parameters)
	dw, da, dv, db := m.layers(gradient)
	for i := range len(m.h) / m.width {
		for k := range m.width {
			h, d := m.h[i*m.width+k], dh[i*m.width+k]
			for c := range m.outputs {
				g := dlogits[i*m.outputs+c]
				d += g * v[k*m.outputs+c]
				dv[k*m.outputs+c] += g * h
			}
			d *= 1 - h*h
			da[k] += d
			for j := range m.inputs {
				dw[j*m.width+k] += d * x[i*m.inputs+j]
			}
		}
		for c := range m.outputs {
			db[c] += dlogits[i*m.outputs+c]
		}
	}
	const beta1, beta2, epsilon = 0.9, 0.999, 1e-8
	m.steps++
	t := float64(m.steps)
	for i, g := range gradient {
		m.first[i] = beta1*m.first[i] + (1-beta1)*g
		m.second[i] = beta2*m.second[i] + (1-beta2)*g*g
		size := math.Sqrt(m.second[i]/(1-math.Pow(beta2, t))) + epsilon
		m.parameters[i] -= m.rate * m.first[i] / (1 - math.Pow(beta1, t)) / size
	}
}
