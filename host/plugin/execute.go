package plugin

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// Execution is one training by a script.
type Execution struct {
	Entry Entry
	// Fields replace those of the command template.
	Fields map[string]string
	// Line is called with every line of the script's output, from one goroutine that
	// ends before Execute returns; true keeps the line out of the log. An error ends
	// the script. It may be nil.
	Line func(line string) (bool, error)
	// Lock is verified before the start; nil allows everything.
	Lock *Lock
}

// Execute runs a script to its end and answers the largest memory of it and its
// children in bytes, as far as the system tells. The script has a process group of
// its own, the allow-list of variables that plugins have, and the directory of its
// manifest as working directory. The whole group is killed at once when ctx ends,
// time is up, the memory limit is passed, the script itself has ended, or this process
// dies. Errors carry the last lines it printed.
func Execute(ctx context.Context, x Execution) (peak int64, err error) {
	e := x.Entry
	if e.Script == nil {
		return 0, sdk.Errorf(sdk.CodeInternal, "%s is no script", e)
	}
	if err := x.Lock.Verify(e); err != nil {
		return 0, err
	}
	program, err := e.program()
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithTimeoutCause(ctx, e.Script.Timeout, errLate)
	defer cancel()
	ctx, end := context.WithCancelCause(ctx)
	defer end(nil)

	// The script begins when the guard is in its place.
	gate, open, err := os.Pipe()
	if err != nil {
		return 0, err
	}
	defer open.Close()
	defer gate.Close()
	args := append([]string{"-c", `read _ <&3 && exec 3<&- && exec "$0" "$@"`, program}, e.fill(x.Fields)[1:]...)
	cmd := exec.Command("/bin/sh", args...) //nolint:noctx // the group is killed, below
	cmd.ExtraFiles = []*os.File{gate}
	cmd.Dir = e.Dir
	cmd.Env = append(environment(e.Env, os.LookupEnv), "PYTHONDONTWRITEBYTECODE=1", "PYTHONUNBUFFERED=1", "PYTHONHASHSEED=0")
	log := &tail{}
	c := newChild(cmd, log)
	c.take = func(line string) bool {
		if x.Line == nil || ctx.Err() != nil {
			return false
		}
		taken, err := x.Line(line)
		if err != nil {
			end(err)
		}
		return taken
	}
	if err := c.Start(ctx); err != nil {
		return 0, sdk.Wrap(sdk.CodePluginStart, err, "start %s", e)
	}
	release, err := guard(c.cmd.Process.Pid)
	if err == nil {
		_, err = open.WriteString("\n")
	}
	if err != nil {
		end(sdk.Wrap(sdk.CodePluginStart, err, "guard %s", e))
	}
	peak = c.attend(ctx, e.Memory, end)
	release()
	failed := func(code sdk.Code, format string, args ...any) error {
		return sdk.Errorf(code, "%s: %s%s", e, fmt.Sprintf(format, args...), log.quote())
	}
	switch cause := context.Cause(ctx); {
	case cause == nil && c.outcome == cleanExit:
		return peak, nil
	case cause == nil:
		return peak, failed(sdk.CodePluginCrash, "%s", c.outcome)
	case errors.Is(cause, errLate):
		return peak, failed(sdk.CodeDeadline, "it trained for more than %v, which script.timeout allows", e.Script.Timeout)
	case sdk.CodeOf(cause) == sdk.CodePluginMemory:
		return peak, failed(sdk.CodePluginMemory, "%s", cause)
	case sdk.CodeOf(cause) != sdk.CodeInternal:
		return peak, cause
	default:
		return peak, sdk.Wrap(sdk.CodeCanceled, cause, "run %s", e)
	}
}

// guard has a shell wait for the end of this process, however it comes, and kill a
// process group then: the kernel's death signal reaches its leader alone. The answer
// takes the guard back.
func guard(pid int) (release func(), err error) {
	read, write, err := os.Pipe()
	if err != nil {
		return func() {}, err
	}
	defer read.Close()
	cmd := exec.Command("/bin/sh", "-c", `read _; kill -9 "-$0"`, strconv.Itoa(pid)) //nolint:noctx // release ends it
	cmd.Stdin, cmd.Env, cmd.SysProcAttr = read, []string{}, &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		write.Close()
		return func() {}, err
	}
	return func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait() // it was killed
		write.Close()
	}, nil
}

// errLate says that a script's time is up.
var errLate = sdk.Errorf(sdk.CodeDeadline, "the time of the script is up")

// attend waits for the end of a process, which ctx may bring about, and watches its
// memory, of which it answers the largest. Above limit, if that is not 0, end is
// called.
func (c *child) attend(ctx context.Context, limit int64, end func(error)) (peak int64) {
	ticker := time.NewTicker(watchInterval)
	defer ticker.Stop()
	members := family{}
	canceled := ctx.Done()
	for {
		select {
		case <-c.exited:
			return peak
		case <-canceled:
			_ = c.Kill(ctx)
			canceled = nil
		case <-ticker.C:
			used, err := members.memory(c.cmd.Process.Pid)
			if err != nil {
				continue // it has just ended
			}
			peak = max(peak, used)
			if limit > 0 && used > limit {
				end(sdk.Errorf(sdk.CodePluginMemory, "it and its child processes used %d MiB of memory, script.memory allows %d MiB", used>>20, limit>>20))
			}
		}
	}
}
