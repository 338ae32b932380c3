package plugintest

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

const (
	trainingRows       = 96
	strategyModalities = 4
)

// strategies is the suite for one strategy.
type strategies struct {
	*suite
	plugin       sdk.Strategy
	availability []uint64 // of the training rows
	groups       []int32
}

// CheckStrategy runs the suite on a strategy: a value of this process or one that
// stands for another process. It answers one result a check.
func CheckStrategy(ctx context.Context, plugin sdk.Strategy, options Options) []Result {
	s := &strategies{suite: newSuite(ctx, options), plugin: plugin}
	r := rng.Stream(20, "patterns")
	for i := range trainingRows {
		own := draw(r, 1<<strategyModalities-1, 0.6)
		if i == trainingRows-1 {
			own = 0
		}
		s.availability = append(s.availability, own)
		s.groups = append(s.groups, int32(r.IntN(3)))
	}
	return s.all(s.checks())
}

func (s *strategies) checks() []check {
	return []check{
		{"info", func(p *probe) { s.describes(p, sdk.KindStrategy, s.plugin.Info) }},
		{"hyperparameters", s.checkHyperparameters},
		{"determinism", s.checkDeterminism},
		{"augment", s.checkAugment},
		{"objective", s.checkObjective},
		{"gradients", s.checkGradients},
		{"stages", s.checkStages},
		{"mixing", s.checkMixing},
		{"post-hoc", s.checkPostHoc},
		{"snapshot", s.checkSnapshot},
		{"sessions", s.checkSessions},
		{"slices", s.checkSlices},
		{"refusals", s.checkRefusals},
		{"wire", s.checkWire},
		{"cancel", s.checkCancel},
		{"close", s.checkClose},
		{"restart", s.checkRestart},
		{"resources", s.checkResources},
		{"host", s.checkHost},
	}
}

// request is the usual one: the first task, groups, three covariates of which the
// first has to do with what is missing.
func (s *strategies) request(p *probe) sdk.StrategyOpenRequest {
	values, err := s.values(nil)
	p.must(err, "complete the hyperparameters")
	return s.requestOf(s.tasks()[0], values)
}

func (s *strategies) requestOf(task sdk.Task, values sdk.Values) sdk.StrategyOpenRequest {
	r := rng.Stream(21, "covariates")
	covariates := sdk.Tensor{Shape: []int{trainingRows, 3}, Data: normals(r, 3*trainingRows, 1)}
	prior := map[uint64]float64{}
	for i, own := range s.availability {
		covariates.Data[3*i] += float32(own&1) - 0.5
		prior[own] += 1.0 / trainingRows
	}
	return sdk.StrategyOpenRequest{
		Availability:    slices.Clone(s.availability),
		Labels:          labelsOf(task, trainingRows),
		Covariates:      covariates,
		Groups:          slices.Clone(s.groups),
		Prior:           prior,
		Modalities:      strategyModalities,
		Task:            task,
		Hyperparameters: values,
		Optimizer:       sdk.OptimizerSettings{Name: "adam", LearningRate: 1e-2},
		Seed:            11,
		Width:           hWidth,
		Epochs:          strategyEpochs,
	}
}

func (s *strategies) open(p *probe, req sdk.StrategyOpenRequest) *strategy {
	o, err := s.tryOpen(req)
	p.must(err, "open a session")
	p.cleanup(func() { _ = o.close() })
	return o
}

func (s *strategies) tryOpen(req sdk.StrategyOpenRequest) (*strategy, error) {
	var resp sdk.StrategyOpenResponse
	if err := s.call("Open", func(ctx context.Context) error { return s.plugin.Open(ctx, req, &resp) }); err != nil {
		return nil, err
	}
	if resp.Session == nil {
		return nil, sdk.Errorf(sdk.CodeInternal, "Open returned neither a session nor an error")
	}
	return &strategy{suite: s, session: resp.Session, task: req.Task}, nil
}

// strategy is an open session. What its methods return are copies.
type strategy struct {
	suite   *strategies
	session sdk.StrategySession
	task    sdk.Task
}

// augment sends a copy of the request.
func (s *strategy) augment(req sdk.AugmentRequest) ([]uint64, error) {
	req.Rows, req.Availability = slices.Clone(req.Rows), slices.Clone(req.Availability)
	return s.augmentShared(req)
}

// augmentShared sends the slices of the request as they are.
func (s *strategy) augmentShared(req sdk.AugmentRequest) ([]uint64, error) {
	var resp sdk.AugmentResponse
	err := s.suite.call("Augment", func(ctx context.Context) error { return s.session.Augment(ctx, req, &resp) })
	if err != nil {
		return nil, err
	}
	return slices.Clone(resp.Availability), nil
}

// objective sends a copy of the request.
func (s *strategy) objective(req sdk.ObjectiveRequest) (sdk.ObjectiveResponse, error) {
	req.Rows, req.Availability, req.Groups = slices.Clone(req.Rows), slices.Clone(req.Availability), slices.Clone(req.Groups)
	req.RowLoss, req.Labels = slices.Clone(req.RowLoss), slices.Clone(req.Labels)
	req.H, req.Logits = copyTensor(req.H), copyTensor(req.Logits)
	return s.objectiveShared(req)
}

