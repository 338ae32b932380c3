package sdk_test

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// share is a complete backbone: h is the share of available modalities times
// one trained weight.
type share struct{}

func (share) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{
		Kind: sdk.KindBackbone, Name: "share", Version: "1.0.0", Licence: "MIT",
		Text: "The share of available modalities.",
		Hyperparameters: []sdk.Hyperparameter{
			{Name: "start", Type: sdk.Float, Default: 1.0, Min: -10, Max: 10, Text: "first weight"},
		},
		Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
	}
	return nil
}

func (share) Open(_ context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	resp.Session = &shareSession{open: req, weight: float32(req.Hyperparameters.Float("start"))}
	return nil
}

type shareSession struct {
	open   sdk.OpenRequest
	weight float32
	shares []float32 // of the last training batch
}

func (s *shareSession) Forward(_ context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	resp.H = sdk.NewTensor(len(req.Rows), s.open.Width)
	shares := make([]float32, len(req.Rows))
	for i, mask := range req.Availability {
		for m := range s.open.Modalities {
			shares[i] += float32(mask >> m & 1)
		}
		shares[i] /= float32(len(s.open.Modalities))
		for j := range s.open.Width {
			resp.H.Data[i*s.open.Width+j] = s.weight * shares[i]
		}
	}
	if req.Mode == sdk.Train {
		s.shares = shares
	}
	return nil
}

func (s *shareSession) Backward(_ context.Context, req sdk.BackwardRequest, _ *sdk.BackwardResponse) error {
	if err := req.DH.Check("dh", len(s.shares), s.open.Width); err != nil {
		return err
	}
	for i, g := range req.DH.Data {
		s.weight -= float32(s.open.Optimizer.LearningRate) * g * s.shares[i/s.open.Width]
	}
	return nil
}

func (s *shareSession) Snapshot(_ context.Context, _ sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	resp.Parameters = []sdk.NamedTensor{{Name: "weight", Tensor: sdk.Tensor{Shape: []int{1}, Data: []float32{s.weight}}}}
	return nil
}

func (s *shareSession) Restore(_ context.Context, req sdk.RestoreRequest, _ *sdk.RestoreResponse) error {
	s.weight = req.Parameters[0].Tensor.Data[0]
	return nil
}

func (s *shareSession) Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error { return nil }

// The host's side of one training step. A plugin's main function is
// serve.Backbone(share{}); here the session is used directly.
func Example() {
	ctx := context.Background()
	var info sdk.InfoResponse
	if err := (share{}).Info(ctx, sdk.InfoRequest{}, &info); err != nil {
		panic(err)
	}
	settings, err := info.Info.Complete(map[string]any{"start": 2})
	if err != nil {
		panic(err)
	}
	var opened sdk.OpenResponse
	if err := (share{}).Open(ctx, sdk.OpenRequest{
		Modalities:      []sdk.Modality{{Name: "labs", Kind: sdk.Tabular}, {Name: "ecg", Kind: sdk.Sequence}},
		Width:           1,
		Task:            sdk.Task{Kind: sdk.Binary},
		Hyperparameters: settings,
		Optimizer:       sdk.OptimizerSettings{Name: "sgd", LearningRate: 0.5},
		MaxBatch:        2,
	}, &opened); err != nil {
		panic(err)
	}

	var forward sdk.ForwardResponse
	batch := sdk.ForwardRequest{Rows: []int32{7, 9}, Availability: []uint64{0b11, 0b10}, Mode: sdk.Train}
	if err := opened.Session.Forward(ctx, batch, &forward); err != nil {
		panic(err)
	}
	fmt.Println("h", forward.H.Data)

	dh := sdk.Tensor{Shape: []int{2, 1}, Data: []float32{1, 2}}
	if err := opened.Session.Backward(ctx, sdk.BackwardRequest{DH: dh}, &sdk.BackwardResponse{}); err != nil {
		panic(err)
	}
	if err := opened.Session.Forward(ctx, batch, &forward); err != nil {
		panic(err)
	}
	fmt.Println("h", forward.H.Data)
	// Output:
	// h [2 1]
	// h [1 0.5]
}

func ExampleInfo_Complete() {
	info := sdk.Info{Kind: sdk.KindBackbone, Name: "concat", Version: "1.0.0", Hyperparameters: []sdk.Hyperparameter{
		{Name: "dropout", Type: sdk.Float, Default: 0.1, Max: 0.9},
		{Name: "layers", Type: sdk.Int, Default: 2, Min: 1, Max: 8},
	}}
	_, err := info.Complete(map[string]any{"droput": 0.2})
	fmt.Println(err)
	_, err = info.Complete(map[string]any{"layers": 9})
	fmt.Println(err)
	// Output:
	// backbone concat has no hyperparameter "droput", did you mean "dropout"?
	// backbone concat: hyperparameter layers is 9, it takes an integer from 1 to 8
}
