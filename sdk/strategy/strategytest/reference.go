package strategytest

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// tolerance is the largest deviation, relative to the largest value compared.
const tolerance = 1e-5

// numericTolerance is the largest relative deviation of a derivative of the
// penalty from central differences of inputs moved by numericStep.
const (
	numericTolerance = 1e-2
	numericStep      = 2e-3
)

// fixture is one case of testdata/reference.json.
type fixture struct {
	Name            string
	Hyperparameters map[string]any
	Task            sdk.TaskKind
	Classes, Width  int
	// Labels, Groups and Availability of the training rows; an unknown label is null.
	Labels       []*float32
	Groups       []int32
	Availability []uint64
	// Parameters of the rule by name, if it has any.
	Parameters map[string][]float32
	Steps      []step
}

// step is a training batch and what the objective is for it.
type step struct {
	Step      uint64
	Rows      []int32
	H, Logits []float32
	// Loss is the whole objective; DH and DLogits are its gradients.
	Loss        float64
	DH, DLogits []float64
	Reset       bool
	// Partner and Share are what the rule is taken to have mixed; its draws have
	// tests of their own. H is before mixing, Logits are linear in h: Weights
	// [width, outputs] of a head without intercept.
	Partner []int32
	Share   []float32
	Weights []float32
}

// Parametric is a rule with parameters of its own, which Reference sets to those
// of the reference.
type Parametric interface {
	// SetParameters copies values by name, row-major as in package nn.
	SetParameters(map[string][]float32) error
}

