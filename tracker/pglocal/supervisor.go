package pglocal

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// supervisorVariable tells a process that it is a supervisor; its value is an
// order.
const supervisorVariable = "DECONFOUND_POSTGRES_SUPERVISOR"

// order is what a supervisor is told.
type order struct {
	Dir       string
	Temporary bool
}

func init() { //nolint:gochecknoinits // a supervisor is any program that links this package, before its main
	if IsSupervisor() {
		os.Exit(Supervise())
	}
}

// IsSupervisor says whether this process was started as a supervisor.
func IsSupervisor() bool { return os.Getenv(supervisorVariable) != "" }

// spawn starts a supervisor and answers when it runs or has given way to another
// one.
func (c *Cluster) spawn(ctx context.Context) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	text, err := json.Marshal(order{Dir: c.config.Dir, Temporary: c.config.Temporary})
	if err != nil {
		return err
	}
	log, err := openLog(c.layout.log)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command(exe)                   //nolint:noctx // outlives whoever started it
	cmd.Args = []string{"deconfound-postgres"} // what ps shows
	cmd.Env = append(serverEnvironment(), supervisorVariable+"="+string(text))
	cmd.Dir = "/"
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	c.config.Log.Debug("started supervisor", "pid", cmd.Process.Pid, "dir", c.config.Dir)
	ended := make(chan struct{})
	c.child = ended
	go func() {
		defer close(ended)
		_ = cmd.Wait() // no zombie; its reasons are in the log
	}()
	for {
		running, err := lockHeld(c.layout.supervisorLock)
		if err != nil || running {
			return err
		}
		select {
		case <-ended:
			return nil
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(pollInterval / 4):
		}
	}
}

// serverEnvironment is what the supervisor and the server get to see of our
// environment: nothing that could change where the server works or hold a
// secret.
func serverEnvironment() []string {
	env := []string{"LC_ALL=C", "PATH=" + os.Getenv("PATH")}
	for _, name := range []string{"PGBIN", "HOME", "LD_LIBRARY_PATH", "TZ", "HTTPS_PROXY", "https_proxy", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Supervise is the whole life of a supervisor process. It answers the process's
// exit code.
func Supervise() int {
	logf := func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "%s supervisor[%d]: %s\n", time.Now().UTC().Format("2006-01-02 15:04:05.000 MST"), os.Getpid(), fmt.Sprintf(format, args...))
	}
	var o order
	if err := json.Unmarshal([]byte(os.Getenv(supervisorVariable)), &o); err != nil {
		logf("%v", err)
		return 1
	}
	// A terminal's Ctrl-C does not come here (Setsid). Asked to end by name, it
	// stops the server first.
	asked := make(chan os.Signal, 1)
	signal.Notify(asked, syscall.SIGTERM, syscall.SIGINT)
	signal.Ignore(syscall.SIGHUP, syscall.SIGPIPE)
	if err := supervise(o, asked, logf); err != nil {
		logf("%v", err)
		return 1
	}
	return 0
}

func supervise(o order, asked <-chan os.Signal, logf func(string, ...any)) error {
	l, err := newLayout(o.Dir)
	if err != nil {
		return err
	}
	own, err := lockExclusive(l.supervisorLock)
	if err != nil {
		return err
	}
	if own == nil {
		return nil // another supervisor was faster
	}
	defer own.Close()

	users, err := openLock(l.usersLock)
	if err != nil {
		return err
	}
	// Not closed: the wait below may still use it, and the process ends soon.
	defer runtime.KeepAlive(users)
	alone := make(chan error, 1)
	go func() { alone <- flock(users, unix.LOCK_EX) }()

	s := &server{layout: l, temporary: o.Temporary, logf: logf, backoff: firstBackoff}
	if err := s.prepare(); err != nil {
		return err
	}
	err = s.keep(alone, asked)
	if o.Temporary {
		err = errors.Join(err, os.RemoveAll(l.socket), os.RemoveAll(l.home), os.RemoveAll(o.Dir))
	}
	return err
}
