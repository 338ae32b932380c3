package transport

import (
	"context"
	"errors"
	"fmt"
	"io"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// RegisterBackbone serves b on a gRPC server, and through the door until it is
// closed. arena and door are what the process inherited, or nil.
func RegisterBackbone(s grpc.ServiceRegistrar, b sdk.Backbone, arena *Arena, door *Door) {
	register(s, &server{arena: arena, info: b.Info, openBackbone: b.Open}, door)
}

// RegisterStrategy is RegisterBackbone for a strategy.
func RegisterStrategy(s grpc.ServiceRegistrar, st sdk.Strategy, arena *Arena, door *Door) {
	register(s, &server{arena: arena, info: st.Info, openStrategy: st.Open}, door)
}

func register(r grpc.ServiceRegistrar, s *server, door *Door) {
	pb.RegisterPluginServer(r, s)
	if door != nil {
		go s.serveDoor(door)
	}
}

// server is the plugin's end.
type server struct {
	pb.UnimplementedPluginServer
	arena        *Arena
	info         func(context.Context, sdk.InfoRequest, *sdk.InfoResponse) error
	openBackbone func(context.Context, sdk.OpenRequest, *sdk.OpenResponse) error
	openStrategy func(context.Context, sdk.StrategyOpenRequest, *sdk.StrategyOpenResponse) error
	propose      func(context.Context, sdk.ProposeRequest, *sdk.ProposeResponse) error
}

// Info answers the author's description.
func (s *server) Info(ctx context.Context, _ *pb.InfoRequest) (*pb.InfoResponse, error) {
	var resp sdk.InfoResponse
	if err := guard(func() error { return s.info(ctx, sdk.InfoRequest{}, &resp) }); err != nil {
		return nil, err
	}
	return packInfo(resp.Info), nil
}

// Session serves one session on a gRPC stream.
func (s *server) Session(stream grpc.BidiStreamingServer[pb.HostMessage, pb.PluginMessage]) error {
	return s.serve(stream.Context(), stream)
}

// serve serves one session until the host closes it, ends its side of the stream
// or goes away.
func (s *server) serve(ctx context.Context, stream pluginStream) error {
	h := &handler{server: s, limit: MaxMessage}
	defer h.finish()
	for {
		m, err := stream.Recv()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		reply, last := h.answer(ctx, m)
		if err := stream.Send(reply); err != nil {
			return err
		}
		if last {
			return nil
		}
	}
}

// handler serves the messages of one session, one after the other.
type handler struct {
	server   *server
	slab     slab
	limit    uint64
	backbone sdk.BackboneSession
	strategy sdk.StrategySession
}

// author is what both kinds of session have in common.
type author interface {
	Snapshot(context.Context, sdk.SnapshotRequest, *sdk.SnapshotResponse) error
	Restore(context.Context, sdk.RestoreRequest, *sdk.RestoreResponse) error
	Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error
}

// author returns the open session, or nil.
func (h *handler) author() author {
	switch {
	case h.backbone != nil:
		return h.backbone
	case h.strategy != nil:
		return h.strategy
	}
	return nil
}

// finish closes a session that the host did not close.
func (h *handler) finish() {
	if a := h.author(); a != nil {
		h.backbone, h.strategy = nil, nil
		_ = guard(func() error {
			return a.Close(context.Background(), sdk.CloseRequest{}, &sdk.CloseResponse{})
		})
	}
}

// answer handles one message. last says that the session ends with this reply.
func (h *handler) answer(ctx context.Context, m *pb.HostMessage) (reply *pb.PluginMessage, last bool) {
	reply = &pb.PluginMessage{}
	err := guard(func() error { return h.handle(ctx, m, reply) })
	if err == nil {
		reply.Sequence = m.GetSequence()
		err = checkSize(reply, fmt.Sprintf("the answer to %T", m.GetRequest()), h.limit)
	}
	if err != nil {
		reply = &pb.PluginMessage{Reply: &pb.PluginMessage_Error{Error: packError(err)}}
	}
	reply.Sequence = m.GetSequence()
	return reply, h.author() == nil || sdk.CodeOf(err) == sdk.CodePanic
}
