package strategy

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Stages answers the stages of a rule that has them.
func (s *session) Stages() []sdk.Stage {
	if rule, ok := s.rule.(Stager); ok {
		return rule.Stages()
	}
	return nil
}

// Stage tells the rule that a stage begins.
func (s *session) Stage(_ context.Context, req sdk.StageRequest, resp *sdk.StageResponse) error {
	rule, ok := s.rule.(Stager)
	if !ok {
		return sdk.Errorf(sdk.CodeUnsupported, "the strategy has no stages")
	}
	if n := len(rule.Stages()); req.Stage < 1 || req.Stage > n {
		return sdk.Errorf(sdk.CodeBadRequest, "stage %d begins, there are %d after the first", req.Stage, n)
	}
	if err := sdk.CheckPredictions("predictions", req.Predictions, s.task, s.rows); err != nil {
		return err
	}
	var err error
	resp.Terms, err = rule.Begin(req.Stage, req.Predictions.Data)
	return err
}

// Mix asks the rule for partners.
func (s *session) Mix(_ context.Context, req sdk.MixRequest, resp *sdk.MixResponse) error {
	rule, ok := s.rule.(Mixer)
	if !ok {
		return sdk.Errorf(sdk.CodeUnsupported, "the strategy mixes no rows")
	}
	if err := s.checkRows(req.Rows, req.Availability); err != nil {
		return err
	}
	if n := len(req.Rows); len(req.Labels) != n*s.task.LabelWidth() || (req.Groups != nil && len(req.Groups) != n) {
		return sdk.Errorf(sdk.CodeBadShape, "mix of %d rows has %d labels and %d groups", n, len(req.Labels), len(req.Groups))
	}
	if err := s.checkGroups(req.Groups); err != nil {
		return err
	}
	batch := Batch{Rows: req.Rows, Labels: req.Labels, Availability: req.Availability, Groups: req.Groups, Step: req.Step}
	resp.Partner, resp.Share = rule.Mix(batch, rng.Stream(s.seed, "mix", req.Step))
	return resp.Check(len(req.Rows))
}

// Fit has the rule learn from validation rows.
func (s *session) Fit(_ context.Context, req sdk.FitRequest, resp *sdk.FitResponse) error {
	rule, ok := s.rule.(Fitter)
	if !ok {
		return errNotFitted
	}
	rows := Held{Predictions: req.Predictions, H: req.H, Availability: req.Availability, Labels: req.Labels, Groups: req.Groups}
	if err := s.checkHeld(rows); err != nil {
		return err
	}
	n := len(req.Availability)
	switch {
	case n == 0:
		return sdk.Errorf(sdk.CodeBadRequest, "fit to no validation rows")
	case len(req.Labels) != n*s.task.LabelWidth() || (req.Groups != nil && len(req.Groups) != n):
		return sdk.Errorf(sdk.CodeBadShape, "fit to %d rows has %d labels and %d groups", n, len(req.Labels), len(req.Groups))
	}
	for i, g := range req.Groups {
		if g < 0 {
			return sdk.Errorf(sdk.CodeBadRequest, "validation row %d has group %d", i, g)
		}
	}
	var err error
	resp.Terms, err = rule.Fit(rows)
	return err
}

// Adjust has the rule predict rows.
func (s *session) Adjust(_ context.Context, req sdk.AdjustRequest, resp *sdk.AdjustResponse) error {
	rule, ok := s.rule.(Fitter)
	if !ok {
		return errNotFitted
	}
	rows := Held{Predictions: req.Predictions, H: req.H, Availability: req.Availability}
	if err := s.checkHeld(rows); err != nil {
		return err
	}
	values, terms, err := rule.Adjust(rows)
	if err != nil {
		return err
	}
	resp.Predictions, resp.Terms = sdk.Tensor{Shape: req.Predictions.Shape, Data: values}, terms
	return sdk.CheckPredictions("adjusted prediction", resp.Predictions, s.task, len(req.Availability))
}

var errNotFitted = sdk.Errorf(sdk.CodeUnsupported, "the strategy fits nothing after training")

// checkHeld refuses rows that are not whole.
func (s *session) checkHeld(rows Held) error {
	n := len(rows.Availability)
	if err := sdk.CheckPredictions("predictions", rows.Predictions, s.task, n); err != nil {
		return err
	}
	if s.postHoc != sdk.PostHocRepresentation {
		return nil
	}
	if err := rows.H.Check("h", n, s.width); err != nil {
		return err
	}
	return rows.H.CheckFinite("h")
}
