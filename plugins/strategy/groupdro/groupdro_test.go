package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func build(t *testing.T, groups []int32, adjustment float64) *rule {
	t.Helper()
	made, err := newRule(strategy.Config{Open: sdk.StrategyOpenRequest{
		Groups:          groups,
		Hyperparameters: sdk.Values{"eta": 0.5, "adjustment": adjustment},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return made.(*rule)
}

func near(t *testing.T, what string, got, want float64) {
	t.Helper()
	if math.Abs(got-want) > 1e-6 {
		t.Errorf("%s: got %v, want %v", what, got, want)
	}
}

// By hand: q starts at 1/2 each; the risks of the batch are 1 and 2, so q is
// proportional to exp(.5) and exp(1).
func TestWeights_FollowTheGroupRisk(t *testing.T) {
	r := build(t, []int32{0, 0, 0, 1}, 0)
	batch := strategy.Batch{Groups: []int32{0, 0, 1}, RowLoss: []float32{0.5, 1.5, 2}}
	weights, terms, err := r.Weights(batch)
	if err != nil {
		t.Fatal(err)
	}
	q1 := math.Exp(1) / (math.Exp(0.5) + math.Exp(1))
	near(t, "q of the worse group", r.q[1], q1)
	near(t, "weight of a row of group 0", float64(weights[0]), (1-q1)/2*3)
	near(t, "weight of the row of group 1", float64(weights[2]), q1*3)
	for i, want := range []sdk.Term{{Name: "worst_group_risk", Value: 2}, {Name: "largest_group_weight", Value: q1}} {
		if terms[i].Name != want.Name {
			t.Errorf("term %d is %q, want %q", i, terms[i].Name, want.Name)
		}
		near(t, want.Name, terms[i].Value, want.Value)
	}

	var loss, total float64
	for i, w := range weights {
		loss += float64(w) * float64(batch.RowLoss[i])
		total += float64(w)
	}
	near(t, "weighted mean loss", loss/total, (1-q1)*1+q1*2)
}

func TestWeights_AbsentGroupKeepsItsShare(t *testing.T) {
	r := build(t, []int32{0, 1, 2}, 0)
	if _, _, err := r.Weights(strategy.Batch{Groups: []int32{0, 0}, RowLoss: []float32{0, 0}}); err != nil {
		t.Fatal(err)
	}
	near(t, "q of a group with zero risk", r.q[0], 1.0/3)
	near(t, "q of an absent group", r.q[2], 1.0/3)
}

func TestWeights_AdjustmentFavoursSmallGroups(t *testing.T) {
	r := build(t, []int32{0, 0, 0, 0, 1}, 1)
	if _, _, err := r.Weights(strategy.Batch{Groups: []int32{0, 1}, RowLoss: []float32{1, 1}}); err != nil {
		t.Fatal(err)
	}
	near(t, "ratio of q", r.q[1]/r.q[0], math.Exp(0.5*(1-0.5)))
}

func TestState_RoundTrip(t *testing.T) {
	first := build(t, []int32{0, 1}, 0)
	if _, _, err := first.Weights(strategy.Batch{Groups: []int32{0, 1}, RowLoss: []float32{1, 3}}); err != nil {
		t.Fatal(err)
	}
	state, err := first.State()
	if err != nil {
		t.Fatal(err)
	}
	second := build(t, []int32{0, 1}, 0)
	if err := second.SetState(state); err != nil {
		t.Fatal(err)
	}
	if second.q[0] != first.q[0] || second.q[1] != first.q[1] {
		t.Errorf("got %v, want %v", second.q, first.q)
	}
	if err := second.SetState(state[:8]); err == nil {
		t.Error("a state of one group was taken for two")
	}
}
