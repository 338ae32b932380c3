package transport

import (
	"context"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// BackboneSession is the host's end of a session of a backbone. Answers are
// structurally sound, their values are not checked.
type BackboneSession struct{ *session }

var _ sdk.BackboneSession = (*BackboneSession)(nil)

// Forward implements sdk.BackboneSession. The memory of resp.H, if it is large
// enough, is used again for the answer: fresh memory costs as much as the copy.
func (s *BackboneSession) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	return s.call(ctx, "forward", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Forward{Forward: packForward(w, req)}}
	}, func(r *reader, m *pb.PluginMessage) (err error) {
		if m.GetForward() == nil {
			return unexpected("forward", m)
		}
		r.spare = resp.H.Data
		*resp, err = unpackForwarded(r, m.GetForward())
		return err
	})
}

// Backward implements sdk.BackboneSession.
func (s *BackboneSession) Backward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
	return s.StartBackward(ctx, req, resp)()
}

// StartBackward is Backward without waiting; what it returns waits, and must be
// called once. Another request may be sent in between: the plugin works on it
// after this one.
func (s *BackboneSession) StartBackward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) (wait func() error) {
	return s.start(ctx, "backward", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Backward{Backward: packBackward(w, req)}}
	}, func(_ *reader, m *pb.PluginMessage) error {
		if m.GetBackward() == nil {
			return unexpected("backward", m)
		}
		*resp = unpackBackwarded(m.GetBackward())
		return nil
	})
}

// Snapshot asks for the state of the session.
func (s *session) Snapshot(ctx context.Context, _ sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	return s.call(ctx, "snapshot", func(*writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Snapshot{Snapshot: &pb.SnapshotRequest{}}}
	}, func(r *reader, m *pb.PluginMessage) (err error) {
		if m.GetSnapshot() == nil {
			return unexpected("snapshot", m)
		}
		*resp, err = unpackSnapshot(r, m.GetSnapshot())
		return err
	})
}

// Restore sets the state of the session.
func (s *session) Restore(ctx context.Context, req sdk.RestoreRequest, _ *sdk.RestoreResponse) error {
	return s.call(ctx, "restore", func(w *writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Restore{Restore: packRestore(w, req)}}
	}, func(_ *reader, m *pb.PluginMessage) error {
		if m.GetRestore() == nil {
			return unexpected("restore", m)
		}
		return nil
	})
}

// Close ends the session. It is no error to close one that has ended.
func (s *session) Close(ctx context.Context, _ sdk.CloseRequest, _ *sdk.CloseResponse) error {
	select {
	case <-s.done:
		return nil
	default:
	}
	if s.failure() != nil {
		s.end()
		return nil //nolint:nilerr // what has failed is closed already
	}
	err := s.call(ctx, "close", func(*writer) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Close{Close: &pb.CloseRequest{}}}
	}, func(_ *reader, m *pb.PluginMessage) error {
		if m.GetClose() == nil {
			return unexpected("close", m)
		}
		s.close(errClosed)
		return nil
	})
	s.end()
	return err
}