func (s *strategy) objectiveShared(req sdk.ObjectiveRequest) (sdk.ObjectiveResponse, error) {
	var resp sdk.ObjectiveResponse
	err := s.suite.call("Objective", func(ctx context.Context) error { return s.session.Objective(ctx, req, &resp) })
	if err != nil {
		return sdk.ObjectiveResponse{}, err
	}
	resp.Weights, resp.Terms = slices.Clone(resp.Weights), slices.Clone(resp.Terms)
	resp.DH, resp.DLogits = copyTensor(resp.DH), copyTensor(resp.DLogits)
	return resp, nil
}

func (s *strategy) snapshot() (state, error) {
	var resp sdk.SnapshotResponse
	err := s.suite.call("Snapshot", func(ctx context.Context) error { return s.session.Snapshot(ctx, sdk.SnapshotRequest{}, &resp) })
	if err != nil {
		return state{}, err
	}
	return copyState(resp), nil
}

func (s *strategy) restore(st state) error {
	return s.suite.call("Restore", func(ctx context.Context) error {
		return s.session.Restore(ctx, st.request(), &sdk.RestoreResponse{})
	})
}

func (s *strategy) close() error {
	return s.suite.call("Close", func(ctx context.Context) error {
		return s.session.Close(ctx, sdk.CloseRequest{}, &sdk.CloseResponse{})
	})
}

// rows are the positions of the batch of a step.
func (s *strategies) rows(step uint64) []int32 {
	r := rng.Stream(22, "rows", step)
	rows := make([]int32, batchRows)
	for i := range rows {
		rows[i] = int32(r.IntN(trainingRows))
	}
	rows[0] = trainingRows - 1 // the row without anything
	return rows
}

func (s *strategies) augmentRequest(step uint64) sdk.AugmentRequest {
	req := sdk.AugmentRequest{Rows: s.rows(step), Step: step}
	for _, row := range req.Rows {
		req.Availability = append(req.Availability, s.availability[row])
	}
	return req
}

// objectiveRequest is a step with the numbers of no model in particular.
func (s *strategies) objectiveRequest(step uint64, task sdk.Task) sdk.ObjectiveRequest {
	r := rng.Stream(23, "objective", step)
	rows := s.rows(step)
	n, outputs, width := len(rows), task.Outputs(), task.LabelWidth()
	req := sdk.ObjectiveRequest{
		Rows:         rows,
		H:            sdk.Tensor{Shape: []int{n, hWidth}, Data: normals(r, n*hWidth, 1)},
		Logits:       sdk.Tensor{Shape: []int{n, outputs}, Data: normals(r, n*outputs, 1)},
		Availability: s.augmentRequest(step).Availability,
		Step:         step,
	}
	labels := labelsOf(task, trainingRows)
	for _, row := range rows {
		req.RowLoss = append(req.RowLoss, float32(r.ExpFloat64()))
		req.Labels = append(req.Labels, labels[int(row)*width:int(row+1)*width]...)
		req.Groups = append(req.Groups, s.groups[row])
	}
	return req
}

// run goes through the steps [from, to) as the host does and writes down all
// numbers that the strategy answers.
func (s *strategy) run(from, to uint64) (journal, error) {
	var out journal
	for step := from; step < to; step++ {
		a, err := s.step(step)
		if err != nil {
			return out, err
		}
		out.steps = append(out.steps, a)
	}
	end, err := s.snapshot()
	if err != nil {
		return out, fmt.Errorf("snapshot: %w", err)
	}
	out.end = end
	return out, nil
}

// step is one step as the host does it.
func (s *strategy) step(step uint64) (answers, error) {
	shown, err := s.augment(s.suite.augmentRequest(step))
	if err != nil {
		return answers{}, fmt.Errorf("augment of step %d: %w", step, err)
	}
	resp, err := s.objective(s.suite.objectiveRequest(step, s.task))
	if err != nil {
		return answers{}, fmt.Errorf("objective of step %d: %w", step, err)
	}
	return answers{shown, resp}, nil
}

// journal is everything a run of a strategy shows.
type journal struct {
	steps []answers
	end   state
}

type answers struct {
	shown     []uint64
	objective sdk.ObjectiveResponse
}

// difference says where two runs differ in a bit, "" if nowhere.
func (j journal) difference(o journal) string {
	for i, a := range j.steps {
		b := o.steps[i]
		switch {
		case !slices.Equal(a.shown, b.shown):
			return fmt.Sprintf("the availability of step %d", i+1)
		case !sameBits(a.objective.Weights, b.objective.Weights):
			return fmt.Sprintf("the weights of step %d", i+1)
		case math.Float64bits(a.objective.Penalty) != math.Float64bits(b.objective.Penalty):
			return fmt.Sprintf("the penalty of step %d", i+1)
		case !sameBits(a.objective.DH.Data, b.objective.DH.Data), !sameBits(a.objective.DLogits.Data, b.objective.DLogits.Data):
			return fmt.Sprintf("the gradient of the penalty of step %d", i+1)
		case !slices.EqualFunc(a.objective.Terms, b.objective.Terms, func(x, y sdk.Term) bool {
			return x.Name == y.Name && math.Float64bits(x.Value) == math.Float64bits(y.Value)
		}):
			return fmt.Sprintf("the terms of step %d", i+1)
		}
	}
	return j.end.difference(o.end)
}
