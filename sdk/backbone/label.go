package backbone

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
)

// checkLabels refuses labels that are not of the task: a model may use a class as
// an index.
func checkLabels(task sdk.Task, rows int, labels []float32) error {
	if want := rows * task.LabelWidth(); len(labels) != want {
		return sdk.Errorf(sdk.CodeBadShape, "a training batch of %d rows needs %d labels, not %d", rows, want, len(labels))
	}
	for i, y := range labels {
		valid := y == 0 || y == 1
		switch task.Kind {
		case sdk.Multiclass:
			valid = y >= 0 && y < float32(task.Classes) && y == float32(int(y))
		case sdk.Multilabel:
			valid = valid || math.IsNaN(float64(y)) // unknown
		}
		if !valid {
			return sdk.Errorf(sdk.CodeBadRequest, "label %v at position %d is not one of the %s task", y, i, task.Kind)
		}
	}
	return nil
}
