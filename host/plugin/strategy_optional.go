package plugin

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
)

var (
	_ sdk.Stager = (*StrategySession)(nil)
	_ sdk.Mixer  = (*StrategySession)(nil)
	_ sdk.Fitter = (*StrategySession)(nil)
)

// lacks is the error of a call that the plugin's capabilities do not name.
func (s *StrategySession) lacks(what string) error {
	return sdk.Errorf(sdk.CodeBadRequest, "%s declares no %s", s.process.entry, what)
}

// Stages implements sdk.Stager. They were checked when the session was opened.
func (s *StrategySession) Stages() []sdk.Stage { return s.wire.Stages() }

// Stage implements sdk.Stager.
func (s *StrategySession) Stage(ctx context.Context, req sdk.StageRequest, resp *sdk.StageResponse) error {
	if !s.process.info.Capabilities.Stages {
		return s.lacks("stages")
	}
	if n := len(s.Stages()); req.Stage < 1 || req.Stage > n {
		return sdk.Errorf(sdk.CodeBadRequest, "stage %d begins, there are %d after the first", req.Stage, n)
	}
	if err := sdk.CheckPredictions("predictions", req.Predictions, s.open.Task, len(s.open.Availability)); err != nil {
		return err
	}
	if err := s.call(ctx, "stage", s.process.timeouts.State, func(ctx context.Context) error {
		return s.wire.Stage(ctx, req, resp)
	}); err != nil {
		return err
	}
	return s.wrong("stage", checkTerms(resp.Terms))
}

// Mix implements sdk.Mixer.
func (s *StrategySession) Mix(ctx context.Context, req sdk.MixRequest, resp *sdk.MixResponse) error {
	rows := len(req.Rows)
	switch {
	case !s.process.info.Capabilities.Mixes:
		return s.lacks("mixing")
	case len(req.Availability) != rows || len(req.Labels) != rows*s.open.Task.LabelWidth() || (req.Groups != nil && len(req.Groups) != rows):
		return sdk.Errorf(sdk.CodeBadRequest, "mix of %d rows with %d masks, %d labels and %d groups", rows, len(req.Availability), len(req.Labels), len(req.Groups))
	}
	if err := s.call(ctx, "mix", s.process.timeouts.Step, func(ctx context.Context) error {
		return s.wire.Mix(ctx, req, resp)
	}); err != nil {
		return err
	}
	return s.wrong("mix", resp.Check(rows))
}

// Fit implements sdk.Fitter.
func (s *StrategySession) Fit(ctx context.Context, req sdk.FitRequest, resp *sdk.FitResponse) error {
	rows := len(req.Availability)
	if len(req.Labels) != rows*s.open.Task.LabelWidth() || (req.Groups != nil && len(req.Groups) != rows) {
		return sdk.Errorf(sdk.CodeBadRequest, "fit to %d rows with %d labels and %d groups", rows, len(req.Labels), len(req.Groups))
	}
	if err := s.checkHeld(req.Predictions, req.H, rows); err != nil {
		return err
	}
	if err := s.call(ctx, "fit", s.process.timeouts.State, func(ctx context.Context) error {
		return s.wire.Fit(ctx, req, resp)
	}); err != nil {
		return err
	}
	return s.wrong("fit", checkTerms(resp.Terms))
}

// Adjust implements sdk.Fitter.
func (s *StrategySession) Adjust(ctx context.Context, req sdk.AdjustRequest, resp *sdk.AdjustResponse) error {
	rows := len(req.Availability)
	if err := s.checkHeld(req.Predictions, req.H, rows); err != nil {
		return err
	}
	if err := s.call(ctx, "adjust", s.process.timeouts.State, func(ctx context.Context) error {
		return s.wire.Adjust(ctx, req, resp)
	}); err != nil {
		return err
	}
	if err := s.wrong("adjust", sdk.CheckPredictions("adjusted prediction", resp.Predictions, s.open.Task, rows)); err != nil {
		return err
	}
	return s.wrong("adjust", checkTerms(resp.Terms))
}

// checkHeld refuses rows that the plugin could not be asked about.
func (s *StrategySession) checkHeld(predictions, h sdk.Tensor, rows int) error {
	switch s.process.info.Capabilities.PostHoc {
	case sdk.NoPostHoc:
		return s.lacks("post-hoc fitting")
	case sdk.PostHocRepresentation:
		if err := h.Check("h", rows, s.open.Width); err != nil {
			return err
		}
	}
	return sdk.CheckPredictions("predictions", predictions, s.open.Task, rows)
}
