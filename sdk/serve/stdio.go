package serve

import (
	"context"
	"os"
	"sync"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk/transport"
)

// handshake is the standard output that the host reads; nil in a process that
// was not started as a plugin.
var handshake *os.File

// init runs before the author's main function and most of its packages, so that
// nothing they print can reach the handshake.
func init() { //nolint:gochecknoinits // main is too late, see above
	if started() {
		handshake = divert()
		watchParent()
	}
}

// started reports whether a host started this process as a plugin.
func started() bool { return os.Getenv(transport.CookieKey) == transport.CookieValue }

// stdio gives standard output and error back to the author after go-plugin has
// replaced them by a stream to the host, which would lose the last lines before
// a crash.
type stdio struct {
	out, log *os.File
	once     sync.Once
}

// takeStdio makes the handshake what go-plugin prints to.
func takeStdio() *stdio {
	s := &stdio{out: os.Stdout, log: os.Stderr}
	os.Stdout = handshake
	return s
}

// restore runs at the first call of the host; go-plugin has replaced the files
// by then.
func (s *stdio) restore() {
	s.once.Do(func() { os.Stdout, os.Stderr = s.out, s.log })
}

func (s *stdio) unary(ctx context.Context, req any, _ *grpc.UnaryServerInfo, next grpc.UnaryHandler) (any, error) {
	s.restore()
	return next(ctx, req)
}

func (s *stdio) stream(srv any, stream grpc.ServerStream, _ *grpc.StreamServerInfo, next grpc.StreamHandler) error {
	s.restore()
	return next(srv, stream)
}
