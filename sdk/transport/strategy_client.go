package transport

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// StrategySession is the host's end of a session of a strategy. Answers are
// structurally sound, their values are not checked. What a plugin lacks it answers
// with code unsupported.
type StrategySession struct {
	*session
	stages []sdk.Stage
}

var (
	_ sdk.Stager = (*StrategySession)(nil)
	_ sdk.Mixer  = (*StrategySession)(nil)
	_ sdk.Fitter = (*StrategySession)(nil)
)

// Stages implements sdk.Stager.
func (s *StrategySession) Stages() []sdk.Stage { return s.stages }

// Stage implements sdk.Stager.
func (s *StrategySession) Stage(ctx context.Context, req sdk.StageRequest, resp *sdk.StageResponse) error {
	return s.call(ctx, "stage", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Stage{Stage: packStage(w, req)}}
	}, func(_ *reader, m *pb.PluginMessage) error {
		if m.GetStage() == nil {
			return unexpected("stage", m)
		}
		*resp = sdk.StageResponse{Terms: unpackTerms(m.GetStage().GetTerms())}
		return nil
	})
}

// Mix implements sdk.Mixer.
func (s *StrategySession) Mix(ctx context.Context, req sdk.MixRequest, resp *sdk.MixResponse) error {
	return s.call(ctx, "mix", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Mix{Mix: packMix(w, req)}}
	}, func(r *reader, m *pb.PluginMessage) (err error) {
		if m.GetMix() == nil {
			return unexpected("mix", m)
		}
		*resp, err = unpackMixed(r, m.GetMix())
		return err
	})
}

// Fit implements sdk.Fitter.
func (s *StrategySession) Fit(ctx context.Context, req sdk.FitRequest, resp *sdk.FitResponse) error {
	return s.call(ctx, "fit", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Fit{Fit: packFit(w, req)}}
	}, func(_ *reader, m *pb.PluginMessage) error {
		if m.GetFit() == nil {
			return unexpected("fit", m)
		}
		*resp = sdk.FitResponse{Terms: unpackTerms(m.GetFit().GetTerms())}
		return nil
	})
}

// Adjust implements sdk.Fitter.
func (s *StrategySession) Adjust(ctx context.Context, req sdk.AdjustRequest, resp *sdk.AdjustResponse) error {
	return s.call(ctx, "adjust", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Adjust{Adjust: packAdjust(w, req)}}
	}, func(r *reader, m *pb.PluginMessage) (err error) {
		if m.GetAdjust() == nil {
			return unexpected("adjust", m)
		}
		*resp, err = unpackAdjusted(r, m.GetAdjust())
		return err
	})
}

// Augment implements sdk.StrategySession.
func (s *StrategySession) Augment(ctx context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	return s.call(ctx, "augment", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Augment{Augment: packAugment(w, req)}}
	}, func(r *reader, m *pb.PluginMessage) (err error) {
		if m.GetAugment() == nil {
			return unexpected("augment", m)
		}
		*resp, err = unpackAugmented(r, m.GetAugment())
		return err
	})
}

// Objective implements sdk.StrategySession.
func (s *StrategySession) Objective(ctx context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	return s.call(ctx, "objective", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Objective{Objective: packObjective(w, req)}}
	}, func(r *reader, m *pb.PluginMessage) (err error) {
		if m.GetObjective() == nil {
			return unexpected("objective", m)
		}
		*resp, err = unpackObjected(r, m.GetObjective())
		return err
	})
}
