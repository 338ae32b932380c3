package plugin

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/hashicorp/go-hclog"
	goplugin "github.com/hashicorp/go-plugin"
	"github.com/hashicorp/go-plugin/runner"
	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

const (
	// grace is the time a plugin has to end by itself when it is closed.
	grace = 3 * time.Second
	// settle is how long a broken connection waits for the process's end, which
	// usually is the reason and follows within milliseconds.
	settle = 2 * time.Second
	// watchInterval is the time between two looks at a process's memory.
	watchInterval = 200 * time.Millisecond
	// longestSocketDir leaves room for the names go-plugin adds: the whole path
	// of a unix socket has at most 107 bytes.
	longestSocketDir = 50
)

// Config is how processes are run. The zero value is good.
type Config struct {
	// Log gets every line the process prints; nil keeps the last 200 only.
	Log io.Writer
	// Timeouts bound the calls of sessions; zero fields take the defaults.
	Timeouts Timeouts
	// MaxMessage is the size in bytes of the largest message; 0 is 1 GiB.
	MaxMessage int
	// NoSharedMemory has tensors travel inside messages.
	NoSharedMemory bool
	// Getenv looks up the host's environment; nil is os.LookupEnv.
	Getenv func(string) (string, bool)
}

// Timeouts are the longest times a plugin may take; after them its process is
// killed.
type Timeouts struct {
	Info  time.Duration // default 30 s
	Open  time.Duration // default 5 min: a plugin may look at all training rows
	Step  time.Duration // forward, backward, augment, objective: default 2 min
	State time.Duration // snapshot, restore: default 5 min
	Close time.Duration // default 30 s
}

func (t Timeouts) withDefaults() Timeouts {
	for _, d := range []struct {
		field *time.Duration
		value time.Duration
	}{
		{&t.Info, 30 * time.Second},
		{&t.Open, 5 * time.Minute},
		{&t.Step, 2 * time.Minute},
		{&t.State, 5 * time.Minute},
		{&t.Close, 30 * time.Second},
	} {
		if *d.field <= 0 {
			*d.field = d.value
		}
	}
	return t
}

// Process is one running plugin. Its methods may be called from several
// goroutines.
type Process struct {
	entry    Entry
	timeouts Timeouts
	limit    int
	info     sdk.Info

	child  *child
	tail   *tail
	client *goplugin.Client
	wire   *transport.Client
	arena  *transport.Arena // nil without shared memory
	dir    string           // private: sockets
	parent *os.File         // the plugin ends when this end of a pipe closes

	mu    sync.Mutex
	cause error // why the process ended or is being ended

	ended   chan struct{} // closed once the process is gone and cause is set
	cleaned chan struct{} // closed once nothing is left of it
}

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
	cmd := exec.Command(program, e.Command[1:]...)
	cmd.Dir = e.Dir
	getenv := cfg.Getenv
	if getenv == nil {
		getenv = os.LookupEnv
	}
	cmd.Env = environment(e.Env, getenv)
	inherited, err := p.prepare(cmd, !cfg.NoSharedMemory)
	if err != nil {
		p.discard()
		return nil, sdk.Wrap(sdk.CodePluginStart, err, "start %s", e)
	}
	p.child = newChild(cmd, p.tail)
	conn, err := p.shake(ctx, cmd)
	inherited.Close() // the process has its own
	if err != nil {
		return nil, p.startFailed(ctx, err)
	}
	p.wire = transport.NewClient(conn, p.arena, p.limit)
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

// prepare makes what the process inherits: shared memory, the pipe that tells it
// of the host's end, and a private directory for its sockets. It returns the
// plugin's end of the pipe.
func (p *Process) prepare(cmd *exec.Cmd, shared bool) (io.Closer, error) {
	inherit := func(variable string, f *os.File) {
		cmd.Env = append(cmd.Env, fmt.Sprintf("%s=%d", variable, 3+len(cmd.ExtraFiles)))
		cmd.ExtraFiles = append(cmd.ExtraFiles, f)
	}
	if shared {
		// Without shared memory, as on other systems than Linux, tensors travel
		// as bytes.
		if arena, err := transport.NewArena(); err == nil {
			p.arena = arena
			inherit(transport.ArenaVariable, arena.File())
		}
	}
	base := os.TempDir()
	if len(base) > longestSocketDir {
		base = "/tmp"
	}
	var err error
	if p.dir, err = os.MkdirTemp(base, "deconfound-"); err != nil { // mode 0700
		return nil, err
	}
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	p.parent = write
	inherit(transport.ParentVariable, read)
	return read, nil
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
	return conn.(*grpc.ClientConn), nil
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
		case <-time.After(settle / 10):
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

// Info is what the plugin says about itself.
func (p *Process) Info() sdk.Info { return p.info }

// Pid is the process id.
func (p *Process) Pid() string { return p.child.ID() }

// Lines are the last lines the process printed, at most 200.
func (p *Process) Lines() []string { return p.tail.last(keptLines) }

// Done is closed when the process has ended.
func (p *Process) Done() <-chan struct{} { return p.ended }

// Err says why the process ended or is being ended; nil while it is well.
func (p *Process) Err() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.cause
}

// Kill ends the process and its children at once and waits until nothing is left
// of it.
func (p *Process) Kill() {
	p.fail(sdk.Errorf(sdk.CodeClosed, "%s was killed by the host", p.entry))
	<-p.cleaned
}

// Close asks the process to end, kills it if it does not, and waits until
// nothing is left of it.
func (p *Process) Close() {
	p.blame(sdk.Errorf(sdk.CodeClosed, "%s was closed", p.entry))
	late := time.AfterFunc(grace, func() { _ = p.child.Kill(context.Background()) })
	defer late.Stop()
	p.client.Kill()
	<-p.cleaned
}

// attend waits for the end of the process and cleans up after it.
func (p *Process) attend() {
	<-p.child.exited
	p.blame(p.failure(sdk.CodePluginCrash, p.child.outcome))
	close(p.ended)
	p.client.Kill()
	p.discard()
	close(p.cleaned)
}

// discard gives back what prepare made.
func (p *Process) discard() {
	if p.arena != nil {
		_ = p.arena.Close()
	}
	if p.parent != nil {
		_ = p.parent.Close()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
	}
}

// fail kills the process because of err. The first reason stays.
func (p *Process) fail(err error) {
	p.blame(err)
	_ = p.child.Kill(context.Background())
}

func (p *Process) blame(err error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.cause == nil {
		p.cause = err
	}
}

// failure is an error about the process with its last lines.
func (p *Process) failure(code sdk.Code, what string) *sdk.Error {
	return sdk.Errorf(code, "%s: %s%s", p.entry, what, p.tail.quote())
}
