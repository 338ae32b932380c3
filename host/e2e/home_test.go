package e2e

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker/pglocal"
)

// patience is how long anything may take on a busy machine. Nothing waits for
// it: it only ends a test that hangs.
const patience = 5 * time.Minute

// home is one user with a fresh installation.
type home struct {
	t       testing.TB
	dir     string // everything below; also HOME and the mark of its processes
	plugins string // overrides those beside the program
	env     []string
	program string // "" is the one with all plugins beside it
	dsn     string // a server; "" is the private one

	asked []string // commands whose JSON was looked at
}

// newHome makes an installation in a directory with a short name that
// PostgreSQL's account can reach when the tests run as root. When the test ends
// no process of it may be left.
func newHome(t testing.TB) *home {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "dcf-")
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	for _, sub := range []string{"tmp", "cwd"} {
		if err := os.Mkdir(filepath.Join(dir, sub), 0o711); err != nil {
			t.Fatal(err)
		}
	}
	h := &home{t: t, dir: dir}
	t.Cleanup(func() {
		h.expectNoProcesses()
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return h
}

// data is DECONFOUND_HOME, cwd the directory that commands run in.
func (h *home) data() string { return filepath.Join(h.dir, "home") }
func (h *home) cwd() string  { return filepath.Join(h.dir, "cwd") }

// withKey gives the installation the key of another one, so that rows have the
// same unit hashes in both.
func (h *home) withKey(other *home) *home {
	h.t.Helper()
	key, err := os.ReadFile(filepath.Join(other.data(), "installation.key"))
	if err != nil {
		h.t.Fatal(err)
	}
	if err := os.MkdirAll(h.data(), 0o711); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(h.data(), "installation.key"), key, 0o600); err != nil {
		h.t.Fatal(err)
	}
	return h
}

// write puts a file into the working directory and returns its name there.
func (h *home) write(name, text string) string {
	h.t.Helper()
	path := filepath.Join(h.cwd(), name)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		h.t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		h.t.Fatal(err)
	}
	return name
}

func (h *home) command(ctx context.Context, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, cmp.Or(h.program, filepath.Join(built, "deconfound")), args...)
	cmd.Dir = h.cwd()
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + h.dir, "TMPDIR=" + filepath.Join(h.dir, "tmp"),
		"DECONFOUND_HOME=" + h.data(), "DECONFOUND_SECRET=not for plugins", "PGPASSWORD=not for plugins",
	}
	for _, name := range []string{"PGBIN", "LD_LIBRARY_PATH", "HTTPS_PROXY", "https_proxy", "GOCOVERDIR"} {
		if v, ok := os.LookupEnv(name); ok {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	cmd.Env = append(cmd.Env, h.env...)
	if h.dsn != "" {
		cmd.Env = append(cmd.Env, "DECONFOUND_DSN="+h.dsn)
	}
	if h.plugins != "" {
		cmd.Env = append(cmd.Env, "DECONFOUND_PLUGIN_PATH="+h.plugins)
	}
	return cmd
}

// answer is how a command ended.
type answer struct {
	code     int
	out, err string
}

// do runs a command to its end.
func (h *home) do(args ...string) answer {
	h.t.Helper()
	ctx, cancel := context.WithTimeout(h.t.Context(), patience)
	defer cancel()
	cmd := h.command(ctx, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil || ctx.Err() != nil {
		h.t.Fatalf("deconfound %s: %v\n%s", strings.Join(args, " "), err, errs.String())
	}
	if slices.Contains(args, "--json") {
		h.asked = append(h.asked, asDocumented(h.t, args, out.String()))
	}
	return answer{cmd.ProcessState.ExitCode(), out.String(), errs.String()}
}

// expect runs a command that must end with the code.
func (h *home) expect(code int, args ...string) answer {
	h.t.Helper()
	a := h.do(args...)
	if a.code != code {
		h.t.Fatalf("deconfound %s: exit code %d, want %d\nstdout:\n%s\nstderr:\n%s", strings.Join(args, " "), a.code, code, a.out, a.err)
	}
	return a
}

// must is expect of success.
func (h *home) must(args ...string) answer {
	h.t.Helper()
	return h.expect(0, args...)
}

// decode reads the JSON that a command printed.
func decode[T any](t testing.TB, a answer) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(a.out), &v); err != nil {
		t.Fatalf("not JSON: %v\n%s", err, a.out)
	}
	return v
}

