package train

import (
	"fmt"
	"math"

	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk"
)

// Judged are predictions of a model that was trained elsewhere: probabilities,
// [rows, outputs] row-major, of the validation rows and of each test set.
type Judged struct {
	Validation []float32
	Tests      [][]float32
}

// Judge measures predictions as Run.Test does those of its own model. There is
// nothing to adjust and nobody to examine.
func Judge(cfg Config, data Data, judged Judged) (Outcome, error) {
	if err := cfg.Validate(); err != nil {
		return Outcome{}, err
	}
	store := data.Store
	r := &Run{
		cfg: cfg, data: data,
		task:         causal.Task{Kind: string(store.Task().Kind), Classes: store.Task().Classes},
		availability: store.Availability(),
		labels:       store.Labels(),
	}
	r.labelWidth = len(r.labels) / store.Rows()
	if err := r.checkSplit(); err != nil {
		return Outcome{}, err
	}
	if len(judged.Tests) != len(data.Tests) {
		return Outcome{}, sdk.Errorf(sdk.CodeBadShape, "predictions of %d test sets, there are %d", len(judged.Tests), len(data.Tests))
	}
	outcome := Outcome{Values: Values{}}
	rows := data.Split.Validation
	validated, err := r.handed(judged.Validation, len(rows))
	if err != nil {
		return Outcome{}, fmt.Errorf("validation rows: %w", err)
	}
	if err := r.measure(outcome.Values, dataset.TestSet{Name: "val", Rows: rows}, gather(r.availability, rows, 1), validated, []string{PatternGroup}); err != nil {
		return Outcome{}, err
	}
	if err := r.measureInverse(outcome.Values, validated); err != nil {
		return Outcome{}, err
	}
	if m := cfg.Select.Metric(); cfg.Select.Observed { // there is no adjustment to leave out
		plain := m
		plain.Group = ""
		outcome.Values[m] = outcome.Values[plain]
	}
	for i, test := range data.Tests {
		s, err := r.handed(judged.Tests[i], len(test.Rows))
		if err != nil {
			return Outcome{}, fmt.Errorf("test set %s: %w", test.Name, err)
		}
		availability := test.Availability
		if availability == nil {
			availability = gather(r.availability, test.Rows, 1)
		}
		if err := r.measure(outcome.Values, test, availability, s, r.testGroups()); err != nil {
			return Outcome{}, err
		}
		outcome.Predictions = append(outcome.Predictions, r.predictions(test, availability, s)...)
	}
	return outcome, nil
}

// handed are predictions that came from elsewhere.
func (r *Run) handed(p []float32, rows int) (scores, error) {
	if len(p) != rows*r.task.Outputs() {
		return scores{}, sdk.Errorf(sdk.CodeBadShape, "%d predictions of %d rows with %d outputs", len(p), rows, r.task.Outputs())
	}
	for i, v := range p {
		if math.IsNaN(float64(v)) || v < 0 || v > 1 {
			return scores{}, sdk.Errorf(sdk.CodeNotFinite, "prediction of row %d is %v, not a probability", i/r.task.Outputs(), v)
		}
	}
	return scores{Do: p, Observed: p, Terms: newMeans()}, nil
}
