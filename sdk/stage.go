package sdk

import "context"

// Stager is a session of a strategy with [Capabilities].Stages: it parts training
// into stages. The first begins with epoch 0 and is plain training; before the
// first step of every other the session sees what the model has learnt.
type Stager interface {
	StrategySession
	// Stages are the stages after the first, ascending by Start. They depend on
	// nothing but the open request. The caller must not change them.
	Stages() []Stage
	// Stage is called once when a stage begins, before its first step.
	Stage(context.Context, StageRequest, *StageResponse) error
}

// Stage is a part of training.
type Stage struct {
	// Start is its first epoch, from 1 to StrategyOpenRequest.Epochs-1.
	Start int
	// Restart has backbone and head begin anew, parameters and optimisers, from what
	// they were before the first step. Steps are counted on.
	Restart bool
}

// CheckStages refuses stages that do not fit into a training of the given length,
// with code bad_request.
func CheckStages(stages []Stage, epochs int) error {
	last := 0
	for i, s := range stages {
		if s.Start <= last || s.Start >= epochs {
			return Errorf(CodeBadRequest, "stage %d begins with epoch %d of %d; stages begin one after the other, from epoch 1 to the last", i+1, s.Start, epochs)
		}
		last = s.Start
	}
	return nil
}

// StageRequest says that a stage begins.
type StageRequest struct {
	// Stage is its index, from 1.
	Stage int
	// Predictions are the model's probabilities for all N training rows, in the
	// order of the open request, [N, Task.Outputs()], in evaluation mode and without
	// the adjustment of the host's components.
	Predictions Tensor
}

// StageResponse is the answer.
type StageResponse struct {
	// Terms are recorded with the first epoch of the stage.
	Terms []Term
}
