package pglocal

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
	"time"
)

const (
	firstBackoff = 100 * time.Millisecond
	lastBackoff  = 5 * time.Second
	maxFailures  = 8                // starts in a row that fail at once
	shortLife    = 2 * time.Second  // a server that ended sooner has failed to start
	fastStop     = 30 * time.Second // then an immediate stop, which costs a recovery
	hardStop     = 5 * time.Second  // then SIGKILL
)

// server is the PostgreSQL process of a supervisor.
type server struct {
	layout    layout
	temporary bool
	logf      func(string, ...any)
	binaries  binaries
	backoff   time.Duration // before the second start; then twice as long each time
}

// prepare finds binaries and makes the directories and, the first time, the
// data.
func (s *server) prepare() error {
	major, err := dataVersion(s.layout.data)
	if err != nil {
		return err
	}
	cache := filepath.Join(s.layout.home, "binaries")
	if _, _, err := Installed(); err != nil {
		s.logf("no PostgreSQL is installed: using %s from %s, fetched if it is not there", cache, embeddedRepository)
	}
	if s.binaries, err = findBinaries(major, cache); err != nil {
		return err
	}
	if err := s.layout.makeSocketDir(); err != nil {
		return err
	}
	if major != 0 {
		return nil
	}
	// Made beside its place and moved there when complete: a supervisor that is
	// killed on the way leaves nothing that looks like a data directory.
	fresh := s.layout.data + ".new"
	if err := os.RemoveAll(fresh); err != nil {
		return err
	}
	if err := os.Mkdir(fresh, 0o700); err != nil {
		return err
	}
	if err := s.layout.own(fresh); err != nil {
		return err
	}
	args := []string{"-D", fresh, "-U", User, "-A", "trust", "-E", "UTF8", "--locale=C", "--no-instructions"}
	if s.temporary {
		args = append(args, "--no-sync")
	}
	out, err := s.command("initdb", args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("initdb: %w\n%s", err, out)
	}
	return os.Rename(fresh, s.layout.data)
}

// dataVersion answers the major version that made a data directory, 0 if there
// is none.
func dataVersion(data string) (int, error) {
	b, err := os.ReadFile(filepath.Join(data, "PG_VERSION"))
	if errors.Is(err, os.ErrNotExist) {
		if _, err := os.Stat(data); err == nil {
			return 0, fmt.Errorf("%s is not a data directory of PostgreSQL; move it away", data)
		}
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return number(string(b)), nil
}

// command runs one of the binaries as the server's account.
func (s *server) command(name string, args ...string) *exec.Cmd {
	cmd := exec.Command(filepath.Join(s.binaries.dir, name), args...) //nolint:noctx // ends when the supervisor says so
	cmd.Dir = s.layout.socket
	for _, v := range os.Environ() {
		if !strings.HasPrefix(v, supervisorVariable+"=") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	dieWithParent(cmd.SysProcAttr)
	if a := s.layout.account; a != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: a.UID, Gid: a.GID}
	}
	return cmd
}

// keep runs the server until the last user is gone or somebody asks, starting it
// again when it dies.
func (s *server) keep(alone <-chan error, asked <-chan os.Signal) error {
	// The server's death signal follows the thread that starts it.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	backoff, failures := s.backoff, 0
	for {
		if err := s.clearLeftover(); err != nil {
			return err
		}
		started := time.Now()
		cmd := s.command("postgres", s.arguments()...)
		cmd.Stdout, cmd.Stderr = os.Stderr, os.Stderr
		if err := cmd.Start(); err != nil {
			return fmt.Errorf("start postgres: %w", err)
		}
		ended := make(chan error, 1)
		go func() { ended <- cmd.Wait() }()
		select {
		case err := <-alone:
			s.stop(cmd, ended, fastStop, hardStop)
			return err
		case <-asked:
			s.stop(cmd, ended, fastStop, hardStop)
			return nil
		case err := <-ended:
			s.logf("postgres ended: %v", err)
		}
		if time.Since(started) > shortLife {
			backoff, failures = s.backoff, 0
		} else if failures++; failures == maxFailures {
			return fmt.Errorf("postgres failed to start %d times", failures)
		}
		select {
		case err := <-alone:
			return err
		case <-asked:
			return nil
		case <-time.After(backoff):
			backoff = min(2*backoff, lastBackoff)
		}
	}
}

func (s *server) arguments() []string {
	args := []string{"-D", s.layout.data, "-p", "5432", "-k", s.layout.socket,
		"-c", "listen_addresses=", "-c", "unix_socket_permissions=0700", "-c", "max_connections=200",
		"-c", "jit=off", "-c", "log_checkpoints=off", "-c", "logging_collector=off", "-c", "log_destination=stderr"}
	if s.temporary {
		args = append(args, "-c", "fsync=off", "-c", "full_page_writes=off", "-c", "log_min_messages=error")
	}
	return args
}

// stop ends the server: with its clients, else at once, else by force.
func (s *server) stop(cmd *exec.Cmd, ended <-chan error, fast, hard time.Duration) {
	for _, step := range []struct {
		signal syscall.Signal
		wait   time.Duration
	}{{syscall.SIGINT, fast}, {syscall.SIGQUIT, hard}, {syscall.SIGKILL, hardStop}} {
		if err := cmd.Process.Signal(step.signal); err != nil {
			s.logf("stop postgres: %v", err)
		}
		select {
		case err := <-ended:
			if err != nil {
				s.logf("postgres ended: %v", err)
			}
			return
		case <-time.After(step.wait):
			s.logf("postgres is still there %v after %v", step.wait, step.signal)
		}
	}
}

// clearLeftover deals with the postmaster.pid of an earlier server. We hold the
// supervisor's lock: a server that still works here has lost its supervisor and
// is stopped. A number that belongs to another program by now, as after a
// restart of a container, would keep PostgreSQL from starting.
func (s *server) clearLeftover() error {
	file := filepath.Join(s.layout.data, "postmaster.pid")
	b, err := os.ReadFile(file)
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return err
	}
	pid := number(strings.SplitN(string(b), "\n", 2)[0])
	for deadline := time.Now().Add(fastStop); pid > 1 && worksIn(pid, s.layout.data); time.Sleep(pollInterval) { //nolint:forbidigo // polls: the process is no child of ours
		if time.Now().After(deadline) {
			return fmt.Errorf("a server of process %d still works in %s", pid, s.layout.data)
		}
		if err := syscall.Kill(pid, syscall.SIGINT); err != nil && !errors.Is(err, syscall.ESRCH) {
			return fmt.Errorf("stop leftover server: %w", err)
		}
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}

// worksIn says whether a process is a postmaster that we started in the data
// directory: it names it on its command line.
func worksIn(pid int, data string) bool {
	proc := filepath.Join("/proc", fmt.Sprint(pid))
	if _, err := os.Stat("/proc/self"); err != nil {
		// No /proc on this system: ask ps.
		out, err := output("ps", "-o", "command=", "-p", fmt.Sprint(pid))
		return err == nil && strings.Contains(string(out), data)
	}
	line, err := os.ReadFile(filepath.Join(proc, "cmdline"))
	return err == nil && strings.Contains(string(line), "\x00-D\x00"+data+"\x00")
}
