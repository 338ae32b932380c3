package backbone_test

import (
	"context"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/nn"
)

const learningRate = 0.5

// open opens a session of width 3 on a store with two modalities of width 2, in
// which row i of "a" is (i, 10i).
func open(t *testing.T, build func(backbone.Config) (backbone.Model, error), optimizer string) sdk.BackboneSession {
	t.Helper()
	dir := t.TempDir()
	index := features.Index{Rows: 4, Modalities: []features.Modality{
		{Name: "a", Kind: features.Tabular, Width: 2},
		{Name: "b", Kind: features.Tabular, Width: 2},
	}}
	values := []features.Values{
		{Data: []float32{0, 0, 1, 10, 2, 20, 3, 30}},
		{Data: []float32{5, 5, 5, 5, 5, 5, 5, 5}},
	}
	if err := features.Write(dir, index, values); err != nil {
		t.Fatal(err)
	}
	var response sdk.OpenResponse
	err := backbone.New(info, build).Open(context.Background(), sdk.OpenRequest{
		FeatureStore: dir,
		// In another order than in the store, and scaled.
		Modalities: []sdk.Modality{
			{Name: "b", Kind: sdk.Tabular, Width: 2, Scaling: sdk.Scaling{Mean: []float32{1, 5}, Scale: []float32{4, 0}}},
			{Name: "a", Kind: sdk.Tabular, Width: 2, Scaling: sdk.Scaling{Mean: []float32{1, 10}, Scale: []float32{1, 10}}},
		},
		Width:     3,
		Task:      sdk.Task{Kind: sdk.Binary},
		Optimizer: sdk.OptimizerSettings{Name: optimizer, LearningRate: learningRate},
		MaxBatch:  4,
	}, &response)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { response.Session.Close(context.Background(), sdk.CloseRequest{}, &sdk.CloseResponse{}) })
	return response.Session
}

// reader is a model whose h is what it reads.
type reader struct{ params nn.Params }

func (r *reader) Params() *nn.Params { return &r.params }

func (r *reader) Forward(t *nn.Tape, b *backbone.Batch) (*nn.Var, []backbone.Term) {
	rows := b.Observed(1)
	h := t.Const(len(rows), 2, b.Features(1, rows))
	other := t.Const(len(rows), 2, b.Features(0, rows))
	return t.Concat(h, t.Slice(other, 0, 1)), nil
}

func TestBatch_Features(t *testing.T) {
	session := open(t, func(backbone.Config) (backbone.Model, error) { return backbone.FromTape(&reader{}), nil }, "adam")
	var response sdk.ForwardResponse
	request := sdk.ForwardRequest{Rows: []int32{3, 0, 3}, Availability: []uint64{3, 2, 2}}
	if err := session.Forward(context.Background(), request, &response); err != nil {
		t.Fatal(err)
	}
	want := []float32{2, 2, 1, -1, -1, 1, 2, 2, 1}
	for i, v := range response.H.Data {
		if v != want[i] {
			t.Fatalf("features %v, want %v", response.H.Data, want)
		}
	}
}
