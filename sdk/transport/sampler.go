package transport

import (
	"context"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// maxPoint is the size in bytes of the largest proposal.
const maxPoint = 1 << 20

// RegisterSampler serves a sampler on a gRPC server, for which it needs neither shared
// memory nor sockets of its own.
func RegisterSampler(r grpc.ServiceRegistrar, s sdk.Sampler) {
	pb.RegisterPluginServer(r, &server{info: s.Info, propose: s.Propose})
}

// Propose answers what the author's code proposes.
func (s *server) Propose(ctx context.Context, m *pb.ProposeRequest) (*pb.ProposeResponse, error) {
	out := &pb.ProposeResponse{}
	err := guard(func() error {
		if s.propose == nil {
			return sdk.Errorf(sdk.CodeUnsupported, "this plugin is no sampler")
		}
		var resp sdk.ProposeResponse
		if err := s.propose(ctx, unpackPropose(m), &resp); err != nil {
			return err
		}
		out.Point = packPoint(resp.Point)
		return checkSize(out, "the proposal", maxPoint)
	})
	if err != nil {
		return &pb.ProposeResponse{Error: packError(err)}, nil
	}
	return out, nil
}

// Propose asks a sampler for a trial. What it answers is not checked. When ctx ends
// first, done says when the plugin has stopped working on it.
func (c *Client) Propose(ctx context.Context, req sdk.ProposeRequest, resp *sdk.ProposeResponse) (done <-chan struct{}, err error) {
	m := packPropose(req)
	if err := checkSize(m, "the request for a proposal", uint64(c.limit)); err != nil {
		return nil, err
	}
	type answer struct {
		m   *pb.ProposeResponse
		err error
	}
	answered := make(chan answer, 1)
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		m, err := c.rpc.Propose(context.WithoutCancel(ctx), m, grpc.MaxCallRecvMsgSize(maxPoint+maxErrorText))
		answered <- answer{m, err}
	}()
	select {
	case <-ctx.Done():
		return ended, sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "propose")
	case a := <-answered:
		if a.err != nil {
			return ended, streamError(a.err)
		}
		if a.m.GetError() != nil {
			return ended, unpackError(a.m.GetError())
		}
		resp.Point = unpackValues(a.m.GetPoint().GetValues())
		return ended, nil
	}
}

func packPropose(req sdk.ProposeRequest) *pb.ProposeRequest {
	m := &pb.ProposeRequest{
		Hyperparameters: packValues(req.Hyperparameters), Maximize: req.Maximize, Epochs: int64(req.Epochs),
		Number: int64(req.Number), Seed: req.Seed,
	}
	for _, d := range req.Dimensions {
		out := &pb.Dimension{
			Name: text(d.Name), Kind: string(d.Kind), Min: d.Min, Max: d.Max, Step: d.Step, Conditional: d.Conditional,
		}
		for _, v := range d.Values {
			out.Values = append(out.Values, packValue(v))
		}
		m.Dimensions = append(m.Dimensions, out)
	}
	for _, t := range req.Trials {
		m.Trials = append(m.Trials, &pb.Trial{
			Number: int64(t.Number), State: string(t.State), Point: packPoint(t.Point), Epoch: int64(t.Epoch), Value: t.Value,
		})
	}
	for _, p := range req.Refused {
		m.Refused = append(m.Refused, packPoint(p))
	}
	return m
}

func unpackPropose(m *pb.ProposeRequest) sdk.ProposeRequest {
	req := sdk.ProposeRequest{
		Hyperparameters: unpackValues(m.GetHyperparameters()), Maximize: m.GetMaximize(), Epochs: int(m.GetEpochs()),
		Number: int(m.GetNumber()), Seed: m.GetSeed(),
	}
	for _, d := range m.GetDimensions() {
		out := sdk.Dimension{
			Name: d.GetName(), Kind: sdk.DimensionKind(d.GetKind()), Min: d.GetMin(), Max: d.GetMax(), Step: d.GetStep(),
			Conditional: d.GetConditional(),
		}
		for _, v := range d.GetValues() {
			out.Values = append(out.Values, unpackValue(v))
		}
		req.Dimensions = append(req.Dimensions, out)
	}
	for _, t := range m.GetTrials() {
		req.Trials = append(req.Trials, sdk.Trial{
			Number: int(t.GetNumber()), State: sdk.TrialState(t.GetState()), Point: unpackValues(t.GetPoint().GetValues()),
			Epoch: int(t.GetEpoch()), Value: t.GetValue(),
		})
	}
	for _, p := range m.GetRefused() {
		req.Refused = append(req.Refused, unpackValues(p.GetValues()))
	}
	return req
}

func packPoint(p sdk.Values) *pb.Point { return &pb.Point{Values: packValues(p)} }
