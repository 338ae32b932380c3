package pglocal

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

func TestLayout_LongPath(t *testing.T) {
	dir := filepath.Join(t.TempDir(), strings.Repeat("long", 30))
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(filepath.Join(l.socket, ".s.PGSQL.5432.lock")); n >= 104 {
		t.Errorf("got a socket path of %d bytes: %s", n, l.socket)
	}
	if os.Getuid() == 0 {
		// A test's directory is closed to others.
		if !strings.HasPrefix(l.home, rootHome) {
			t.Errorf("got home %s, want it under %s", l.home, rootHome)
		}
		os.Remove(l.home)
	}
}

func TestCluster_UnreachableDirectory(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("only root runs the server as somebody else")
	}
	if _, _, err := Installed(); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "dcpg")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	c := open(t, Config{Dir: dir, Temporary: true})
	if !strings.HasPrefix(c.layout.home, rootHome) {
		t.Errorf("got home %s, want it under %s", c.layout.home, rootHome)
	}
	if got := query(t, c, `select 1`); got != "1" {
		t.Errorf("got %s", got)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(c.layout.home); !os.IsNotExist(err) {
		t.Errorf("the temporary cluster left %s", c.layout.home)
	}
}

func TestMakeSocketDir_Squatted(t *testing.T) {
	l := layout{socket: filepath.Join(t.TempDir(), "s")}
	if err := os.WriteFile(l.socket, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := l.makeSocketDir(); err == nil {
		t.Error("a file in its place: got no error")
	}
	if os.Getuid() == 0 {
		l.socket += "2"
		if err := os.Mkdir(l.socket, 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.Chown(l.socket, 12345, 12345); err != nil {
			t.Fatal(err)
		}
		if err := l.makeSocketDir(); err == nil {
			t.Error("somebody else's directory: got no error")
		}
	}
}

func TestReachable(t *testing.T) {
	dir := t.TempDir()
	stranger := &account{UID: 12345, GID: 12345}
	inner := filepath.Join(dir, "inner")
	if err := os.Mkdir(inner, 0o700); err != nil {
		t.Fatal(err)
	}
	if reachable(inner, stranger) {
		t.Error("a directory of mode 0700 is said to be reachable")
	}
	if !reachable("/", stranger) || reachable(filepath.Join(dir, "missing"), stranger) {
		t.Error("/ must be reachable and a missing directory not")
	}
	owner := &account{UID: uint32(os.Getuid()), GID: uint32(os.Getgid())}
	if !reachable(inner, owner) {
		t.Error("the owner's directory is said to be out of reach")
	}
}

func TestTail(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if got := tail(file, 0); got != "" {
		t.Errorf("missing file: got %q", got)
	}
	old := strings.Repeat("old\n", 5000)
	if err := os.WriteFile(file, []byte(old+"new 1\nnew 2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := tail(file, int64(len(old))); got != "new 1\nnew 2" {
		t.Errorf("got %q", got)
	}
	if got := strings.Count(tail(file, 0), "\n") + 1; got != tailLines {
		t.Errorf("got %d lines, want %d", got, tailLines)
	}
	if got := tail(file, 1<<40); !strings.HasSuffix(got, "new 2") {
		t.Errorf("file begun anew: got %q", got)
	}
}

func TestOpenLog_Large(t *testing.T) {
	file := filepath.Join(t.TempDir(), "log")
	if err := os.WriteFile(file, make([]byte, maxLog+1), 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := openLog(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if got := fileSize(file); got != 0 {
		t.Errorf("got %d bytes, want a new log", got)
	}
}

// TestServer_ClearLeftover has another process work in the data directory.
func TestServer_ClearLeftover(t *testing.T) {
	data := t.TempDir()
	s := &server{layout: layout{data: data}}
	if err := s.clearLeftover(); err != nil {
		t.Errorf("nothing left: %v", err)
	}
	// A program that looks like a postmaster of this directory, and ends on
	// SIGINT as one does.
	cmd := exec.Command("sh", "-c", `trap 'exit 0' INT; echo ready; while :; do sleep 0.01; done`, "-D", data, "")
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 16)); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	file := filepath.Join(data, "postmaster.pid")
	if err := os.WriteFile(file, fmt.Appendf(nil, "%d\n", cmd.Process.Pid), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := s.clearLeftover(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Errorf("leftover process: %v", err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("its postmaster.pid is still there: %v", err)
	}
}

// TestServer_Keep plays a server that cannot start.
func TestServer_Keep(t *testing.T) {
	bin := t.TempDir()
	script := "#!/bin/sh\nexit 1\n"
	if err := os.WriteFile(filepath.Join(bin, "postgres"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	var said []string
	s := &server{layout: layout{data: t.TempDir(), socket: t.TempDir()}, binaries: binaries{dir: bin}, backoff: time.Microsecond,
		logf: func(format string, args ...any) { said = append(said, fmt.Sprintf(format, args...)) }}
	err := s.keep(nil, nil)
	if err == nil || !strings.Contains(err.Error(), "failed to start 8 times") || len(said) != maxFailures {
		t.Errorf("a server that fails: got %v, %q", err, said)
	}
	alone := make(chan error, 1)
	alone <- nil
	s.backoff = time.Hour
	if err := s.keep(alone, nil); err != nil {
		t.Errorf("the last user goes while it waits: %v", err)
	}
	asked := make(chan os.Signal, 1)
	asked <- syscall.SIGTERM
	if err := s.keep(nil, asked); err != nil {
		t.Errorf("asked to end while it waits: %v", err)
	}
	s.binaries.dir = t.TempDir()
	if err := s.keep(nil, nil); err == nil {
		t.Error("no program: got no error")
	}
}

func TestSupervise_BadOrder(t *testing.T) {
	t.Setenv(supervisorVariable, "{")
	if got := Supervise(); got != 1 {
		t.Errorf("got exit code %d, want 1", got)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv(supervisorVariable, `{"Dir": "`+file+`"}`)
	if got := Supervise(); got != 1 {
		t.Errorf("a file in the way: got exit code %d, want 1", got)
	}
}

func TestLockShared_Waits(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lock")
	f, err := lockExclusive(path)
	if err != nil || f == nil {
		t.Fatalf("got %v, %v", f, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := lockShared(ctx, path); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want it to end with its context", err)
	}
	if again, err := lockExclusive(path); again != nil || err != nil {
		t.Errorf("second exclusive lock: got %v, %v", again, err)
	}
	f.Close()
	shared, err := lockShared(t.Context(), path)
	if err != nil {
		t.Fatal(err)
	}
	if others, err := usersLeft(path); err != nil || !others {
		t.Errorf("got users left %v, %v", others, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	if sameFile(shared, path) {
		t.Error("a deleted file is said to be the same")
	}
	shared.Close()
	for _, probe := range []func(string) (bool, error){lockHeld, usersLeft} {
		if got, err := probe(path); got || err != nil {
			t.Errorf("no file: got %v, %v", got, err)
		}
	}
}
