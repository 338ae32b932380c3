// Program crash is a backbone plugin that ends without a word of farewell in the
// middle of a training epoch.
package main

import (
	"context"
	"fmt"
	"os"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/serve"
)

func main() { serve.Backbone(backbone{}) }

type backbone struct{}

func (backbone) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	resp.Info = sdk.Info{
		Kind: sdk.KindBackbone, Name: "crash", Version: "1.0.0", Licence: "Apache-2.0", Text: "Crashes in training step 2.",
		Capabilities: sdk.Capabilities{BatchIndependent: true, Deterministic: true},
	}
	return nil
}

func (backbone) Open(_ context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) error {
	resp.Session = &session{width: req.Width}
	return nil
}

type session struct{ width int }

func (s *session) Forward(_ context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	if req.Mode == sdk.Train && req.Step == 2 {
		fmt.Fprintln(os.Stderr, "out of luck")
		os.Exit(7)
	}
	resp.H = sdk.NewTensor(len(req.Rows), s.width)
	return nil
}

func (s *session) Backward(context.Context, sdk.BackwardRequest, *sdk.BackwardResponse) error {
	return nil
}

func (s *session) Snapshot(context.Context, sdk.SnapshotRequest, *sdk.SnapshotResponse) error {
	return nil
}

func (s *session) Restore(context.Context, sdk.RestoreRequest, *sdk.RestoreResponse) error {
	return nil
}

func (s *session) Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error { return nil }
