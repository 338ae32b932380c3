package transport

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// StrategySession is the host's end of a session of a strategy. Answers are
// structurally sound, their values are not checked.
type StrategySession struct{ *session }

var _ sdk.StrategySession = (*StrategySession)(nil)

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
