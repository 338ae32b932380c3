package transport

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"runtime"
	"testing"

	"google.golang.org/protobuf/proto"
	"pgregory.net/rapid"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// wire is a stream of bytes in memory.
type wire struct {
	io.Reader
	io.Writer
}

func framesOf(data []byte, limit uint64) *frames {
	return newFrames(wire{bytes.NewReader(data), io.Discard}, limit)
}

func restore(state int) *pb.HostMessage {
	return &pb.HostMessage{Sequence: 7, Request: &pb.HostMessage_Restore{Restore: &pb.RestoreRequest{State: make([]byte, state)}}}
}

func TestFrames_roundTrip(t *testing.T) {
	var data bytes.Buffer
	sender := newFrames(wire{nil, &data}, MaxMessage)
	sizes := []int{0, 1, 100, readAhead - 1, readAhead, 3 * keptFrame, 5, 10 * keptFrame, 0}
	for _, n := range sizes {
		if err := sender.send(restore(n)); err != nil {
			t.Fatal(err)
		}
	}
	if err := sender.end(); err != nil {
		t.Fatal(err)
	}
	receiver := framesOf(data.Bytes(), MaxMessage)
	for _, n := range sizes {
		m := &pb.HostMessage{}
		if err := receiver.receive(m); err != nil {
			t.Fatal(err)
		}
		if want := restore(n); !proto.Equal(m, want) {
			t.Errorf("a message of %d bytes arrived as one of %d", proto.Size(want), proto.Size(m))
		}
	}
	if err := receiver.receive(&pb.HostMessage{}); !errors.Is(err, io.EOF) {
		t.Errorf("got %v, want the end", err)
	}
}

func TestFrames_lies(t *testing.T) {
	claim := func(n uint32, body ...byte) []byte { return append(binary.LittleEndian.AppendUint32(nil, n), body...) }
	for name, c := range map[string]struct {
		data []byte
		code sdk.Code
	}{
		"nothing":         {nil, sdk.CodeInternal},
		"half a length":   {[]byte{1, 0}, sdk.CodeInternal},
		"half a message":  {claim(4, 8), sdk.CodeInternal},
		"no message":      {claim(3, 0xff, 0xff, 0xff), sdk.CodeProtocol},
		"above the limit": {claim(101), sdk.CodeMessageTooLarge},
		"impossible":      {claim(math.MaxUint32), sdk.CodeProtocol},
	} {
		err := framesOf(c.data, 100).receive(&pb.PluginMessage{})
		if sdk.CodeOf(err) != c.code || errors.Is(err, io.EOF) || (c.code == sdk.CodeInternal) != errors.Is(err, errBroken) {
			t.Errorf("%s: got %v (%s), want %s", name, err, sdk.CodeOf(err), c.code)
		}
	}
}

// What is claimed is not believed before it arrives.
func TestFrames_claims(t *testing.T) {
	data := append(binary.LittleEndian.AppendUint32(nil, MaxMessage), make([]byte, 100)...)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := framesOf(data, MaxMessage).receive(&pb.PluginMessage{})
	runtime.ReadMemStats(&after)
	if !errors.Is(err, errBroken) {
		t.Errorf("got %v, want a broken stream", err)
	}
	if used := after.TotalAlloc - before.TotalAlloc; used > 16*keptFrame {
		t.Errorf("a claim of %d bytes took %d bytes of memory", MaxMessage, used)
	}
}

// Whatever arrives ends in messages and then one error.
func TestFrames_anything(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		f := framesOf(rapid.SliceOf(rapid.Byte()).Draw(t, "data"), 1<<10)
		for f.receive(&pb.PluginMessage{}) == nil { // each takes a header at least
		}
	})
}
