package plugin

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"runtime"
	"strconv"
	"sync"
	"time"
)

// drain is how long output is read after a process has ended, in case a
// grandchild that left the process group still holds the pipes.
const drain = time.Second

// cleanExit is the outcome of a process that ended well.
const cleanExit = "it exited with status 0"

// handshakeLine is what go-plugin waits for on standard output.
var handshakeLine = regexp.MustCompile(`^[0-9]+\|[0-9]+\|(unix|tcp)\|`)

// child is one plugin process. It implements go-plugin's runner.Runner, so that
// the process is started and ended our way: in a process group of its own, from
// a thread that lives as long as the process.
type child struct {
	cmd  *exec.Cmd
	tail *tail
	// take is given the lines of a script's output; nil: they are those of a plugin.
	take func(line string) bool

	handshakeR *io.PipeReader
	handshakeW *io.PipeWriter

	mu      sync.Mutex
	pid     int
	reaped  bool
	exited  chan struct{} // closed once the process is gone and its output read
	outcome string        // how it ended; set before exited is closed
}

// newChild prepares a process; Start starts it.
func newChild(cmd *exec.Cmd, t *tail) *child {
	c := &child{cmd: cmd, tail: t, exited: make(chan struct{})}
	c.handshakeR, c.handshakeW = io.Pipe()
	return c
}

// Start starts the process. The kernel kills it when the thread that started it
// ends (Pdeathsig), so a goroutine keeps that thread until the process is gone.
func (c *child) Start(context.Context) error {
	outR, outW, err := os.Pipe()
	if err != nil {
		return err
	}
	errR, errW, err := os.Pipe()
	if err != nil {
		outR.Close()
		outW.Close()
		return err
	}
	c.cmd.Stdout, c.cmd.Stderr = outW, errW
	c.cmd.SysProcAttr = ownGroup()

	started := make(chan error, 1)
	go func() {
		runtime.LockOSThread()
		defer runtime.UnlockOSThread()
		err := c.cmd.Start()
		outW.Close()
		errW.Close()
		if err != nil {
			outR.Close()
			errR.Close()
			started <- err
			return
		}
		c.mu.Lock()
		c.pid = c.cmd.Process.Pid
		c.mu.Unlock()
		var output sync.WaitGroup
		output.Go(func() { c.readOutput(outR) })
		output.Go(func() { c.tail.follow(errR, nil) })
		started <- nil
		c.wait(&output, outR, errR)
	}()
	return <-started
}

// wait ends when the process is gone, its group killed and its output read.
func (c *child) wait(output *sync.WaitGroup, pipes ...*os.File) {
	if awaitExit(c.pid) {
		// The process is a zombie still, so its number cannot mean another group.
		killGroup(c.pid)
	}
	err := c.cmd.Wait()
	c.mu.Lock()
	c.reaped = true
	c.mu.Unlock()

	c.outcome = cleanExit
	if err != nil {
		c.outcome = "it ended with " + err.Error()
	}
	for _, pipe := range pipes {
		_ = pipe.SetReadDeadline(time.Now().Add(drain))
	}
	output.Wait()
	for _, pipe := range pipes {
		pipe.Close()
	}
	close(c.exited)
}

// readOutput hands the handshake to go-plugin and everything else that the
// process prints, before and after, to the log. The output of a script goes to
// take.
func (c *child) readOutput(r io.Reader) {
	if c.take != nil {
		c.tail.follow(r, c.take)
		return
	}
	shaken := false
	c.tail.follow(r, func(line string) bool {
		if shaken || !handshakeLine.MatchString(line) {
			return false
		}
		shaken = true
		_, _ = io.WriteString(c.handshakeW, line+"\n")
		c.handshakeW.Close()
		return true
	})
	c.handshakeW.Close()
}

// Kill kills the process and its group. It may be called at any time.
func (c *child) Kill(context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid != 0 && !c.reaped {
		killGroup(c.pid)
	}
	return nil
}

// Wait waits until the process is gone.
func (c *child) Wait(context.Context) error {
	<-c.exited
	return nil
}

// ID is the process id, "" before Start.
func (c *child) ID() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.pid == 0 {
		return ""
	}
	return strconv.Itoa(c.pid)
}

// Stdout is the handshake alone.
func (c *child) Stdout() io.ReadCloser { return c.handshakeR }

// Stderr is empty: the log is collected here, without go-plugin's limits.
func (c *child) Stderr() io.ReadCloser { return io.NopCloser(eof{}) }

// Name is the path of the program.
func (c *child) Name() string { return c.cmd.Path }

// Diagnose adds nothing; our own error says more.
func (c *child) Diagnose(context.Context) string { return "" }

// PluginToHost and HostToPlugin are identities: host and plugin see the same
// file system.
func (c *child) PluginToHost(network, address string) (string, string, error) {
	return network, address, nil
}

// HostToPlugin is the reverse of PluginToHost.
func (c *child) HostToPlugin(network, address string) (string, string, error) {
	return network, address, nil
}

type eof struct{}

func (eof) Read([]byte) (int, error) { return 0, io.EOF }

func lookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("look up %s: %w", name, err)
	}
	return path, nil
}
