package transport

import (
	"context"
	"errors"
	"os"
)

// greeting is what a plugin that takes sessions from its door writes to it before
// the handshake of go-plugin. It is the version of the framing.
const greeting = 1

// Door is how a host hands sockets to one plugin process, one for each session.
// It is a socket itself, which the plugin inherits; the host makes it with
// [NewDoor], the plugin takes it with [OpenDoor].
//
// The messages of a session are the same as on a gRPC stream, and so are their
// order, numbers and limits; what is saved is HTTP/2 and TLS, which cost more
// than a training step's memory copies. TLS would add nothing here: a socket of
// a pair has no path and no address, so nobody reaches it to whom neither process
// gave it. A socket of its own keeps a session from waiting for what another one
// sends, and from its errors.
//
// A plugin need not know of doors. It then does not greet, and its sessions are
// gRPC streams.
type Door struct {
	file  *os.File // this process's end
	other *os.File // the plugin's end, at the host until it has been passed on
}

// File is what the plugin process inherits; close it with [Door.Passed].
func (d *Door) File() *os.File { return d.other }

// Passed closes the host's copy of the plugin's end.
func (d *Door) Passed() { _ = d.other.Close() }

// Close closes this process's end. Sessions go on.
func (d *Door) Close() error {
	if d.other != nil {
		_ = d.other.Close()
	}
	return d.file.Close()
}

// errNoSocket says that a session did not come through the door, for which the
// process may have too many files open. The host sees its socket closed.
var errNoSocket = errors.New("what came through the door is no socket")

// serveDoor serves every session that comes through the door, until the host is
// gone.
func (s *server) serveDoor(door *Door) {
	defer door.Close()
	for {
		file, err := door.accept()
		switch {
		case err == nil:
			go s.serveSocket(file)
		case !errors.Is(err, errNoSocket):
			return
		}
	}
}

// serveSocket serves one session.
func (s *server) serveSocket(file *os.File) {
	defer file.Close()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	f := newFrames(file, MaxMessage)
	if err := s.serve(ctx, pluginSocket{f}); err == nil {
		_ = f.end()
	}
}
