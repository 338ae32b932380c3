package strategytest

import (
	"encoding/json"
	"math"
	"os"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

// held are rows that are not trained on, in a fixture.
type held struct {
	Predictions, H []float32
	Labels         []*float32
	Groups         []int32
	Availability   []uint64
}

// correction is one case of testdata/posthoc.json.
type correction struct {
	Name            string
	Hyperparameters map[string]any
	Task            sdk.TaskKind
	Classes, Width  int
	Held, Test      held
	// Want are the adjusted predictions of the test rows, Terms those of the fit.
	Want  []float64
	Terms map[string]float64
}

// PostHoc fits to the validation rows of every case of testdata/posthoc.json, which
// testdata/posthoc.py made, and compares the adjusted predictions of the test rows,
// to 1e-5, and the terms that the case names.
func PostHoc(t *testing.T, info sdk.Info, build func(strategy.Config) (strategy.Rule, error)) {
	t.Helper()
	var cases []correction
	readFixture(t, "testdata/posthoc.json", &cases)
	if len(cases) == 0 {
		t.Fatal("the fixture has no cases")
	}
	for _, c := range cases {
		t.Run(c.Name, func(t *testing.T) { c.run(t, info, build) })
	}
}

func (c correction) run(t *testing.T, info sdk.Info, build func(strategy.Config) (strategy.Rule, error)) {
	t.Helper()
	task := sdk.Task{Kind: c.Task, Classes: c.Classes}
	values, err := info.Complete(c.Hyperparameters)
	if err != nil {
		t.Fatalf("hyperparameters: %v", err)
	}
	open := sdk.StrategyOpenRequest{
		Availability: []uint64{1}, Labels: make([]float32, task.LabelWidth()), Groups: []int32{0}, Modalities: 3,
		Task: task, Hyperparameters: values, Width: c.Width, Seed: 1, Epochs: 2,
	}
	var opened sdk.StrategyOpenResponse
	if err := strategy.New(info, build).Open(t.Context(), open, &opened); err != nil {
		t.Fatalf("open: %v", err)
	}
	got, terms := c.Held.fitAndAdjust(t, opened.Session, task, c.Width, c.Test)
	near(t, 0, "adjusted predictions", got, c.Want)
	for name, want := range c.Terms {
		found := false
		for _, term := range terms {
			if term.Name == name {
				found = true
				near(t, 0, name, []float64{term.Value}, []float64{want})
			}
		}
		if !found {
			t.Errorf("no term %s among %v", name, terms)
		}
	}
}

// fitAndAdjust fits a session to the rows and answers the adjusted predictions of
// others, and the terms of both calls.
func (h held) fitAndAdjust(t *testing.T, session sdk.StrategySession, task sdk.Task, width int, test held) ([]float64, []sdk.Term) {
	t.Helper()
	fitter, ok := session.(sdk.Fitter)
	if !ok {
		t.Fatal("the session is no Fitter")
	}
	tensor := func(values []float32, width int) sdk.Tensor {
		if values == nil {
			return sdk.Tensor{}
		}
		return sdk.Tensor{Shape: []int{len(values) / width, width}, Data: values}
	}
	var fitted sdk.FitResponse
	if err := fitter.Fit(t.Context(), sdk.FitRequest{
		Predictions: tensor(h.Predictions, task.Outputs()), H: tensor(h.H, width),
		Labels: known(h.Labels), Availability: h.Availability, Groups: h.Groups,
	}, &fitted); err != nil {
		t.Fatalf("fit: %v", err)
	}
	var adjusted sdk.AdjustResponse
	if err := fitter.Adjust(t.Context(), sdk.AdjustRequest{
		Predictions: tensor(test.Predictions, task.Outputs()), H: tensor(test.H, width), Availability: test.Availability,
	}, &adjusted); err != nil {
		t.Fatalf("adjust: %v", err)
	}
	return widen(adjusted.Predictions.Data, len(adjusted.Predictions.Data)), append(fitted.Terms, adjusted.Terms...)
}

// known are labels, NaN where a fixture has none.
func known(labels []*float32) []float32 {
	out := make([]float32, len(labels))
	for i, y := range labels {
		out[i] = float32(math.NaN())
		if y != nil {
			out[i] = *y
		}
	}
	return out
}

func readFixture(t *testing.T, path string, into any) {
	t.Helper()
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatalf("read fixture: %v", err)
	}
	if err := json.Unmarshal(data, into); err != nil {
		t.Fatalf("decode fixture: %v", err)
	}
}
