package pglocal

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"
)

const userVariable = "DECONFOUND_TEST_CLUSTER"

func TestMain(m *testing.M) {
	if dir := os.Getenv(userVariable); dir != "" {
		os.Exit(clusterUser(dir))
	}
	os.Exit(m.Run())
}

// clusterUser is a process that uses a cluster until its input ends.
func clusterUser(dir string) int {
	c, err := Open(context.Background(), Config{Dir: dir, Temporary: true})
	if err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return 1
	}
	fmt.Fprintln(os.Stdout, "open")
	if _, err := io.Copy(io.Discard, os.Stdin); err != nil {
		return 1
	}
	if err := c.Close(); err != nil {
		fmt.Fprintln(os.Stdout, "failed", err)
		return 1
	}
	return 0
}

// process is a cluster user that a test has started.
type process struct {
	cmd *exec.Cmd
	in  io.WriteCloser
}

func startUser(t *testing.T, dir string) *process {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), userVariable+"="+dir)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		_ = cmd.Wait()
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || line != "open\n" {
		t.Fatalf("user process said %q, %v", line, err)
	}
	return &process{cmd: cmd, in: in}
}

// clusterDir is a directory that the server's user can reach.
func clusterDir(t *testing.T) string {
	t.Helper()
	if _, _, err := Installed(); err != nil {
		t.Skip(err)
	}
	dir, err := os.MkdirTemp("", "dcpg")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(dir, "cluster")
}

func open(t *testing.T, config Config) *Cluster {
	t.Helper()
	c, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c
}

func query(t *testing.T, c *Cluster, sql string) string {
	t.Helper()
	conn, err := pgx.Connect(t.Context(), c.DSN())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close(context.Background())
	rows, err := conn.Query(t.Context(), sql, pgx.QueryExecModeSimpleProtocol)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for rows.Next() {
		out = append(out, string(rows.RawValues()[0]))
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return strings.Join(out, " ")
}

// pids answers the postmaster and its parent, the supervisor.
func pids(t *testing.T, l layout) (postmaster, supervisor int) {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(l.data, "postmaster.pid"))
	if err != nil {
		t.Fatal(err)
	}
	postmaster = number(strings.SplitN(string(b), "\n", 2)[0])
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", postmaster))
	if err != nil {
		t.Skip("needs /proc: ", err)
	}
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	return postmaster, number(fields[1])
}

func gone(pid int) bool { return errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) }

// eventually waits for what other processes do.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	for deadline := time.Now().Add(30 * time.Second); !f(); time.Sleep(5 * time.Millisecond) { //nolint:forbidigo // polls what another process does
		if time.Now().After(deadline) {
			t.Fatalf("not within 30 s: %s", what)
		}
	}
}

func TestCluster_Life(t *testing.T) {
	dir := clusterDir(t)
	c := open(t, Config{Dir: dir})
	query(t, c, `create table kept (a int)`)
	query(t, c, `insert into kept values (7)`)
	if got := query(t, c, `select current_user`); got != User {
		t.Errorf("got user %s, want %s", got, User)
	}
	if got := query(t, c, `show fsync`) + query(t, c, `show listen_addresses`); got != "on" {
		t.Errorf("got fsync and addresses %q, want on and none", got)
	}
	info, err := os.Stat(c.layout.socket)
	if err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("socket directory: got %v, %v; want mode 0700", info.Mode(), err)
	}
	postmaster, supervisor := pids(t, c.layout)

	// A second user keeps it, the last one ends it.
	second := open(t, Config{Dir: dir})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Errorf("second Close: %v", err)
	}
	if got := query(t, second, `select a from kept`); got != "7" {
		t.Errorf("second user: got %s, want 7", got)
	}
	if err := second.Close(); err != nil {
		t.Fatal(err)
	}
	if !gone(postmaster) {
		t.Error("the server is still there after the last Close")
	}
	// Its lock is free; the process itself is a child of this one, collected in
	// the first cluster's name.
	eventually(t, "the supervisor is collected", func() bool { return gone(supervisor) })
	if _, err := net.Dial("unix", filepath.Join(second.layout.socket, ".s.PGSQL.5432")); err == nil {
		t.Error("after the last Close the server answers")
	}

	// The number in postmaster.pid belongs to another living program by now, as
	// after a restart of a container: to this test.
	plant := func(name, content string) {
		t.Helper()
		path := filepath.Join(c.layout.data, name)
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := c.layout.own(path); err != nil {
			t.Fatal(err)
		}
	}
	plant("postmaster.pid", fmt.Sprintf("%d\n%s\n", os.Getpid(), c.layout.data))
	third := open(t, Config{Dir: dir})
	if got := query(t, third, `select a from kept`); got != "7" {
		t.Errorf("after a restart: got %s, want 7", got)
	}
	if third.LogPath() != filepath.Join(dir, "postgres.log") && os.Getuid() != 0 {
		t.Errorf("got log %s", third.LogPath())
	}
	if err := third.Close(); err != nil {
		t.Fatal(err)
	}

	// What keeps it from starting is in the error. The time is bounded by the
	// test, not by the minute that a slow machine may need.
	plant("postgresql.auto.conf", "nonsense = 1\n")
	ctx, cancel := context.WithTimeout(t.Context(), time.Second)
	defer cancel()
	if _, err := Open(ctx, Config{Dir: dir}); err == nil || !strings.Contains(err.Error(), `unrecognized configuration parameter "nonsense"`) {
		t.Errorf("got %v, want the end of the log", err)
	}
}

