package transport

import (
	"bytes"
	"context"
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// Malformed is something that no host sends and that a plugin must refuse without
// harm to itself or to other sessions; the conformance suite sends it.
type Malformed struct {
	// Name says what is wrong with it.
	Name string
	// Ends says that it is no message, which cannot be answered: the session ends.
	Ends bool
	// Send sends it and waits for the answer, whose error it returns, or for the end of
	// the session. Without an error the plugin took it.
	Send func(context.Context) error
}

// Malformed is what can be sent in this session. Frames are those of a session with a
// socket of its own; gRPC makes them itself.
func (s *BackboneSession) Malformed() []Malformed {
	forward := func(rows, availability []byte) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Forward{Forward: &pb.ForwardRequest{Rows: rows, Availability: availability, Train: true}}}
	}
	out := s.messages(map[string]*pb.HostMessage{
		"a second open":           {Request: &pb.HostMessage_OpenBackbone{OpenBackbone: &pb.OpenBackboneRequest{}}},
		"a request of strategies": {Request: &pb.HostMessage_Augment{Augment: &pb.AugmentRequest{}}},
		"half a row number":       forward(make([]byte, 6), make([]byte, 8)),
		"half a mask":             forward(make([]byte, 4), make([]byte, 12)),
		"more rows than masks":    forward(make([]byte, 8), make([]byte, 8)),
	})
	return append(out, s.malformed(func(t *pb.Tensor) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Backward{Backward: &pb.BackwardRequest{Dh: t}}}
	})...)
}

// Malformed is that of a backbone's session.
func (s *StrategySession) Malformed() []Malformed {
	augment := func(rows, availability []byte) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Augment{Augment: &pb.AugmentRequest{Rows: rows, Availability: availability}}}
	}
	out := s.messages(map[string]*pb.HostMessage{
		"a second open":          {Request: &pb.HostMessage_OpenStrategy{OpenStrategy: &pb.OpenStrategyRequest{}}},
		"a request of backbones": {Request: &pb.HostMessage_Forward{Forward: &pb.ForwardRequest{}}},
		"half a row number":      augment(make([]byte, 6), make([]byte, 8)),
		"half a mask":            augment(make([]byte, 4), make([]byte, 12)),
		"more rows than masks":   augment(make([]byte, 8), make([]byte, 8)),
		"half a group number": {Request: &pb.HostMessage_Objective{Objective: &pb.ObjectiveRequest{
			Rows: make([]byte, 4), Availability: make([]byte, 8), Groups: make([]byte, 3),
		}}},
	})
	return append(out, s.malformed(func(t *pb.Tensor) *pb.HostMessage {
		return &pb.HostMessage{Request: &pb.HostMessage_Objective{Objective: &pb.ObjectiveRequest{
			Rows: make([]byte, 4), Availability: make([]byte, 8), H: t,
		}}}
	})...)
}

// malformed are an empty message, tensors that lie, each in the request that carry
// makes, and frames.
func (s *session) malformed(carry func(*pb.Tensor) *pb.HostMessage) []Malformed {
	at := func(offset, length uint64, shape ...int64) *pb.HostMessage {
		return carry(&pb.Tensor{Shape: shape, Storage: &pb.Tensor_Region{Region: &pb.Region{Offset: offset, Length: length}}})
	}
	data := func(size int, shape ...int64) *pb.HostMessage {
		return carry(&pb.Tensor{Shape: shape, Storage: &pb.Tensor_Data{Data: make([]byte, size)}})
	}
	out := s.messages(map[string]*pb.HostMessage{
		"a message without a request":    {},
		"a tensor outside the memory":    at(1<<40, 16, 1, 4),
		"a tensor at the end of all":     at(math.MaxUint64-3, 16, 1, 4),
		"a tensor in the plugin's slots": at(s.slab.offset+2*s.slab.slotSize, 16, 1, 4),
		"a tensor of half a number":      data(7, 2),
		"a tensor with fewer values":     data(4, 1, 1000),
		"a tensor of a negative size":    data(16, -1, -4),
		"a tensor of too many values":    data(0, 1<<31-1, 1<<31-1, 4),
		"a tensor without values":        carry(&pb.Tensor{Shape: []int64{2}}),
	})
	socket, ok := s.stream.(*hostSocket)
	if !ok {
		return out
	}
	frame := func(name string, claimed uint32, body []byte, last bool) {
		out = append(out, Malformed{name, true, func(ctx context.Context) error {
			s.sending.Lock()
			_, err := socket.file.Write(append(binary.LittleEndian.AppendUint32(nil, claimed), body...))
			if err == nil && last {
				err = endOfWriting(socket.file)
			}
			s.sending.Unlock()
			if err != nil {
				return sdk.Wrap(sdk.CodePluginCrash, err, "send %s", name)
			}
			select {
			case <-s.done:
				return s.failure()
			case <-ctx.Done():
				return sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "send %s", name)
			}
		}})
	}
	frame("a frame that is no message", 40, bytes.Repeat([]byte{0xff}, 40), false)
	frame("a frame of 4 GiB", math.MaxUint32, nil, false)
	frame("half a frame", 40, make([]byte, 20), true)
	return out
}

// messages are messages to be refused by an answer.
func (s *session) messages(all map[string]*pb.HostMessage) []Malformed {
	var out []Malformed
	for _, name := range slices.Sorted(maps.Keys(all)) {
		m := all[name]
		out = append(out, Malformed{name, false, func(ctx context.Context) error {
			return s.call(ctx, name, func(*writer) *pb.HostMessage { return m }, func(*reader, *pb.PluginMessage) error { return nil })
		}})
	}
	return out
}
