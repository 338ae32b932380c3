package transport

import (
	"errors"
	"io"
	"os"
	"syscall"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/pb/v1"
)

// hostStream is what carries the messages of one session, seen by the host: a
// gRPC stream or a hostSocket. Send and CloseSend are used by one goroutine at a
// time, Recv by one other. Send returns io.EOF once the stream is broken; the
// reason is what Recv returns. Recv returns io.EOF after the plugin has ended the
// session.
type hostStream interface {
	Send(*pb.HostMessage) error
	Recv() (*pb.PluginMessage, error)
	CloseSend() error
}

// pluginStream is the other end of a hostStream. Recv returns io.EOF after the
// host has ended its side.
type pluginStream interface {
	Send(*pb.PluginMessage) error
	Recv() (*pb.HostMessage, error)
}

// hostSocket is a hostStream on a socket that the plugin got through a [Door].
type hostSocket struct {
	file   *os.File
	frames *frames
}

var _ hostStream = (*hostSocket)(nil)

func newHostSocket(file *os.File, limit uint64) *hostSocket {
	return &hostSocket{file: file, frames: newFrames(file, limit)}
}

// Send implements hostStream.
func (s *hostSocket) Send(m *pb.HostMessage) error {
	err := s.frames.send(m)
	if errors.Is(err, syscall.EPIPE) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, os.ErrClosed) {
		return io.EOF
	}
	return err
}

// Recv implements hostStream. Its errors are of package sdk.
func (s *hostSocket) Recv() (*pb.PluginMessage, error) {
	m := &pb.PluginMessage{}
	err := s.frames.receive(m)
	var own *sdk.Error
	switch {
	case err == nil:
		return m, nil
	case errors.Is(err, io.EOF), errors.As(err, &own):
		return nil, err
	case errors.Is(err, os.ErrClosed):
		return nil, errClosed
	}
	return nil, sdk.Errorf(sdk.CodePluginCrash, "the connection to the plugin broke: %s", err)
}

// CloseSend implements hostStream.
func (s *hostSocket) CloseSend() error { return s.frames.end() }

// cut ends both directions at once.
func (s *hostSocket) cut() { _ = s.file.Close() }

// pluginSocket is a pluginStream on a socket from a [Door].
type pluginSocket struct{ frames *frames }

var _ pluginStream = pluginSocket{}

// Send implements pluginStream.
func (s pluginSocket) Send(m *pb.PluginMessage) error { return s.frames.send(m) }

// Recv implements pluginStream.
func (s pluginSocket) Recv() (*pb.HostMessage, error) {
	m := &pb.HostMessage{}
	if err := s.frames.receive(m); err != nil {
		return nil, err
	}
	return m, nil
}
