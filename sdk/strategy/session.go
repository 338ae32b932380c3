package strategy

import (
	"context"
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// New makes a strategy plugin of a rule. build is called once a session, with
// complete and checked hyperparameters. info.Kind is set here.
func New(info sdk.Info, build func(Config) (Rule, error)) sdk.Strategy {
	info.Kind = sdk.KindStrategy
	return &plugin{info: info, build: build}
}

type plugin struct {
	info  sdk.Info
	build func(Config) (Rule, error)
}

// Info describes the plugin.
func (p *plugin) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = p.info
	return nil
}

// Open builds the rule from the training rows.
func (p *plugin) Open(_ context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) error {
	values, err := p.info.Complete(req.Hyperparameters)
	if err != nil {
		return err
	}
	req.Hyperparameters = values
	if err := p.info.Capabilities.Accepts(req.Task, nil); err != nil {
		return err
	}
	if err := checkOpen(req); err != nil {
		return err
	}
	rule, err := p.build(Config{Open: req})
	if err != nil {
		return err
	}
	if err := p.checkRule(rule); err != nil {
		return err
	}
	groups := int32(0)
	for _, g := range req.Groups {
		groups = max(groups, g+1)
	}
	resp.Session = &session{
		rule: rule, seed: req.Seed, rows: len(req.Availability), groups: groups, task: req.Task, width: req.Width,
		postHoc: p.info.Capabilities.PostHoc,
	}
	if stager, ok := rule.(Stager); ok {
		return sdk.CheckStages(stager.Stages(), req.Epochs)
	}
	return nil
}

// checkRule holds a rule to what its Info declares: the host asks for no more.
func (p *plugin) checkRule(rule Rule) error {
	_, stages := rule.(Stager)
	_, mixes := rule.(Mixer)
	_, fits := rule.(Fitter)
	c := p.info.Capabilities
	if stages != c.Stages || mixes != c.Mixes || fits != (c.PostHoc != sdk.NoPostHoc) {
		return sdk.Errorf(sdk.CodeInternal, "the rule is a Stager, Mixer, Fitter: %t, %t, %t, and its Info declares Stages, Mixes, PostHoc: %t, %t, %q",
			stages, mixes, fits, c.Stages, c.Mixes, c.PostHoc)
	}
	return nil
}

// session keeps one rule. It is used by one call at a time.
type session struct {
	rule   Rule
	seed   uint64
	rows   int
	groups int32 // all group numbers are below
	task   sdk.Task
	width  int

	postHoc sdk.PostHoc
}

var (
	_ sdk.Stager = (*session)(nil)
	_ sdk.Mixer  = (*session)(nil)
	_ sdk.Fitter = (*session)(nil)
)

// Augment asks the rule, if it augments, for the availability to train with.
func (s *session) Augment(_ context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	if err := s.checkRows(req.Rows, req.Availability); err != nil {
		return err
	}
	resp.Availability = req.Availability
	if rule, ok := s.rule.(Augmenter); ok {
		resp.Availability = rule.Augment(req.Availability, rng.Stream(s.seed, "augment", req.Step))
	}
	return nil
}

// Objective asks the rule for weights and penalties.
func (s *session) Objective(_ context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	if err := s.checkObjective(req); err != nil {
		return err
	}
	batch := Batch{
		Rows: req.Rows, H: req.H, Logits: req.Logits, RowLoss: req.RowLoss, Labels: req.Labels,
		Availability: req.Availability, Groups: req.Groups, Step: req.Step,
	}
	if rule, ok := s.rule.(Weigher); ok {
		weights, terms, err := rule.Weights(batch)
		if err != nil {
			return err
		}
		for i, w := range weights {
			if !(w >= 0) || math.IsInf(float64(w), 0) {
				return sdk.Errorf(sdk.CodeNotFinite, "weight of batch row %d is %v", i, w)
			}
		}
		resp.Weights, resp.Terms = weights, append(resp.Terms, terms...)
	}
	if rule, ok := s.rule.(Resetter); ok {
		resp.ResetOptimizer = rule.Reset(req.Step)
	}
	if rule, ok := s.rule.(Penalizer); ok {
		value, dh, dlogits, terms, err := rule.Penalty(batch)
		if err != nil {
			return err
		}
		resp.Penalty, resp.Terms = value, append(resp.Terms, terms...)
		if dh != nil {
			resp.DH = sdk.Tensor{Shape: req.H.Shape, Data: dh}
		}
		if dlogits != nil {
			resp.DLogits = sdk.Tensor{Shape: req.Logits.Shape, Data: dlogits}
		}
	}
	return nil
}

// Snapshot keeps the state of a stateful rule; every other one is a function of
// the open request.
func (s *session) Snapshot(_ context.Context, _ sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	rule, ok := s.rule.(Stateful)
	if !ok {
		return nil
	}
	state, err := rule.State()
	resp.State = state
	return err
}

// Restore brings a stateful rule back.
func (s *session) Restore(_ context.Context, req sdk.RestoreRequest, _ *sdk.RestoreResponse) error {
	rule, ok := s.rule.(Stateful)
	switch {
	case ok && len(req.Parameters) > 0:
		return sdk.Errorf(sdk.CodeBadRequest, "restore %d parameters into a strategy that has none", len(req.Parameters))
	case ok:
		if err := rule.SetState(req.State); err != nil {
			return sdk.Wrap(sdk.CodeBadRequest, err, "restore strategy")
		}
		return nil
	case len(req.State) > 0 || len(req.Parameters) > 0:
		return sdk.Errorf(sdk.CodeBadRequest, "restore a state into a strategy that has none")
	}
	return nil
}

// Close has nothing to release.
func (s *session) Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error { return nil }
