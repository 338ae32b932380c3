package serve

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// Backbone serves b until the host is done with it. It does not return before,
// and ends the process with status 1 when it was not started by a host.
func Backbone(b sdk.Backbone) {
	serve(func(s grpc.ServiceRegistrar, a *transport.Arena, d *transport.Door) {
		transport.RegisterBackbone(s, b, a, d)
	})
}

// Strategy serves s until the host is done with it, as [Backbone] does.
func Strategy(s sdk.Strategy) {
	serve(func(r grpc.ServiceRegistrar, a *transport.Arena, d *transport.Door) {
		transport.RegisterStrategy(r, s, a, d)
	})
}

// Sampler serves s until the host is done with it, as [Backbone] does.
func Sampler(s sdk.Sampler) {
	serve(func(r grpc.ServiceRegistrar, _ *transport.Arena, _ *transport.Door) {
		transport.RegisterSampler(r, s)
	})
}

// register registers the author's plugin with what the process inherited.
type register func(grpc.ServiceRegistrar, *transport.Arena, *transport.Door)

func serve(r register) {
	if !started() {
		fmt.Fprintln(os.Stderr, "This program is a deconfound plugin; it is started by the host. Try: deconfound plugin check DIRECTORY")
		os.Exit(1)
	}
	var arena *transport.Arena
	var door *transport.Door
	var err error
	if fd, ok := inherited(transport.ArenaVariable); ok {
		arena, err = transport.MapArena(fd)
	}
	if fd, ok := inherited(transport.DoorVariable); ok && err == nil {
		door, err = transport.OpenDoor(fd)
	}
	if err != nil {
		// The host has promised memory to its sessions, so going on with bytes
		// would only fail later and less clearly.
		fmt.Fprintln(os.Stderr, "serve plugin:", err)
		os.Exit(1)
	}
	stdio := takeStdio()
	goplugin.Serve(&goplugin.ServeConfig{
		HandshakeConfig: transport.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{
			transport.Version: {transport.ServiceName: service{register: r, arena: arena, door: door}},
		},
		GRPCServer: func(options []grpc.ServerOption) *grpc.Server {
			// The cookie has been checked; the plugin's own children are no plugins.
			_ = os.Unsetenv(transport.CookieKey)
			options = append(options, transport.ServerOptions()...)
			return grpc.NewServer(append(options,
				grpc.ChainUnaryInterceptor(stdio.unary),
				grpc.ChainStreamInterceptor(stdio.stream))...)
		},
		Logger: hclog.New(&hclog.LoggerOptions{Name: "go-plugin", Level: hclog.Error, Output: stdio.log}),
	})
}

// service adapts a registration to go-plugin.
type service struct {
	goplugin.NetRPCUnsupportedPlugin
	register register
	arena    *transport.Arena
	door     *transport.Door
}

func (s service) GRPCServer(_ *goplugin.GRPCBroker, srv *grpc.Server) error {
	s.register(srv, s.arena, s.door)
	return nil
}

func (s service) GRPCClient(context.Context, *goplugin.GRPCBroker, *grpc.ClientConn) (any, error) {
	return nil, errors.New("a plugin is no host")
}
