package plugin

import (
	"context"
	"os"
	"sync"
	"time"

	goplugin "github.com/hashicorp/go-plugin"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// grace is the time a plugin has to end by itself when it is closed.
const grace = 3 * time.Second

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
	door   *transport.Door  // nil if sessions travel over gRPC
	dir    string           // private: sockets
	owner  *os.File         // marks dir as in use
	parent *os.File         // the plugin ends when this end of a pipe closes

	family    family
	deadlines deadlines // of its calls

	mu    sync.Mutex
	cause error // why the process ended or is being ended

	ended   chan struct{} // closed once the process is gone and cause is set
	cleaned chan struct{} // closed once nothing is left of it
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
	if p.door != nil {
		_ = p.door.Close()
	}
	if p.parent != nil {
		_ = p.parent.Close()
	}
	if p.dir != "" {
		_ = os.RemoveAll(p.dir)
		_ = p.owner.Close()
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
