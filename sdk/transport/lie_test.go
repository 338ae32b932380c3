package transport

import (
	"math"
	"testing"

	"google.golang.org/grpc"
	"pgregory.net/rapid"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

func region(offset, length uint64, shape ...int64) *pb.Tensor {
	return &pb.Tensor{Shape: shape, Storage: &pb.Tensor_Region{Region: &pb.Region{Offset: offset, Length: length}}}
}

func TestReader_lies(t *testing.T) {
	r := &reader{mem: make([]byte, 256), offset: 1024, copies: true}
	if got, err := r.tensor("h", region(1024+64, 192, 6, 8)); err != nil || len(got.Data) != 48 {
		t.Fatalf("an honest region: %v, %v", got, err)
	}
	for name, c := range map[string]struct {
		t    *pb.Tensor
		code sdk.Code
	}{
		"before the slot":   {region(1020, 4, 1), sdk.CodeProtocol},
		"behind the slot":   {region(1280, 4, 1), sdk.CodeProtocol},
		"over the end":      {region(1276, 8, 2), sdk.CodeProtocol},
		"far away":          {region(math.MaxUint64-3, 4, 1), sdk.CodeProtocol},
		"unaligned":         {region(1026, 4, 1), sdk.CodeProtocol},
		"short":             {region(1024, 4, 2), sdk.CodeBadShape},
		"negative":          {region(1024, 4, -1), sdk.CodeBadShape},
		"two negatives":     {region(1024, 4, -1, -1), sdk.CodeBadShape},
		"overflow":          {region(1024, 0, 1<<31-1, 1<<31-1, 4), sdk.CodeBadShape},
		"overflow to 0":     {region(1024, 0, 1<<16, 1<<16, 1<<16, 1<<16), sdk.CodeBadShape},
		"bytes too few":     {&pb.Tensor{Shape: []int64{2}, Storage: &pb.Tensor_Data{Data: make([]byte, 7)}}, sdk.CodeBadShape},
		"no storage at all": {&pb.Tensor{Shape: []int64{2}}, sdk.CodeBadShape},
	} {
		if got, err := r.tensor("h", c.t); sdk.CodeOf(err) != c.code {
			t.Errorf("%s: got %v, %v, want %s", name, got, err, c.code)
		}
	}
	if _, err := (&reader{}).tensor("h", region(0, 4, 1)); sdk.CodeOf(err) != sdk.CodeProtocol {
		t.Errorf("a region without shared memory: got %v, want protocol", err)
	}
}

// Whatever the other side says, reading a tensor ends in an error or in a tensor
// whose data has the size of its shape.
func TestReader_anything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := &reader{mem: make([]byte, 64), offset: 128, copies: rapid.Bool().Draw(t, "copies")}
		shape := rapid.SliceOfN(rapid.OneOf(rapid.Int64Range(-1, 8), rapid.Int64()), 0, 4).Draw(t, "shape")
		m := &pb.Tensor{Shape: shape}
		if rapid.Bool().Draw(t, "region") {
			number := rapid.OneOf(rapid.Uint64Range(0, 256), rapid.Uint64())
			m = region(number.Draw(t, "offset"), number.Draw(t, "length"), shape...)
		} else {
			m.Storage = &pb.Tensor_Data{Data: make([]byte, rapid.IntRange(0, 64).Draw(t, "bytes"))}
		}
		got, err := r.tensor("x", m)
		if err != nil {
			return
		}
		if err := got.Check("x", got.Shape...); err != nil {
			t.Fatal(err)
		}
	})
}

func TestArena_slabAt(t *testing.T) {
	a := &Arena{mem: make([]byte, 4096)}
	for _, c := range []struct {
		offset, size uint64
		good         bool
	}{
		{0, 1024, true},
		{1024, 768, true},
		{64, 1024, false},
		{0, 1088, false},
		{32, 64, false},
		{0, 100, false},
		{4096, 64, false},
		{math.MaxUint64 - 63, 64, false},
		{0, math.MaxUint64 - 63, false},
	} {
		if _, err := a.slabAt(c.offset, c.size); (err == nil) != c.good {
			t.Errorf("slab of 4x%d at %d: got %v, want good %v", c.size, c.offset, err, c.good)
		}
	}
}

