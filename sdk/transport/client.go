package transport

import (
	"context"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// Client is the host's end of the connection to one plugin process.
type Client struct {
	rpc   pb.PluginClient
	arena *Arena
	door  *Door
	limit int
}

// NewClient returns a client on conn. arena is the memory that the process
// shares, or nil; door is where it takes sessions, or nil if it has greeted at
// none; limit is the size of the largest message in bytes, 0 for MaxMessage. The
// caller keeps conn, arena and door and closes them after the client's sessions
// have ended.
func NewClient(conn grpc.ClientConnInterface, arena *Arena, door *Door, limit int) *Client {
	if limit <= 0 {
		limit = MaxMessage
	}
	return &Client{rpc: pb.NewPluginClient(conn), arena: arena, door: door, limit: limit}
}

// Info asks the plugin to describe itself. What it answers is not checked.
func (c *Client) Info(ctx context.Context) (sdk.Info, error) {
	m, err := c.rpc.Info(ctx, &pb.InfoRequest{})
	if err != nil {
		return sdk.Info{}, streamError(err)
	}
	if m.GetContract() > Minor {
		return sdk.Info{}, sdk.Errorf(sdk.CodeUnsupported, "the plugin is built for contract %d.%d, this program speaks up to %d.%d; update the program, or build the plugin with an older SDK",
			Version, m.GetContract(), Version, Minor)
	}
	return unpackInfo(m), nil
}

// OpenBackbone opens a session of a backbone plugin. When ctx ends first, the
// session comes with the error: it takes no calls, but its Done says when the
// plugin has stopped working on it.
func (c *Client) OpenBackbone(ctx context.Context, req sdk.OpenRequest) (*BackboneSession, error) {
	s, err := c.open(ctx, func(w *writer, channel *pb.Channel) *pb.HostMessage {
		m := packOpenBackbone(w, req)
		m.Channel = channel
		return &pb.HostMessage{Request: &pb.HostMessage_OpenBackbone{OpenBackbone: m}}
	}, func(*pb.OpenResponse) {})
	if s == nil {
		return nil, err
	}
	return &BackboneSession{s}, err
}

// OpenStrategy opens a session of a strategy plugin, as OpenBackbone does.
func (c *Client) OpenStrategy(ctx context.Context, req sdk.StrategyOpenRequest) (*StrategySession, error) {
	var stages []sdk.Stage
	s, err := c.open(ctx, func(w *writer, channel *pb.Channel) *pb.HostMessage {
		m := packOpenStrategy(w, req)
		m.Channel = channel
		return &pb.HostMessage{Request: &pb.HostMessage_OpenStrategy{OpenStrategy: m}}
	}, func(m *pb.OpenResponse) { stages = unpackStages(m.GetStages()) })
	if s == nil {
		return nil, err
	}
	return &StrategySession{session: s, stages: stages}, err
}

// open starts a stream whose life does not depend on ctx and sends the first
// message, which has no slot yet on the plugin's side and so carries bytes.
func (c *Client) open(ctx context.Context, pack func(*writer, *pb.Channel) *pb.HostMessage, opened func(*pb.OpenResponse)) (*session, error) {
	stream, cancel, err := c.stream(ctx)
	if err != nil {
		return nil, err
	}
	s := newSession(stream, cancel, c.arena, uint64(c.limit))
	channel := &pb.Channel{MaxMessage: uint64(c.limit), Offset: s.slab.offset, SlotSize: s.slab.slotSize}
	err = s.call(ctx, "open", func(*writer) *pb.HostMessage {
		return pack(&writer{}, channel)
	}, func(_ *reader, m *pb.PluginMessage) error {
		if m.GetOpen() == nil {
			return unexpected("open", m)
		}
		opened(m.GetOpen())
		return nil
	})
	if err != nil {
		s.end()
		if sdk.CodeOf(err) == sdk.CodeCanceled {
			return s, err
		}
		return nil, err
	}
	return s, nil
}

// stream makes what carries a session, and a function that cuts it.
func (c *Client) stream(ctx context.Context) (hostStream, func(), error) {
	if c.door != nil {
		file, err := c.door.open()
		if err != nil {
			return nil, nil, err
		}
		s := newHostSocket(file, uint64(c.limit))
		return s, s.cut, nil
	}
	life, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stream, err := c.rpc.Session(life)
	if err != nil {
		cancel()
		return nil, nil, streamError(err)
	}
	return stream, cancel, nil
}

// unexpected is the error for a reply of the wrong type.
func unexpected(to string, m *pb.PluginMessage) error {
	return sdk.Errorf(sdk.CodeProtocol, "the plugin answered %s with %T", to, m.GetReply())
}
