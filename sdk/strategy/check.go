package strategy

import "github.com/deconfound/deconfound/sdk"

// checkOpen refuses training rows that do not fit together.
func checkOpen(req sdk.StrategyOpenRequest) error {
	if err := req.Task.Validate(); err != nil {
		return err
	}
	n := len(req.Availability)
	switch {
	case n == 0:
		return sdk.Errorf(sdk.CodeBadRequest, "open a strategy on no training rows")
	case req.Modalities < 1 || req.Modalities > 64:
		return sdk.Errorf(sdk.CodeBadRequest, "open a strategy on %d modalities", req.Modalities)
	case len(req.Labels) != n*req.Task.LabelWidth():
		return sdk.Errorf(sdk.CodeBadShape, "%d labels for %d training rows", len(req.Labels), n)
	case req.Groups != nil && len(req.Groups) != n:
		return sdk.Errorf(sdk.CodeBadShape, "%d groups for %d training rows", len(req.Groups), n)
	case len(req.Covariates.Data) > 0 && (len(req.Covariates.Shape) != 2 || req.Covariates.Shape[0] != n):
		return sdk.Errorf(sdk.CodeBadShape, "covariates have shape %v for %d training rows", req.Covariates.Shape, n)
	}
	for i, g := range req.Groups {
		if g < 0 {
			return sdk.Errorf(sdk.CodeBadRequest, "training row %d has group %d", i, g)
		}
	}
	return nil
}

// checkRows refuses rows that are no training positions.
func (s *session) checkRows(rows []int32, availability []uint64) error {
	if len(availability) != len(rows) {
		return sdk.Errorf(sdk.CodeBadShape, "%d availability masks for %d rows", len(availability), len(rows))
	}
	for _, row := range rows {
		if row < 0 || int(row) >= s.rows {
			return sdk.Errorf(sdk.CodeBadRequest, "row %d is not one of %d training positions", row, s.rows)
		}
	}
	return nil
}

// checkObjective refuses a batch that a rule could not compute with. A NaN is
// refused before a rule with state takes it in.
func (s *session) checkObjective(req sdk.ObjectiveRequest) error {
	if err := s.checkRows(req.Rows, req.Availability); err != nil {
		return err
	}
	n := len(req.Rows)
	if len(req.RowLoss) != n || len(req.Labels) != n*s.task.LabelWidth() || (req.Groups != nil && len(req.Groups) != n) {
		return sdk.Errorf(sdk.CodeBadShape, "objective of %d rows has %d losses, %d labels and %d groups",
			n, len(req.RowLoss), len(req.Labels), len(req.Groups))
	}
	if err := s.checkGroups(req.Groups); err != nil {
		return err
	}
	if err := req.H.Check("h", n, s.width); err != nil {
		return err
	}
	if err := req.Logits.Check("logits", n, s.task.Outputs()); err != nil {
		return err
	}
	if err := req.H.CheckFinite("h"); err != nil {
		return err
	}
	if err := req.Logits.CheckFinite("logits"); err != nil {
		return err
	}
	return sdk.CheckFinite("row loss", req.RowLoss, 1)
}

// checkGroups refuses groups that no training row is in.
func (s *session) checkGroups(groups []int32) error {
	for _, g := range groups {
		if g < 0 || g >= s.groups {
			return sdk.Errorf(sdk.CodeBadRequest, "group %d is not one of the %d groups of the training rows", g, s.groups)
		}
	}
	return nil
}
