package sdk

import (
	"context"
	"math"
)

// PostHoc is what a strategy corrects after training.
type PostHoc string

const (
	// NoPostHoc leaves predictions as they are.
	NoPostHoc PostHoc = ""
	// PostHocScores maps predictions to predictions, such as a calibration.
	PostHocScores PostHoc = "scores"
	// PostHocRepresentation predicts from h and replaces the head. The host refuses
	// it beside components of its own, which it would undo.
	PostHocRepresentation PostHoc = "representation"
)

// Fitter is a session of a strategy with [Capabilities].PostHoc. After training, and
// after the best epoch was chosen without it, it is fitted to validation rows; then
// it answers what is reported of every other row. To measure the validation rows
// themselves the host fits on a part of them and has the rest adjusted, part by
// part, before it fits on all.
type Fitter interface {
	StrategySession
	// Fit forgets an earlier fit. What it has learnt is part of the session's state.
	Fit(context.Context, FitRequest, *FitResponse) error
	// Adjust answers predictions, each of its own row alone; it needs a Fit before.
	Adjust(context.Context, AdjustRequest, *AdjustResponse) error
}

// FitRequest shows V validation rows. They have no positions: nothing else is known
// of them.
type FitRequest struct {
	// Predictions are the model's probabilities, [V, Task.Outputs()].
	Predictions Tensor
	// H is the representation, [V, Width], only for PostHocRepresentation.
	H Tensor
	// Labels are [V * Task.LabelWidth()].
	Labels       []float32
	Availability []uint64
	// Groups has one group number per row, defined as those of the training rows,
	// or is nil.
	Groups []int32
}

// FitResponse is the answer.
type FitResponse struct {
	// Terms are recorded with the run.
	Terms []Term
}

// AdjustRequest asks for the predictions of B rows, of whatever split. It has
// neither labels nor groups, which may be made of them.
type AdjustRequest struct {
	// Predictions are as in FitRequest, [B, Task.Outputs()].
	Predictions Tensor
	// H is as in FitRequest.
	H            Tensor
	Availability []uint64
}

// AdjustResponse is the answer.
type AdjustResponse struct {
	// Predictions are probabilities, [B, Task.Outputs()].
	Predictions Tensor
	// Terms are recorded with the set of rows.
	Terms []Term
}

// sumTolerance is how far the probabilities of a row of a multiclass task may be
// from 1 together: the rounding of float32.
const sumTolerance = 1e-4

// CheckPredictions refuses what are no probabilities of rows of a task: with code
// bad_shape if they have another shape, with not_finite otherwise. name is what they
// are in the message.
func CheckPredictions(name string, t Tensor, task Task, rows int) error {
	outputs := task.Outputs()
	if err := t.Check(name, rows, outputs); err != nil {
		return err
	}
	for i := range rows {
		sum := 0.0
		for _, p := range t.Data[i*outputs : (i+1)*outputs] {
			if !(p >= 0 && p <= 1) {
				return Errorf(CodeNotFinite, "%s of row %d is %v, not a probability", name, i, p)
			}
			sum += float64(p)
		}
		if task.Kind == Multiclass && math.Abs(sum-1) > sumTolerance {
			return Errorf(CodeNotFinite, "%s of row %d have the sum %v, not 1", name, i, sum)
		}
	}
	return nil
}
