package plugin

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// lastWords is how long a failed start waits for the process to end by itself,
// to learn its status.
const lastWords = 200 * time.Millisecond

// Start starts a plugin and asks it for its Info, which must agree with the
// manifest. ctx bounds the start alone. Errors have the code plugin_start.
func Start(ctx context.Context, e Entry, cfg Config) (*Process, error) {
	program, err := e.program()
	if err != nil {
		return nil, err
	}
	p := &Process{
		entry:    e,
		timeouts: cfg.Timeouts.withDefaults(),
		limit:    cfg.MaxMessage,
		tail:     &tail{log: cfg.Log},
		ended:    make(chan struct{}),
		cleaned:  make(chan struct{}),
	}
	if p.limit <= 0 {
		p.limit = transport.MaxMessage
	}
	cmd := exec.Command(program, e.Command[1:]...) //nolint:noctx // ctx bounds the start, the process lives on
	cmd.Dir = e.Dir
	getenv := cfg.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	cmd.Env = environment(e.Env, getenv)
	passed, err := p.prepare(cmd, cfg)
	if err != nil {
		p.discard()
		return nil, sdk.Wrap(sdk.CodePluginStart, err, "start %s", e)
	}
	p.child = newChild(cmd, p.tail)
	conn, err := p.shake(ctx, cmd)
	passed() // the process has its own
	if err != nil {
		return nil, p.startFailed(ctx, err)
	}
	if p.door != nil && !p.door.Greeted() {
		_ = p.door.Close()
		p.door = nil
	}
	p.wire = transport.NewClient(conn, p.arena, p.door, p.limit)
	go p.attend()
	if e.Memory > 0 {
		go p.watch(e.Memory)
	}
	if err := p.describe(ctx); err != nil {
		p.fail(err)
		<-p.cleaned
		return nil, err
	}
	return p, nil
}

// prepare makes what the process inherits: shared memory, the door for sessions,
// the pipe that tells it of the host's end, and a private directory for its
// socket. It returns a function that closes the host's copies of the plugin's
// ends.
func (p *Process) prepare(cmd *exec.Cmd, cfg Config) (passed func(), err error) {
	inherit := func(variable string, f *os.File) {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", variable, 3+len(cmd.ExtraFiles)))
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if !cfg.NoSharedMemory {
		// Without shared memory, as on other systems than Linux, tensors travel
		// as bytes.
		if arena, err := transport.NewArena(); err == nil {
			p.arena = arena
			inherit(transport.ArenaVariable, arena.File())
		}
	}
	if !cfg.NoSockets {
		// Without a door, as on other systems than Linux, sessions are gRPC streams.
		if door, err := transport.NewDoor(); err == nil {
			p.door = door
			inherit(transport.DoorVariable, door.File())
		}
	}
	if p.dir, p.owner, err = socketDir(); err != nil {
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.parent = write
	inherit(transport.ParentVariable, read)
	return func() {
		read.Close()
		if p.door != nil {
			p.door.Passed()
		}
	}, nil
}

// shake starts the process, does go-plugin's handshake and connects.
func (p *Process) shake(ctx context.Context, cmd *exec.Cmd) (*grpc.ClientConn, error) {
	p.client = goplugin.NewClient(&goplugin.ClientConfig{
		HandshakeConfig:  transport.Handshake,
		VersionedPlugins: map[int]goplugin.PluginSet{transport.Version: {transport.ServiceName: connection{}}},
		AllowedProtocols: []goplugin.Protocol{goplugin.ProtocolGRPC},
		AutoMTLS:         true,
		SkipHostEnv:      true,
		StartTimeout:     p.entry.StartTimeout,
		Logger:           hclog.NewNullLogger(),
		GRPCDialOptions:  transport.DialOptions(p.limit),
		UnixSocketConfig: &goplugin.UnixSocketConfig{TempDir: p.dir},
		RunnerFunc: func(_ hclog.Logger, spec *exec.Cmd, _ string) (runner.Runner, error) {
			cmd.Env = append(cmd.Env, spec.Env...)
			return p.child, nil
		},
	})
	stop := context.AfterFunc(ctx, func() { _ = p.child.Kill(ctx) })
	defer stop()
	protocol, err := p.client.Client()
	if err != nil {
		return nil, err
	}
	conn, err := protocol.Dispense(transport.ServiceName)
	if err != nil {
		return nil, err
	}
	return conn.(*grpc.ClientConn), nil //nolint:forcetypeassert // what connection.GRPCClient returns
}

// connection is the host's end of go-plugin: the bare connection.
type connection struct {
	goplugin.NetRPCUnsupportedPlugin
}

func (connection) GRPCServer(*goplugin.GRPCBroker, *grpc.Server) error { return nil }

func (connection) GRPCClient(_ context.Context, _ *goplugin.GRPCBroker, conn *grpc.ClientConn) (any, error) {
	return conn, nil
}

// startFailed cleans up after a start that did not reach the handshake and says
// why in our own words; go-plugin's error is a page of guesses.
func (p *Process) startFailed(ctx context.Context, err error) error {
	running := p.child.ID() != ""
	outcome := ""
	if running {
		select {
		case <-p.child.exited: // by itself
			outcome = p.child.outcome
		case <-time.After(lastWords):
		}
		_ = p.child.Kill(ctx)
		<-p.child.exited
		p.client.Kill()
	}
	p.discard()
	reason, _, _ := strings.Cut(err.Error(), "\n")
	switch {
	case ctx.Err() != nil:
		return sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "start %s", p.entry)
	case !running:
		return sdk.Wrap(sdk.CodePluginStart, err, "start %s", p.entry)
	case strings.HasPrefix(reason, "timeout"):
		return sdk.Errorf(sdk.CodePluginStart, "start %s: no handshake within %v (exec.start_timeout in %s)%s",
			p.entry, p.entry.StartTimeout, filepath.Join(p.entry.Dir, ManifestName), p.tail.quote())
	case outcome != "" && outcome != "it ended with signal: killed":
		return sdk.Errorf(sdk.CodePluginStart, "start %s: no handshake, %s%s", p.entry, outcome, p.tail.quote())
	}
	return sdk.Errorf(sdk.CodePluginStart, "start %s: %s%s", p.entry, reason, p.tail.quote())
}

// describe fetches and checks Info.
func (p *Process) describe(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, p.timeouts.Info)
	defer cancel()
	info, err := p.wire.Info(limited)
	if ctx.Err() != nil {
		return sdk.Wrap(sdk.CodeCanceled, ctx.Err(), "start %s", p.entry)
	}
	if err != nil {
		return p.failure(sdk.CodePluginStart, "no Info: "+err.Error())
	}
	if err := info.Validate(); err != nil {
		return p.failure(sdk.CodePluginStart, err.Error())
	}
	if info.Kind != p.entry.Kind || info.Name != p.entry.Name {
		return p.failure(sdk.CodePluginStart, fmt.Sprintf("it says it is the %s %s; correct %s or the program",
			info.Kind, info.Name, filepath.Join(p.entry.Dir, ManifestName)))
	}
	p.info = info
	return nil
}
