package transport

import (
	"context"
	"testing"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// optionalSession is a session with every optional interface; it keeps copies of
// requests and answers what it was made with.
type optionalSession struct {
	*fakeSession
	stages []sdk.Stage

	stage    sdk.StageRequest
	mix      sdk.MixRequest
	fit      sdk.FitRequest
	adjust   sdk.AdjustRequest
	terms    []sdk.Term
	mixed    sdk.MixResponse
	adjusted sdk.AdjustResponse
}

func (s *optionalSession) Stages() []sdk.Stage { return s.stages }

func (s *optionalSession) Stage(_ context.Context, req sdk.StageRequest, resp *sdk.StageResponse) error {
	s.stage, resp.Terms = req, s.terms
	s.stage.Predictions = kept(req.Predictions)
	return nil
}

func (s *optionalSession) Mix(_ context.Context, req sdk.MixRequest, resp *sdk.MixResponse) error {
	s.mix, *resp = req, s.mixed
	s.mix.Labels = clone(req.Labels)
	return nil
}

func (s *optionalSession) Fit(_ context.Context, req sdk.FitRequest, resp *sdk.FitResponse) error {
	s.fit, resp.Terms = req, s.terms
	s.fit.Predictions, s.fit.H, s.fit.Labels = kept(req.Predictions), kept(req.H), clone(req.Labels)
	return nil
}

func (s *optionalSession) Adjust(_ context.Context, req sdk.AdjustRequest, resp *sdk.AdjustResponse) error {
	s.adjust, *resp = req, s.adjusted
	s.adjust.Predictions, s.adjust.H = kept(req.Predictions), kept(req.H)
	return nil
}

func openStrategy(t *testing.T, w way, session sdk.StrategySession, req sdk.StrategyOpenRequest) *StrategySession {
	t.Helper()
	client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
		RegisterStrategy(s, fakeStrategy{open: func(sdk.StrategyOpenRequest) (sdk.StrategySession, error) { return session, nil }}, a, d)
	})
	s, err := client.OpenStrategy(t.Context(), req)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestOptional_roundTrip(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		terms := []sdk.Term{{Name: "errors", Value: 0.25}}
		own := &optionalSession{
			fakeSession: &fakeSession{}, terms: terms,
			stages:   []sdk.Stage{{Start: 2}, {Start: 5, Restart: true}},
			mixed:    sdk.MixResponse{Partner: []int32{1, 0}, Share: []float32{0.75, 1}},
			adjusted: sdk.AdjustResponse{Predictions: ramp(2, 3), Terms: terms},
		}
		s := openStrategy(t, w, own, sdk.StrategyOpenRequest{})
		same(t, "stages", s.Stages(), own.stages)

		stage, mix := sdk.StageRequest{Stage: 2, Predictions: ramp(5, 3)}, sdk.MixRequest{
			Rows: []int32{4, 0}, Labels: []float32{1, 0}, Availability: []uint64{3, 1}, Groups: []int32{1, 0}, Step: 9,
		}
		fit := sdk.FitRequest{Predictions: ramp(2, 3), H: ramp(2, 4), Labels: []float32{2, 0}, Availability: []uint64{3, 1}, Groups: []int32{1, 0}}
		adjust := sdk.AdjustRequest{Predictions: ramp(2, 3), H: ramp(2, 4), Availability: []uint64{3, 1}}
		var staged sdk.StageResponse
		var mixed sdk.MixResponse
		var fitted sdk.FitResponse
		var adjusted sdk.AdjustResponse
		for _, err := range []error{
			s.Stage(t.Context(), stage, &staged), s.Mix(t.Context(), mix, &mixed),
			s.Fit(t.Context(), fit, &fitted), s.Adjust(t.Context(), adjust, &adjusted),
		} {
			if err != nil {
				t.Fatal(err)
			}
		}
		same(t, "stage request", own.stage, stage)
		same(t, "stage response", staged.Terms, terms)
		same(t, "mix request", own.mix, mix)
		same(t, "mix response", mixed, own.mixed)
		same(t, "fit request", own.fit, fit)
		same(t, "fit response", fitted.Terms, terms)
		same(t, "adjust request", own.adjust, adjust)
		same(t, "adjust response", adjusted, own.adjusted)

		// A calibration does not see h.
		adjust.H, fit.H = sdk.Tensor{}, sdk.Tensor{}
		if err := s.Fit(t.Context(), fit, &fitted); err != nil {
			t.Fatal(err)
		}
		if err := s.Adjust(t.Context(), adjust, &adjusted); err != nil {
			t.Fatal(err)
		}
		same(t, "fit request without h", own.fit, fit)
		same(t, "adjust request without h", own.adjust, adjust)
	})
}

// A strategy of an older SDK has no optional interface; asking is no reason to end
// its session.
func TestOptional_absent(t *testing.T) {
	s := openStrategy(t, way{}, &fakeSession{augment: func(sdk.AugmentRequest, *sdk.AugmentResponse) error { return nil }}, sdk.StrategyOpenRequest{Epochs: 3})
	if s.Stages() != nil {
		t.Errorf("got stages %v", s.Stages())
	}
	for name, err := range map[string]error{
		"stage":  s.Stage(t.Context(), sdk.StageRequest{}, &sdk.StageResponse{}),
		"mix":    s.Mix(t.Context(), sdk.MixRequest{}, &sdk.MixResponse{}),
		"fit":    s.Fit(t.Context(), sdk.FitRequest{}, &sdk.FitResponse{}),
		"adjust": s.Adjust(t.Context(), sdk.AdjustRequest{}, &sdk.AdjustResponse{}),
	} {
		if sdk.CodeOf(err) != sdk.CodeUnsupported {
			t.Errorf("%s: got %v, want unsupported", name, err)
		}
	}
	if err := s.Augment(t.Context(), sdk.AugmentRequest{}, &sdk.AugmentResponse{}); err != nil {
		t.Errorf("the session is of no more use: %v", err)
	}
}

// infoServer answers an info with a minor version.
type infoServer struct {
	pb.UnimplementedPluginServer
	contract uint32
}

func (s infoServer) Info(context.Context, *pb.InfoRequest) (*pb.InfoResponse, error) {
	return &pb.InfoResponse{Kind: "strategy", Name: "x", Contract: s.contract}, nil
}

// Plugins of older minor versions load, of newer ones they are refused with what to
// do.
func TestInfo_minorVersion(t *testing.T) {
	for contract, want := range map[uint32]sdk.Code{0: "", Minor: "", Minor + 1: sdk.CodeUnsupported} {
		client := connect(t, way{}, 0, func(s grpc.ServiceRegistrar, _ *Arena, _ *Door) {
			pb.RegisterPluginServer(s, infoServer{contract: contract})
		})
		if _, err := client.Info(t.Context()); sdk.CodeOf(err) != want {
			t.Errorf("a plugin of contract 1.%d: got %v, want code %q", contract, err, want)
		}
	}
}