func TestNumbers_odd(t *testing.T) {
	if _, err := numbersOf[uint64]("availability", make([]byte, 12)); sdk.CodeOf(err) != sdk.CodeProtocol {
		t.Errorf("got %v, want protocol", err)
	}
	if got := swapped([]byte{1, 2, 3, 4, 5, 6, 7, 8}, 4); string(got) != "\x04\x03\x02\x01\x08\x07\x06\x05" {
		t.Errorf("got %v", got)
	}
	unaligned := append([]byte{0}, bytesOf([]float32{1.5, -2})...)[1:]
	if got := floatView(unaligned); got[0] != 1.5 || got[1] != -2 {
		t.Errorf("got %v", got)
	}
}

// liar is a plugin that does not use this package's server.
type liar struct {
	pb.UnimplementedPluginServer
	reply func(*pb.HostMessage) *pb.PluginMessage
}

func (l *liar) Session(stream grpc.BidiStreamingServer[pb.HostMessage, pb.PluginMessage]) error {
	return l.talk(stream)
}

// receive takes the first session from the door.
func (l *liar) receive(d *Door) {
	file, err := d.accept()
	if err != nil {
		return
	}
	defer file.Close()
	f := newFrames(file, MaxMessage)
	if l.talk(pluginSocket{f}) == nil {
		_ = f.end()
	}
}

func (l *liar) talk(stream pluginStream) error {
	for {
		m, err := stream.Recv()
		if err != nil {
			return nil //nolint:nilerr // the host has ended the stream
		}
		reply := l.reply(m)
		if reply == nil {
			return nil
		}
		if err := stream.Send(reply); err != nil {
			return err
		}
	}
}

// What a lying plugin gets for its answer to the first forward.
func TestSession_lies(t *testing.T) {
	var slot uint64 // offset of the plugin's slots
	forward := func(n uint64, h *pb.Tensor) *pb.PluginMessage {
		return &pb.PluginMessage{Sequence: n, Reply: &pb.PluginMessage_Forward{Forward: &pb.ForwardResponse{H: h}}}
	}
	for name, c := range map[string]struct {
		reply func(n uint64) *pb.PluginMessage
		code  sdk.Code
	}{
		"honest":          {func(n uint64) *pb.PluginMessage { return forward(n, region(slot+n%2*slotSize, 16, 2, 2)) }, ""},
		"other slot":      {func(n uint64) *pb.PluginMessage { return forward(n, region(slot+(n+1)%2*slotSize, 16, 2, 2)) }, sdk.CodeProtocol},
		"the host's slot": {func(n uint64) *pb.PluginMessage { return forward(n, region(slot-slotSize, 16, 2, 2)) }, sdk.CodeProtocol},
		"outside":         {func(n uint64) *pb.PluginMessage { return forward(n, region(1<<40, 16, 2, 2)) }, sdk.CodeProtocol},
		"wrong type": {func(n uint64) *pb.PluginMessage {
			return &pb.PluginMessage{Sequence: n, Reply: &pb.PluginMessage_Open{}}
		}, sdk.CodeProtocol},
		"empty":             {func(n uint64) *pb.PluginMessage { return &pb.PluginMessage{Sequence: n} }, sdk.CodeProtocol},
		"unasked number":    {func(n uint64) *pb.PluginMessage { return forward(n+5, nil) }, sdk.CodeProtocol},
		"answered before":   {func(n uint64) *pb.PluginMessage { return forward(n-1, nil) }, sdk.CodeProtocol},
		"end of the stream": {func(uint64) *pb.PluginMessage { return nil }, sdk.CodeProtocol},
	} {
		t.Run(name, func(t *testing.T) {
			eachStream(t, func(t *testing.T, w way) {
				client := connect(t, w, 0, func(s grpc.ServiceRegistrar, _ *Arena, d *Door) {
					l := &liar{reply: func(m *pb.HostMessage) *pb.PluginMessage {
						if o := m.GetOpenBackbone(); o != nil {
							slot = o.GetChannel().GetOffset() + 2*o.GetChannel().GetSlotSize()
							return &pb.PluginMessage{Sequence: m.Sequence, Reply: &pb.PluginMessage_Open{Open: &pb.OpenResponse{}}}
						}
						return c.reply(m.Sequence)
					}}
					pb.RegisterPluginServer(s, l)
					if d != nil {
						go l.receive(d)
					}
				})
				s, err := client.OpenBackbone(t.Context(), sdk.OpenRequest{})
				if err != nil {
					t.Fatal(err)
				}
				err = s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{})
				if sdk.CodeOf(err) != c.code {
					t.Errorf("got %v (%s), want %q", err, sdk.CodeOf(err), c.code)
				}
				if c.code != "" {
					<-s.Done() // a liar's session is over
				}
			})
		})
	}
}
