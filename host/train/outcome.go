package train

import (
	"context"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/host/dataset"
)

// Outcome is what a finished run leaves behind.
type Outcome struct {
	// BestEpoch is the epoch whose state was tested, counted from 0.
	BestEpoch int
	// Values are the final metrics: every test set, all rows together, by group
	// and by pattern, each with n and events; and the validation metrics of the
	// best epoch, which model selection uses. Where a strategy fits after training,
	// those are of rows that it was not fitted to.
	Values Values
	// Predictions holds one entry for every test set, row and output.
	Predictions []Prediction
	// Diagnostics say what the variant did to the data.
	Diagnostics []Diagnostic
	// Examination is nil unless the configuration asks for it.
	Examination *Examination
}

// Diagnostic is a finding about a run: availability_split/<modality>, the share of
// the modality's variance that the availability-guided split erased;
// schedule/<setting>, the steps or epochs that the tested model was trained for, where
// a setting counts more of them.
type Diagnostic struct {
	Name     string
	Estimate float64
	// Verdict is ok, warn, or empty where nothing was done; Detail["reason"] says
	// why.
	Verdict string
	// Detail has what JSON can hold.
	Detail map[string]any
}

// Prediction is one score of one patient row.
type Prediction struct {
	TestSet string
	Unit    int64 // hashed row id
	Class   int   // output; 1 for a binary task
	Label   float32
	// Score is what the variant reports; Observed is the same model without the
	// adjustment (equal to Score where nothing is adjusted). Where a strategy fits
	// after training, both are what it makes of them.
	Score, Observed float32
	// Pattern is the availability the row was scored with.
	Pattern uint64
	// Weight is 1 but in re-weighted test sets.
	Weight float32
	// Truth is P(Y = 1 | do(x)), which is above 0; 0 where it is not known.
	Truth float32
}

// Test restores the best epoch and scores every test set. It is called once,
// after Slice has answered true.
func (r *Run) Test(ctx context.Context) (Outcome, error) {
	if !r.Ended() {
		return Outcome{}, fmt.Errorf("test a run that has trained %d of %d epochs", r.epoch, r.cfg.Epochs)
	}
	if r.best.Epoch < 0 {
		return Outcome{}, fmt.Errorf("no epoch could be chosen: %s was undefined in every one (too few validation events?); choose another metric.select or a larger validation split", r.cfg.Select.Metric().label())
	}
	if err := restoreBackbone(ctx, r.backbone, r.best.Backbone); err != nil {
		return Outcome{}, err
	}
	if err := r.head.Restore(r.best.Head); err != nil {
		return Outcome{}, fmt.Errorf("restore head: %w", err)
	}

	outcome := Outcome{BestEpoch: r.best.Epoch, Values: Values{}}
	validated, err := r.fit(ctx, outcome.Values)
	if err != nil {
		return Outcome{}, fmt.Errorf("score validation rows: %w", err)
	}
	if err := r.measureValidation(outcome.Values, validated); err != nil {
		return Outcome{}, err
	}
	if err := r.measureInverse(outcome.Values, validated); err != nil {
		return Outcome{}, err
	}
	for _, test := range r.data.Tests {
		s, err := r.predict(ctx, test.Rows, test.Availability)
		if err != nil {
			return Outcome{}, fmt.Errorf("score test set %s: %w", test.Name, err)
		}
		availability := test.Availability
		if availability == nil {
			availability = gather(r.availability, test.Rows, 1)
		}
		if err := r.measure(outcome.Values, test, availability, s, r.testGroups()); err != nil {
			return Outcome{}, err
		}
		if err := r.probe(ctx, outcome.Values, test, availability); err != nil {
			return Outcome{}, err
		}
		outcome.Predictions = append(outcome.Predictions, r.predictions(test, availability, s)...)
	}
	outcome.Values[Metric{Name: "best_epoch"}] = float64(r.best.Epoch)
	outcome.Values[Metric{Name: "epochs"}] = float64(r.epoch)
	for _, term := range r.head.Diagnostics() {
		outcome.Values[Metric{Name: term.Name, Split: "train"}] = term.Value
	}
	if r.cfg.Examine && len(r.data.Tests) > 0 {
		examination, err := r.examine(ctx, r.data.Tests[0])
		if err != nil {
			return Outcome{}, fmt.Errorf("examine the model: %w", err)
		}
		outcome.Examination = examination
	}
	outcome.Diagnostics = append(r.separation.diagnostics(r.data.Store.Modalities()), r.unreached()...)
	return outcome, nil
}

// testGroups are the configured groups and, always, the pattern.
func (r *Run) testGroups() []string {
	groups := []string{PatternGroup}
	for _, group := range r.cfg.Groups {
		if group != PatternGroup {
			groups = append(groups, group)
		}
	}
	return groups
}

func (r *Run) predictions(set dataset.TestSet, availability []uint64, s scores) []Prediction {
	outputs := r.task.Outputs()
	units := r.data.Store.UnitHash()
	out := make([]Prediction, 0, len(set.Rows)*outputs)
	for i, row := range set.Rows {
		weight, truth := float32(1), float32(0)
		if set.Weights != nil {
			weight = set.Weights[i]
		}
		if set.Truth != nil {
			truth = float32(set.Truth[i])
		}
		for c := range outputs {
			label := r.outputLabel(row, c)
			if math.IsNaN(float64(label)) {
				continue // a multilabel row whose label is unknown
			}
			class := c
			if outputs == 1 {
				class = 1
			}
			out = append(out, Prediction{
				TestSet: set.Name, Unit: units[row], Class: class, Label: label,
				Score: s.Do[i*outputs+c], Observed: s.Observed[i*outputs+c],
				Pattern: availability[i], Weight: weight, Truth: truth,
			})
		}
	}
	return out
}

// outputLabel is the 0/1 label of output c of a row; NaN when unknown.
func (r *Run) outputLabel(row int32, c int) float32 {
	if r.task.Outputs() == r.labelWidth {
		return r.labels[int(row)*r.labelWidth+c]
	}
	if int(r.labels[row]) == c {
		return 1
	}
	return 0
}
