package main

import (
	"context"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

func TestInfo_AsksForTheMaskAndChangesNothingElse(t *testing.T) {
	if !info.Capabilities.RevealsAvailability {
		t.Error("the mask is not asked for")
	}
	if err := info.Validate(); err != nil {
		t.Error(err)
	}
	ctx := context.Background()
	var open sdk.StrategyOpenResponse
	if err := strategy.New(info, newRule).Open(ctx, sdk.StrategyOpenRequest{
		Availability: []uint64{1}, Labels: []float32{1}, Modalities: 1, Width: 1, Task: sdk.Task{Kind: sdk.Binary},
	}, &open); err != nil {
		t.Fatal(err)
	}
	var objective sdk.ObjectiveResponse
	if err := open.Session.Objective(ctx, sdk.ObjectiveRequest{
		Rows: []int32{0}, RowLoss: []float32{1}, Availability: []uint64{1}, Labels: []float32{1},
		H: sdk.NewTensor(1, 1), Logits: sdk.NewTensor(1, 1),
	}, &objective); err != nil {
		t.Fatal(err)
	}
	if objective.Weights != nil || objective.Penalty != 0 || objective.DH.Data != nil || objective.DLogits.Data != nil {
		t.Errorf("the objective was changed: %+v", objective)
	}
}
