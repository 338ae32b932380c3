package main

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

const (
	// hostReady is what a host that is to be killed says once its plugin runs.
	hostReady = "the plugin runs"
	// orphanPatience is how long processes may outlive their host.
	orphanPatience = 5 * time.Second
)

// errPatience says that processes outlived their host for longer than they may.
var errPatience = errors.New("processes outlive their host")

// newPluginHost is the host that plugin check kills. It is no command for people.
func newPluginHost(a *app) *cobra.Command {
	return &cobra.Command{
		Use: "host DIRECTORY", Hidden: true, Args: cobra.ExactArgs(1),
		Short: "Start a plugin and wait to be killed",
		RunE: func(cmd *cobra.Command, args []string) error {
			entry, err := plugin.ReadManifest(args[0])
			if err != nil {
				return err
			}
			process, err := plugin.Start(cmd.Context(), entry, plugin.Config{})
			if err != nil {
				return err
			}
			defer process.Kill()
			fmt.Fprintln(a.out, hostReady)
			_, err = io.Copy(io.Discard, a.in)
			return err
		},
	}
}

// checkedProcess is a plugin's process as the conformance suite sees it.
type checkedProcess struct {
	entry   plugin.Entry
	process *plugin.Process
}

var _ plugintest.Process = checkedProcess{}

// Usage implements plugintest.Process.
func (c checkedProcess) Usage() (plugintest.Usage, error) {
	held, err := c.process.Held()
	return plugintest.Usage(held), err
}

// Backbone implements plugintest.Process.
func (c checkedProcess) Backbone(ctx context.Context) (sdk.Backbone, func(), error) {
	other, err := plugin.Start(ctx, c.entry, plugin.Config{})
	if err != nil {
		return nil, nil, err
	}
	return other.UncheckedBackbone(), other.Kill, nil
}

// Strategy implements plugintest.Process.
func (c checkedProcess) Strategy(ctx context.Context) (sdk.Strategy, func(), error) {
	other, err := plugin.Start(ctx, c.entry, plugin.Config{})
	if err != nil {
		return nil, nil, err
	}
	return other.UncheckedStrategy(), other.Kill, nil
}

// Sampler implements plugintest.Process.
func (c checkedProcess) Sampler(ctx context.Context) (sdk.Sampler, func(), error) {
	other, err := plugin.Start(ctx, c.entry, plugin.Config{})
	if err != nil {
		return nil, nil, err
	}
	return other.UncheckedSampler(), other.Kill, nil
}

// Orphans implements plugintest.Process: this program, as another process, is the
// host. Everything below it is known by its directory of temporary files.
func (c checkedProcess) Orphans(ctx context.Context) ([]string, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	mark, err := os.MkdirTemp("", "dcf-host-")
	if err != nil {
		return nil, err
	}
	defer os.RemoveAll(mark)
	host := exec.CommandContext(ctx, self, "plugin", "host", c.entry.Dir)
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, "TMPDIR=") {
			host.Env = append(host.Env, v)
		}
	}
	host.Env = append(host.Env, "TMPDIR="+mark)
	var errs bytes.Buffer
	host.Stderr = &errs
	if _, err := host.StdinPipe(); err != nil { // it ends with this process
		return nil, err
	}
	out, err := host.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := host.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != hostReady {
		_ = host.Process.Kill()
		_ = host.Wait()
		return nil, errors.Join(fmt.Errorf("the host did not start the plugin: %s%s", line, errs.String()), err)
	}
	before := marked(mark)
	if err := host.Process.Kill(); err != nil {
		return nil, err
	}
	_ = host.Wait() // killed
	if len(before) < 2 {
		return nil, fmt.Errorf("there are %d processes of the host and its plugin, want at least 2", len(before))
	}
	ctx, done := context.WithTimeoutCause(ctx, orphanPatience, errPatience)
	defer done()
	look := time.NewTicker(20 * time.Millisecond) // they are no children of this process
	defer look.Stop()
	for {
		select {
		case <-look.C:
		case <-ctx.Done():
		}
		left := marked(mark)
		if len(left) == 0 || ctx.Err() != nil {
			var names []string
			for pid, name := range left {
				names = append(names, name)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
			if cause := context.Cause(ctx); cause != nil && !errors.Is(cause, errPatience) {
				return nil, cause
			}
			return names, nil
		}
	}
}

// marked are the living processes that have a directory of temporary files, by number.
func marked(dir string) map[int]string {
	out := map[int]string{}
	found, _ := filepath.Glob("/proc/[0-9]*/environ")
	for _, path := range found {
		environ, err := os.ReadFile(path)
		if err != nil || !bytes.Contains(append([]byte{0}, environ...), []byte("\x00TMPDIR="+dir+"\x00")) {
			continue // of somebody else, or ended
		}
		var pid int
		if _, err := fmt.Sscanf(path, "/proc/%d/environ", &pid); err != nil {
			continue
		}
		name, _ := os.ReadFile(filepath.Join(filepath.Dir(path), "comm"))
		out[pid] = strings.TrimSpace(string(name))
	}
	return out
}
