package transport

import (
	"context"
	"net"
	"testing"

	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/test/bufconn"

	"github.com/deconfound/deconfound/sdk"
)

// fakeBackbone is an author by fields.
type fakeBackbone struct {
	info func(*sdk.InfoResponse) error
	open func(sdk.OpenRequest) (sdk.BackboneSession, error)
}

func (f fakeBackbone) Info(_ context.Context, _ sdk.InfoRequest, resp *sdk.InfoResponse) error {
	return f.info(resp)
}

func (f fakeBackbone) Open(_ context.Context, req sdk.OpenRequest, resp *sdk.OpenResponse) (err error) {
	resp.Session, err = f.open(req)
	return err
}

type fakeStrategy struct {
	open func(sdk.StrategyOpenRequest) (sdk.StrategySession, error)
}

func (f fakeStrategy) Info(context.Context, sdk.InfoRequest, *sdk.InfoResponse) error { return nil }

func (f fakeStrategy) Open(_ context.Context, req sdk.StrategyOpenRequest, resp *sdk.StrategyOpenResponse) (err error) {
	resp.Session, err = f.open(req)
	return err
}

// fakeSession is a session of either kind by fields; nil fields do nothing.
type fakeSession struct {
	forward   func(context.Context, sdk.ForwardRequest, *sdk.ForwardResponse) error
	backward  func(sdk.BackwardRequest, *sdk.BackwardResponse) error
	augment   func(sdk.AugmentRequest, *sdk.AugmentResponse) error
	objective func(sdk.ObjectiveRequest, *sdk.ObjectiveResponse) error
	snapshot  func(*sdk.SnapshotResponse) error
	restore   func(sdk.RestoreRequest) error
	close     func() error
}

func (f *fakeSession) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	return f.forward(ctx, req, resp)
}

func (f *fakeSession) Backward(_ context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
	return f.backward(req, resp)
}

func (f *fakeSession) Augment(_ context.Context, req sdk.AugmentRequest, resp *sdk.AugmentResponse) error {
	return f.augment(req, resp)
}

func (f *fakeSession) Objective(_ context.Context, req sdk.ObjectiveRequest, resp *sdk.ObjectiveResponse) error {
	return f.objective(req, resp)
}

func (f *fakeSession) Snapshot(_ context.Context, _ sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	return f.snapshot(resp)
}

func (f *fakeSession) Restore(_ context.Context, req sdk.RestoreRequest, _ *sdk.RestoreResponse) error {
	return f.restore(req)
}

func (f *fakeSession) Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error {
	if f.close == nil {
		return nil
	}
	return f.close()
}

// way is how the messages of a session travel.
type way struct {
	shared bool // tensors in shared memory
	socket bool // on a socket, not a gRPC stream
}

// connect serves what register registers in this process and returns the host's
// end. With shared memory, both ends map it, each at its own address.
func connect(t testing.TB, w way, limit int, register func(grpc.ServiceRegistrar, *Arena, *Door)) *Client {
	t.Helper()
	var host, plugin *Arena
	var door, other *Door
	if w.shared {
		var err error
		if host, err = NewArena(); err != nil {
			t.Skipf("no shared memory here: %v", err)
		}
		if plugin, err = MapArena(int(host.File().Fd())); err != nil {
			t.Fatal(err)
		}
	}
	if w.socket {
		door, other = openDoors(t)
	}
	listener := bufconn.Listen(1 << 20)
	srv := grpc.NewServer(ServerOptions()...)
	register(srv, plugin, other)
	served := make(chan error, 1)
	go func() { served <- srv.Serve(listener) }()

	most := limit
	if most == 0 {
		most = MaxMessage
	}
	options := append(DialOptions(most),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithContextDialer(func(ctx context.Context, _ string) (net.Conn, error) { return listener.DialContext(ctx) }))
	conn, err := grpc.NewClient("passthrough:plugin", options...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		conn.Close()
		srv.Stop()
		if err := <-served; err != nil {
			t.Error(err)
		}
		if w.socket {
			door.Close()
			other.Close()
		}
		if w.shared {
			plugin.Close()
			if err := host.Close(); err != nil {
				t.Error(err)
			}
		}
	})
	return NewClient(conn, host, door, limit)
}

// openDoors returns both sides of a door in this process.
func openDoors(t testing.TB) (host, plugin *Door) {
	t.Helper()
	host, err := NewDoor()
	if err != nil {
		t.Skipf("no sockets for sessions here: %v", err)
	}
	if host.Greeted() {
		t.Error("nobody has greeted yet")
	}
	fd, err := unix.Dup(int(host.File().Fd()))
	if err != nil {
		t.Fatal(err)
	}
	host.Passed()
	if plugin, err = OpenDoor(fd); err != nil {
		t.Fatal(err)
	}
	if !host.Greeted() {
		t.Error("the greeting did not arrive")
	}
	return host, plugin
}

// openBackbone opens a session on a plugin whose sessions are f.
func openBackbone(t testing.TB, w way, limit int, f *fakeSession) *BackboneSession {
	t.Helper()
	client := connect(t, w, limit, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
		RegisterBackbone(s, fakeBackbone{open: func(sdk.OpenRequest) (sdk.BackboneSession, error) { return f, nil }}, a, d)
	})
	session, err := client.OpenBackbone(t.Context(), sdk.OpenRequest{})
	if err != nil {
		t.Fatal(err)
	}
	return session
}