// Reference runs the steps of every case of testdata/reference.json, which
// testdata/reference.py made, and compares the objective
//
//	sum_i w_i loss_i / sum_i w_i + penalty
//
// and its gradients with respect to h and the logits, to 1e-5 of the largest. The
// gradients of the penalty are compared with central differences, too.
func Reference(t *testing.T, info sdk.Info, build func(strategy.Config) (strategy.Rule, error)) {
	t.Helper()
	var cases []fixture
	readFixture(t, "testdata/reference.json", &cases)
	if len(cases) == 0 {
		t.Fatal("the fixture has no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t, info, build) })
	}
}

func (c fixture) run(t *testing.T, info sdk.Info, build func(strategy.Config) (strategy.Rule, error)) {
	t.Helper()
	task := sdk.Task{Kind: c.Task, Classes: c.Classes}
	values, err := info.Complete(c.Hyperparameters)
	if err != nil {
		t.Fatalf("hyperparameters: %v", err)
	}
	labels := known(c.Labels)
	open := sdk.StrategyOpenRequest{
		Availability: c.Availability, Labels: labels, Groups: c.Groups, Modalities: 3, Task: task,
		Hyperparameters: values, Width: c.Width, Seed: 1,
		Epochs: 2, Optimizer: sdk.OptimizerSettings{Name: "adam", LearningRate: 1e-2},
	}
	var rule strategy.Rule
	plugin := strategy.New(info, func(cfg strategy.Config) (strategy.Rule, error) {
		rule, err = build(cfg)
		if parametric, ok := rule.(Parametric); ok && err == nil {
			err = parametric.SetParameters(c.Parameters)
		}
		return rule, err
	})
	var opened sdk.StrategyOpenResponse
	if err := plugin.Open(t.Context(), open, &opened); err != nil {
		t.Fatalf("open: %v", err)
	}
	for n, s := range c.Steps {
		if s.Partner != nil {
			s.mixed(t, n, c, task, labels, opened.Session)
			continue
		}
		req := s.request(c, task, labels)
		numeric(t, n, opened.Session, req)
		var resp sdk.ObjectiveResponse
		if err := opened.Session.Objective(t.Context(), req, &resp); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		loss, dlogits := objective(task, req, resp)
		near(t, n, "objective", []float64{loss}, []float64{s.Loss})
		near(t, n, "gradient with respect to h", widen(resp.DH.Data, len(s.H)), s.DH)
		near(t, n, "gradient with respect to the logits", dlogits, s.DLogits)
		if resp.ResetOptimizer != s.Reset {
			t.Errorf("step %d: the optimisers start anew: %t, want %t", n, resp.ResetOptimizer, s.Reset)
		}
	}
}

// numeric compares the gradient of the penalty with central differences along its
// own signs, and leaves the session as it was.
func numeric(t *testing.T, n int, session sdk.StrategySession, req sdk.ObjectiveRequest) {
	t.Helper()
	var before sdk.SnapshotResponse
	if err := session.Snapshot(t.Context(), sdk.SnapshotRequest{}, &before); err != nil {
		t.Fatalf("snapshot: %v", err)
	}
	at := func(req sdk.ObjectiveRequest) sdk.ObjectiveResponse {
		var resp sdk.ObjectiveResponse
		if err := session.Objective(t.Context(), req, &resp); err != nil {
			t.Fatalf("step %d: %v", n, err)
		}
		if err := session.Restore(t.Context(), sdk.RestoreRequest{State: before.State}, &sdk.RestoreResponse{}); err != nil {
			t.Fatalf("restore: %v", err)
		}
		return resp
	}
	resp := at(req)
	for _, x := range []struct {
		name  string
		input *[]float32
		slope []float32
	}{{"h", &req.H.Data, resp.DH.Data}, {"the logits", &req.Logits.Data, resp.DLogits.Data}} {
		own := *x.input
		moved := [2][]float32{slices.Clone(own), slices.Clone(own)}
		var want float64
		for i, g := range x.slope {
			step := float32(math.Copysign(numericStep, float64(g)))
			moved[0][i] -= step
			moved[1][i] += step
			want += float64(g) * (float64(moved[1][i]) - float64(moved[0][i]))
		}
		var value [2]float64
		for side, input := range moved {
			*x.input = input
			value[side] = at(req).Penalty
		}
		*x.input = own
		if got := value[1] - value[0]; !(math.Abs(got-want) <= numericTolerance*math.Abs(want)+1e-9) {
			t.Errorf("step %d: moving %s along its gradient changes the penalty by %v, the gradient says %v", n, x.name, got, want)
		}
	}
}

func (s step) request(c fixture, task sdk.Task, labels []float32) sdk.ObjectiveRequest {
	n := len(s.Rows)
	req := sdk.ObjectiveRequest{
		Rows: s.Rows, Step: s.Step,
		H:      sdk.Tensor{Shape: []int{n, c.Width}, Data: s.H},
		Logits: sdk.Tensor{Shape: []int{n, task.Outputs()}, Data: s.Logits},
	}
	width := task.LabelWidth()
	for _, row := range s.Rows {
		req.Labels = append(req.Labels, labels[int(row)*width:int(row+1)*width]...)
		req.Groups = append(req.Groups, c.Groups[row])
		req.Availability = append(req.Availability, c.Availability[row])
	}
	for _, v := range strategy.LossesOf(task, strategy.Batch{Rows: s.Rows, Logits: req.Logits, Labels: req.Labels}).Value {
		req.RowLoss = append(req.RowLoss, float32(v))
	}
	return req
}

// objective is what the host minimises, and its gradient.
func objective(task sdk.Task, req sdk.ObjectiveRequest, resp sdk.ObjectiveResponse) (float64, []float64) {
	losses := strategy.LossesOf(task, strategy.Batch{Rows: req.Rows, Logits: req.Logits, Labels: req.Labels})
	weights := widen(resp.Weights, len(req.Rows))
	var total float64
	for i := range weights {
		if resp.Weights == nil {
			weights[i] = 1
		}
		total += weights[i]
	}
	loss := resp.Penalty
	dlogits := widen(resp.DLogits.Data, len(req.Logits.Data))
	for i, w := range weights {
		loss += w / total * losses.Value[i]
		losses.AddGradient(i, w/total, dlogits)
	}
	return loss, dlogits
}

func widen(values []float32, n int) []float64 {
	out := make([]float64, n)
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

func near(t *testing.T, step int, what string, got, want []float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("step %d, %s: got %d values, want %d", step, what, len(got), len(want))
	}
	size := 1e-6
	for _, v := range want {
		size = max(size, math.Abs(v))
	}
	for i := range want {
		if off := math.Abs(got[i]-want[i]) / size; !(off <= tolerance) {
			t.Fatalf("step %d, %s, value %d: got %v, want %v (off by %.1e of the largest)", step, what, i, got[i], want[i], off)
		}
	}
}