func TestCluster_Crashes(t *testing.T) {
	dir := clusterDir(t)
	c := open(t, Config{Dir: dir, Temporary: true})
	query(t, c, `create table kept (a int)`)
	query(t, c, `insert into kept values (7)`)
	postmaster, supervisor := pids(t, c.layout)

	// The server is killed: its supervisor starts it again.
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the postmaster is gone", func() bool { return gone(postmaster) })
	if err := c.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, c, `select a from kept`); got != "7" {
		t.Errorf("after a kill of the server: got %s, want 7", got)
	}
	next, same := pids(t, c.layout)
	if next == postmaster || same != supervisor {
		t.Errorf("got postmaster %d under %d, want a new one under %d", next, same, supervisor)
	}

	// The supervisor is killed: the server goes with it, and Ensure starts both.
	if err := syscall.Kill(supervisor, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server follows its supervisor", func() bool { return gone(next) })
	if err := c.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := query(t, c, `select a from kept`); got != "7" {
		t.Errorf("after a kill of the supervisor: got %s, want 7", got)
	}
	// Asked to end by name, the supervisor stops the server first.
	postmaster, supervisor = pids(t, c.layout)
	if err := syscall.Kill(supervisor, syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the server is stopped", func() bool { return gone(postmaster) && gone(supervisor) })
}

func TestCluster_UserKilled(t *testing.T) {
	dir := clusterDir(t)
	first, second := startUser(t, dir), startUser(t, dir)
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	postmaster, supervisor := pids(t, l)
	if err := first.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = first.cmd.Wait() // killed
	if others, err := usersLeft(l.usersLock); err != nil || !others {
		t.Errorf("one of two users is killed: got users left %v, %v", others, err)
	}
	if gone(postmaster) {
		t.Error("the server is gone though a user is left")
	}
	if err := second.cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "server and supervisor end", func() bool { return gone(postmaster) && gone(supervisor) })
	if _, err := os.Stat(dir); !os.IsNotExist(err) {
		t.Errorf("the temporary directory is still there: %v", err)
	}
}

func TestCluster_ManyAtOnce(t *testing.T) {
	dir := clusterDir(t)
	var wg sync.WaitGroup
	clusters := make([]*Cluster, 4)
	for i := range clusters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			var err error
			if clusters[i], err = Open(context.Background(), Config{Dir: dir, Temporary: true}); err != nil {
				t.Errorf("open: %v", err)
			}
		}()
	}
	p := startUser(t, dir)
	wg.Wait()
	if t.Failed() {
		return
	}
	postmaster, _ := pids(t, clusters[0].layout)
	p.in.Close()
	if err := p.cmd.Wait(); err != nil {
		t.Errorf("user process: %v", err)
	}
	for _, c := range clusters {
		wg.Add(1)
		go func() {
			defer wg.Done()
			if err := c.Close(); err != nil {
				t.Errorf("close: %v", err)
			}
		}()
	}
	wg.Wait()
	eventually(t, "the server ends", func() bool { return gone(postmaster) })
}

// TestSupervise runs a supervisor in this process.
func TestSupervise(t *testing.T) {
	dir := clusterDir(t)
	users, err := func() (*os.File, error) {
		l, err := newLayout(dir)
		if err != nil {
			return nil, err
		}
		return lockShared(t.Context(), l.usersLock)
	}()
	if err != nil {
		t.Fatal(err)
	}
	var mu sync.Mutex
	var said strings.Builder
	logf := func(format string, args ...any) {
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&said, format+"\n", args...)
	}
	asked := make(chan os.Signal)
	ended := make(chan error, 1)
	o := order{Dir: dir, Temporary: true}
	go func() { ended <- supervise(o, asked, logf) }()
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	eventually(t, "the supervisor has its lock", func() bool {
		held, err := lockHeld(l.supervisorLock)
		return err == nil && held
	})
	if err := supervise(o, asked, logf); err != nil {
		t.Errorf("a second supervisor: got %v, want it to give way", err)
	}
	c := open(t, Config{Dir: dir, Temporary: true})
	postmaster, supervisor := pids(t, l)
	if supervisor != os.Getpid() {
		t.Errorf("got supervisor %d, want this process", supervisor)
	}
	if err := syscall.Kill(postmaster, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	eventually(t, "another server runs", func() bool {
		b, err := os.ReadFile(filepath.Join(l.data, "postmaster.pid"))
		return err == nil && number(strings.SplitN(string(b), "\n", 2)[0]) != postmaster
	})
	if err := c.Ensure(t.Context()); err != nil {
		t.Fatal(err)
	}
	users.Close()
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if err := <-ended; err != nil {
		t.Error(err)
	}
	mu.Lock()
	defer mu.Unlock()
	if !strings.Contains(said.String(), "postgres ended") {
		t.Errorf("the supervisor said %q", said.String())
	}
}

func TestOpen_Errors(t *testing.T) {
	for name, c := range map[string]struct{ version, want string }{
		"not a data directory": {"", "is not a data directory of PostgreSQL; move it away"},
		"other version":        {"9\n", "made by PostgreSQL 9"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := clusterDir(t)
			l, err := newLayout(dir)
			if err != nil {
				t.Fatal(err)
			}
			if err := os.Mkdir(l.data, 0o700); err != nil {
				t.Fatal(err)
			}
			if c.version != "" {
				if err := os.WriteFile(filepath.Join(l.data, "PG_VERSION"), []byte(c.version), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			_, err = Open(t.Context(), Config{Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v", err)
			}
		})
	}
	t.Run("a file in the way", func(t *testing.T) {
		file := filepath.Join(t.TempDir(), "file")
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(t.Context(), Config{Dir: file}); err == nil {
			t.Error("got no error")
		}
	})
}
