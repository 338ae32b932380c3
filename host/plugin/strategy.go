package plugin

import (
	"context"
	"math/bits"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// StrategySession is a session of a strategy whose answers are checked: an
// augmented availability is a subset of the data's, weights are finite and not
// negative, gradients have the asked shape and are finite, adjusted predictions are
// probabilities. After an error it
// behaves as a BackboneSession does.
type StrategySession struct {
	session
	wire *transport.StrategySession
	open sdk.StrategyOpenRequest
}

var _ sdk.StrategySession = (*StrategySession)(nil)

// OpenStrategy opens a session. Hyperparameters are checked and completed before
// the plugin sees the request.
func OpenStrategy(ctx context.Context, p *Process, req sdk.StrategyOpenRequest) (*StrategySession, error) {
	if p.entry.Kind != sdk.KindStrategy {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "%s is no strategy", p.entry)
	}
	if err := p.checkStrategyOpen(&req); err != nil {
		return nil, err
	}
	s := &StrategySession{session: session{process: p}, open: req}
	err := p.guard(ctx, "open", p.timeouts.Open, func(ctx context.Context) (done <-chan struct{}, err error) {
		if s.wire, err = p.wire.OpenStrategy(ctx, req); s.wire != nil {
			done = s.wire.Done()
		}
		return done, err
	})
	if err != nil {
		return nil, err
	}
	s.session.wire = s.wire
	if err := s.checkStages(); err != nil {
		_ = s.Close(context.WithoutCancel(ctx), sdk.CloseRequest{}, &sdk.CloseResponse{})
		return nil, err
	}
	return s, nil
}

// checkStages refuses stages that do not fit into the run or were not declared.
func (s *StrategySession) checkStages() error {
	if len(s.Stages()) > 0 && !s.process.info.Capabilities.Stages {
		return s.process.failure(sdk.CodeProtocol, "its answer to open has stages, and its capabilities have none")
	}
	if err := sdk.CheckStages(s.Stages(), s.open.Epochs); err != nil {
		return s.process.failure(sdk.CodeBadShape, "its answer to open cannot be used: "+err.Error())
	}
	return nil
}

// checkStrategyOpen checks and completes the request.
func (p *Process) checkStrategyOpen(req *sdk.StrategyOpenRequest) error {
	n := len(req.Availability)
	if err := req.Task.Validate(); err != nil {
		return sdk.Wrap(sdk.CodeBadRequest, err, "open %s", p.entry)
	}
	switch {
	case len(req.Labels) != n*req.Task.LabelWidth():
		return sdk.Errorf(sdk.CodeBadRequest, "open %s: %d labels for %d rows", p.entry, len(req.Labels), n)
	case req.Groups != nil && len(req.Groups) != n:
		return sdk.Errorf(sdk.CodeBadRequest, "open %s: %d groups for %d rows", p.entry, len(req.Groups), n)
	case !req.Covariates.Absent() && (len(req.Covariates.Shape) != 2 || req.Covariates.Shape[0] != n):
		return sdk.Errorf(sdk.CodeBadRequest, "open %s: covariates of shape %v for %d rows", p.entry, req.Covariates.Shape, n)
	}
	if err := p.info.Capabilities.Accepts(req.Task, nil); err != nil {
		return sdk.Wrap(sdk.CodeUnsupported, err, "open %s", p.entry)
	}
	values, err := p.info.Complete(req.Hyperparameters)
	req.Hyperparameters = values
	return err
}

// Augment implements sdk.StrategySession.
func (s *StrategySession) Augment(ctx context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	if len(req.Rows) != len(req.Availability) {
		return sdk.Errorf(sdk.CodeBadRequest, "augment of %d rows with %d availability masks", len(req.Rows), len(req.Availability))
	}
	if err := s.call(ctx, "augment", s.process.timeouts.Step, func(ctx context.Context) error {
		return s.wire.Augment(ctx, req, resp)
	}); err != nil {
		return err
	}
	return s.wrong("augment", checkAugmented(req.Availability, resp.Availability))
}

func checkAugmented(own, got []uint64) error {
	if len(got) != len(own) {
		return sdk.Errorf(sdk.CodeBadShape, "%d availability masks for %d rows", len(got), len(own))
	}
	for i := range got {
		if extra := got[i] &^ own[i]; extra != 0 {
			return sdk.Errorf(sdk.CodeBadShape, "row %d gets modality %d, which its data does not have", i, bits.TrailingZeros64(extra))
		}
		if got[i] == 0 && own[i] != 0 {
			return sdk.Errorf(sdk.CodeBadShape, "row %d is left without any modality", i)
		}
	}
	return nil
}

// Objective implements sdk.StrategySession.
func (s *StrategySession) Objective(ctx context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	rows := len(req.Rows)
	switch {
	case len(req.Availability) != rows || len(req.RowLoss) != rows || len(req.Labels) != rows*s.open.Task.LabelWidth():
		return sdk.Errorf(sdk.CodeBadRequest, "objective of %d rows with %d masks, %d losses and %d labels", rows, len(req.Availability), len(req.RowLoss), len(req.Labels))
	case req.Groups != nil && len(req.Groups) != rows:
		return sdk.Errorf(sdk.CodeBadRequest, "objective of %d rows with %d groups", rows, len(req.Groups))
	}
	if err := req.H.Check("h", rows, s.open.Width); err != nil {
		return err
	}
	if err := req.Logits.Check("logits", rows, s.open.Task.Outputs()); err != nil {
		return err
	}
	if err := s.call(ctx, "objective", s.process.timeouts.Step, func(ctx context.Context) error {
		return s.wire.Objective(ctx, req, resp)
	}); err != nil {
		return err
	}
	return s.wrong("objective", checkObjected(req, resp))
}

func checkObjected(req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	if resp.Weights != nil {
		if len(resp.Weights) != len(req.Rows) {
			return sdk.Errorf(sdk.CodeBadShape, "%d weights for %d rows", len(resp.Weights), len(req.Rows))
		}
		if err := sdk.CheckFinite("weight", resp.Weights, 1); err != nil {
			return err
		}
		for i, w := range resp.Weights {
			if w < 0 {
				return sdk.Errorf(sdk.CodeBadShape, "the weight of row %d is %v; weights must not be negative", i, w)
			}
		}
	}
	for _, g := range []struct {
		name string
		got  sdk.Tensor
		of   sdk.Tensor
	}{{"dh", resp.DH, req.H}, {"dlogits", resp.DLogits, req.Logits}} {
		if g.got.Absent() {
			continue
		}
		if err := g.got.Check(g.name, g.of.Shape...); err != nil {
			return err
		}
		if err := g.got.CheckFinite(g.name); err != nil {
			return err
		}
	}
	if err := checkNumber("the penalty", resp.Penalty); err != nil {
		return err
	}
	return checkTerms(resp.Terms)
}