// sqlRows asks the sql command.
func (h *home) sqlRows(query string) [][]any {
	h.t.Helper()
	return decode[struct{ Rows [][]any }](h.t, h.must("sql", "--json", query)).Rows
}

// program is a command that runs beside the test.
type program struct {
	cmd   *exec.Cmd
	out   bytes.Buffer // complete once ended
	lines chan string  // of its error output; the test may ignore them
	ended chan struct{}

	mu   sync.Mutex
	errs strings.Builder
}

// start starts a command.
func (h *home) start(args ...string) *program {
	h.t.Helper()
	p := &program{cmd: h.command(context.Background(), args...), lines: make(chan string, 1<<16), ended: make(chan struct{})}
	p.cmd.Stdout = &p.out
	read, write, err := os.Pipe()
	if err != nil {
		h.t.Fatal(err)
	}
	p.cmd.Stderr = write
	if err := p.cmd.Start(); err != nil {
		h.t.Fatal(err)
	}
	write.Close()
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		p.read(read)
	}()
	go func() {
		_ = p.cmd.Wait() // code says how it ended
		// A child that inherited the pipe could keep it open.
		_ = read.SetReadDeadline(time.Now().Add(time.Second))
		<-drained
		read.Close()
		close(p.ended)
	}()
	h.t.Cleanup(func() {
		_ = p.cmd.Process.Kill() // usually it has ended long ago
		<-p.ended
	})
	return p
}

func (p *program) read(r io.Reader) {
	defer close(p.lines)
	for scanner := bufio.NewScanner(r); scanner.Scan(); {
		p.mu.Lock()
		p.errs.WriteString(scanner.Text() + "\n")
		p.mu.Unlock()
		select {
		case p.lines <- scanner.Text():
		default:
		}
	}
}

// errors is what the program has printed on its error output so far.
func (p *program) errors() string {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.errs.String()
}

// says waits for a line of the error output that matches.
func (p *program) says(t testing.TB, pattern string) {
	t.Helper()
	text := regexp.MustCompile(pattern)
	timeout := time.After(patience)
	for {
		select {
		case line, ok := <-p.lines:
			if !ok {
				t.Fatalf("the program ended and did not say %q:\n%s", pattern, p.errors())
			}
			if text.MatchString(line) {
				return
			}
		case <-timeout:
			t.Fatalf("the program does not say %q:\n%s", pattern, p.errors())
		}
	}
}

// interrupt is Ctrl-C.
func (p *program) interrupt(t testing.TB) {
	t.Helper()
	if err := p.cmd.Process.Signal(syscall.SIGINT); err != nil && !errors.Is(err, os.ErrProcessDone) {
		t.Fatal(err)
	}
}

// wait waits for the end of the program.
func (p *program) wait(t testing.TB) answer {
	t.Helper()
	select {
	case <-p.ended:
		return answer{p.cmd.ProcessState.ExitCode(), p.out.String(), p.errors()}
	case <-time.After(patience):
		t.Fatalf("%v does not end:\n%s", p.cmd.Args, p.errors())
		return answer{}
	}
}

// database connects to the private cluster as its superuser, past everything
// that the program shows, and keeps it running until the test ends.
func (h *home) database() *pgx.Conn {
	h.t.Helper()
	cluster, err := pglocal.Open(h.t.Context(), pglocal.Config{Dir: filepath.Join(h.data(), "postgres")})
	if err != nil {
		h.t.Fatal(err)
	}
	conn, err := pgx.Connect(h.t.Context(), cluster.DSN()+" search_path=deconfound")
	if err != nil {
		cluster.Close()
		h.t.Fatal(err)
	}
	h.t.Cleanup(func() {
		if err := errors.Join(conn.Close(context.Background()), cluster.Close()); err != nil {
			h.t.Error(err)
		}
	})
	return conn
}

// eventually polls until ok, for outcomes that another process brings about.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}
