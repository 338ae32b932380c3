package sdk

import (
	"maps"
	"slices"
)

// ProposeRequest asks a sampler for the parameters of one trial.
type ProposeRequest struct {
	Hyperparameters Values
	// Dimensions are what is to be chosen, in the order of their names.
	Dimensions []Dimension
	// Maximize says that a larger Trial.Value is better; else a smaller one is.
	Maximize bool
	// Epochs is the length of a whole training.
	Epochs int
	// Trials are the others of the search that count, by number. Which ones they are
	// does not depend on how fast workers are, unless an early stop is searched with.
	Trials []Trial
	// Number is that of the trial to propose, from 0.
	Number int
	// Seed is that of the search in this cell. Draw from it and Number.
	Seed uint64
	// Refused are the points that were proposed for this trial before, and that a
	// constraint of the sweep does not allow.
	Refused []Values
}

// ProposeResponse is the answer.
type ProposeResponse struct {
	// Point has a value for each dimension and no others, also for conditional ones:
	// float64, int64, bool or string by the dimension. Where the condition does not
	// hold, the trial does without the parameter.
	Point Values
}

// Validate reports what makes a request unusable, with code bad_request.
func (r ProposeRequest) Validate() error {
	if r.Number < 0 {
		return Errorf(CodeBadRequest, "propose trial %d", r.Number)
	}
	seen := map[string]bool{}
	for _, d := range r.Dimensions {
		if seen[d.Name] {
			return Errorf(CodeBadRequest, "dimension %s occurs twice", d.Name)
		}
		seen[d.Name] = true
		if err := d.Validate(); err != nil {
			return err
		}
	}
	return nil
}

// CheckPoint answers a point in canonical types, or an error with the code bad_shape,
// or not_finite, that names the dimension.
func (r ProposeRequest) CheckPoint(point Values) (Values, error) {
	out := make(Values, len(r.Dimensions))
	for _, d := range r.Dimensions {
		v, ok := point[d.Name]
		if !ok {
			return nil, Errorf(CodeBadShape, "the point has no value of %s", d.Name)
		}
		checked, err := d.Check(v)
		if err != nil {
			return nil, err
		}
		out[d.Name] = checked
	}
	for _, name := range slices.Sorted(maps.Keys(point)) {
		if _, known := out[name]; !known {
			return nil, Errorf(CodeBadShape, "the point has a value of %.200q, which was not asked for", name)
		}
	}
	return out, nil
}

// TrialState is where a trial of a search is.
type TrialState string

// The states of a trial.
const (
	TrialPending TrialState = "pending" // it is trained
	TrialDone    TrialState = "done"    // trained to its end
	TrialPruned  TrialState = "pruned"  // ended early by the rule of the search
	TrialFailed  TrialState = "failed"  // it has no value and will have none
)

// Trial is what a sampler knows of another trial of the search.
type Trial struct {
	Number int
	State  TrialState
	// Point lacks the parameters that the trial does without.
	Point Values
	// Value is what the search is for, on validation rows, after Epoch epochs: of the
	// best epoch if the trial is done, NaN if it is not defined. Epoch 0: nothing is
	// known yet.
	Epoch int
	Value float64
}
