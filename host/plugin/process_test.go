package plugin

import (
	"context"
	"crypto/tls"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials"
	"google.golang.org/grpc/credentials/insecure"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

func TestProcess_wellBehaved(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		var l log
		p := start(t, Config{NoSockets: grpc, Log: &l})
		if got := p.Info(); got.Name != "misbehave" || len(got.Hyperparameters) != 2 {
			t.Errorf("got info %+v", got)
		}
		s := open(t, p, "print", 1000)
		before, err := forward(t, s)
		if err != nil {
			t.Fatal(err)
		}
		var state sdk.SnapshotResponse
		if err := s.Snapshot(t.Context(), sdk.SnapshotRequest{}, &state); err != nil {
			t.Fatal(err)
		}
		well(t, s)
		after, err := forward(t, s)
		if err != nil || slices.Equal(before, after) {
			t.Fatalf("the step changed nothing: %v, %v", after, err)
		}
		if err := s.Restore(t.Context(), sdk.RestoreRequest(state), nil); err != nil {
			t.Fatal(err)
		}
		if again, err := forward(t, s); err != nil || !slices.Equal(before, again) {
			t.Errorf("restored: got %v, want %v (%v)", again, before, err)
		}
		if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Error(err)
		}
		dir := p.dir
		p.Close()
		wants(t, p.Err(), sdk.CodeClosed)
		if _, err := os.Stat(dir); !os.IsNotExist(err) {
			t.Errorf("%s was left behind (%v)", dir, err)
		}
		// What the plugin printed to standard output is in the log.
		for _, want := range []string{"printed in forward", "written in forward"} {
			if !strings.Contains(l.String(), want) {
				t.Errorf("the log lacks %q:\n%s", want, l.String())
			}
		}
	})
}

func TestProcess_noise(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc}, "-start", "noise")
		well(t, open(t, p, "print", 0))
		p.Close()
		lines := strings.Join(p.Lines(), "\n")
		for _, want := range []string{"hello from fmt", "1|not|a handshake", "hello from file descriptor 1", "printed in forward", "written in forward"} {
			if !strings.Contains(lines, want) {
				t.Errorf("the log lacks %q:\n%s", want, lines)
			}
		}
	})
}

func TestStart_failures(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Entry)
		parts  []string
	}{
		"exit": {func(e *Entry) { e.Command = append(e.Command, "-start", "exit") }, []string{"exit status 7", "cannot load weights"}},
		"quit": {func(e *Entry) { e.Command = append(e.Command, "-start", "quit") }, []string{"status 0", "printed nothing"}},
		"silent": {func(e *Entry) {
			e.Command, e.StartTimeout = append(e.Command, "-start", "silent"), 300*time.Millisecond
		}, []string{"300ms", ManifestName}},
		"missing": {func(e *Entry) { e.Command = []string{"./nothing"} }, []string{"does not exist", "build"}},
		"path":    {func(e *Entry) { e.Command = []string{"no-such-program-anywhere"} }, []string{"PATH"}},
		"mode":    {func(e *Entry) { e.Command = []string{"./" + ManifestName} }, []string{"not executable"}},
		"name":    {func(e *Entry) { e.Name = "other" }, []string{"it says it is the backbone misbehave"}},
		"kind":    {func(e *Entry) { e.Kind = sdk.KindStrategy }, []string{"it says it is the backbone misbehave"}},
	} {
		t.Run(name, func(t *testing.T) {
			e := install(t, t.TempDir(), "backbone", "misbehave")
			c.change(&e)
			p, err := Start(t.Context(), e, Config{})
			if err == nil {
				p.Kill()
			}
			wants(t, err, sdk.CodePluginStart, c.parts...)
		})
	}
}

// A plugin without the SDK prints what it likes before the handshake, and may
// speak another protocol than its manifest says.
func TestStart_handshake(t *testing.T) {
	for mode, parts := range map[string][]string{
		"version": {"version: 2", "[1]"},
		"core":    {"version"},
		"address": {"/nowhere/at/all"},
		"flood":   {"no handshake within 1s", ManifestName},
	} {
		t.Run(mode, func(t *testing.T) {
			e := install(t, t.TempDir(), "backbone", "misbehave")
			e.Command, e.StartTimeout = []string{"./lie", mode}, time.Second
			p, err := Start(t.Context(), e, Config{})
			if err == nil {
				p.Kill()
			}
			wants(t, err, sdk.CodePluginStart, parts...)
		})
	}
	e := install(t, t.TempDir(), "backbone", "misbehave")
	e.Command = []string{"./lie", "garbage"}
	p, err := Start(t.Context(), e, Config{})
	if err != nil {
		t.Fatalf("garbage before the handshake: %v", err)
	}
	t.Cleanup(p.Kill)
	if lines := p.Lines(); !slices.Contains(lines, "1|2|udp|x|grpc|") {
		t.Errorf("the log lacks what came before the handshake: %.200q", lines)
	}
}

// Nobody but the host that started it talks to a plugin, even who may open its
// socket: the connection is encrypted, and both sides show a certificate.
func TestProcess_authenticated(t *testing.T) {
	for _, cfg := range []Config{{}, {NoSharedMemory: true}} {
		p := start(t, cfg)
		well(t, open(t, p, "", 0))
		var sockets []string
		_ = filepath.WalkDir(p.dir, func(path string, d fs.DirEntry, _ error) error {
			if d.Type()&fs.ModeSocket != 0 {
				sockets = append(sockets, path)
			}
			return nil
		})
		if len(sockets) != 1 {
			t.Fatalf("%s has the sockets %v, want one", p.dir, sockets)
		}
		for name, c := range map[string]credentials.TransportCredentials{
			"plain":          insecure.NewCredentials(),
			"no certificate": credentials.NewTLS(&tls.Config{InsecureSkipVerify: true}), //nolint:gosec // an intruder does not care
		} {
			conn, err := grpc.NewClient("unix:"+sockets[0], grpc.WithTransportCredentials(c))
			if err != nil {
				t.Fatal(err)
			}
			if info, err := transport.NewClient(conn, nil, nil, 0).Info(t.Context()); err == nil {
				t.Errorf("%s: a stranger was told %+v", name, info)
			}
			conn.Close()
		}
		well(t, open(t, p, "", 0))
	}
}

func TestStart_canceled(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave", "-start", "silent")
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(100*time.Millisecond, cancel)
	_, err := Start(ctx, e, Config{})
	wants(t, err, sdk.CodeCanceled)
}

func TestProcess_crash(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		var l log
		p, other := start(t, Config{NoSockets: grpc, Log: &l}), start(t, Config{NoSockets: grpc})
		s, beside := open(t, p, "crash", 0), open(t, other, "", 0)
		idle := open(t, p, "", 0)
		_, err := forward(t, s)
		wants(t, err, sdk.CodePluginCrash, "backbone misbehave", "exit status 3", "line 299", "line 280")
		if strings.Contains(err.Error(), "line 279") {
			t.Errorf("more than %d lines in the error", shownLines)
		}
		if !sdk.Retryable(err) {
			t.Error("a crash must be retryable")
		}
		gone(t, p)
		if lines := p.Lines(); len(lines) != keptLines || lines[0] != "line 100" {
			t.Errorf("kept %d lines from %q, want %d from line 100", len(lines), lines[0], keptLines)
		}
		if !strings.Contains(l.String(), "line 0\n") {
			t.Error("the log lacks the first line")
		}
		// Both sessions of the process are over, those of another are not.
		_, err = forward(t, s)
		wants(t, err, sdk.CodeClosed)
		_, err = forward(t, idle)
		wants(t, err, sdk.CodePluginCrash, "exit status 3")
		well(t, beside)
		if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Errorf("close after a crash: %v", err)
		}
	})
}

func TestProcess_signal(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		_, err := forward(t, open(t, p, "kill", 0))
		wants(t, err, sdk.CodePluginCrash, "exit status 2", "SIGSEGV")
	})
}

func TestProcess_exitDuringStep(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc})
		s := open(t, p, "exit", 0)
		if _, err := forward(t, s); err != nil {
			t.Fatal(err)
		}
		_, err := backward(t, s)
		wants(t, err, sdk.CodePluginCrash, "status 0")
		gone(t, p)
	})
}

func TestProcess_hang(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		for _, mode := range []string{"hang", "stop"} {
			t.Run(mode, func(t *testing.T) {
				p, other := start(t, Config{NoSockets: grpc, Timeouts: Timeouts{Step: 200 * time.Millisecond}}), start(t, Config{NoSockets: grpc})
				s, beside := open(t, p, mode, 0), open(t, other, "", 0)
				idle := open(t, p, "", 0)
				_, err := forward(t, s)
				for i := 0; mode == "stop" && err == nil && i < 1000; i++ {
					// The answer was faster than the signal.
					_, err = forward(t, s)
				}
				wants(t, err, sdk.CodeDeadline, "forward", "200ms")
				gone(t, p)
				_, err = forward(t, idle)
				wants(t, err, sdk.CodePluginCrash, "another session")
				well(t, beside)
			})
		}
	})
}

// A caller that leaves a hanging call gets its error at once, and the deadline
// still ends the process.
func TestProcess_hangCanceled(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		for _, mode := range []string{"hang", "open_hang"} {
			p := start(t, Config{NoSockets: grpc, Timeouts: Timeouts{Step: 300 * time.Millisecond, Open: 300 * time.Millisecond}})
			ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
			defer cancel()
			var err error
			if mode == "open_hang" {
				_, err = OpenBackbone(ctx, p, openRequest(mode, 0))
			} else {
				err = open(t, p, mode, 0).Forward(ctx, batch, &sdk.ForwardResponse{})
			}
			wants(t, err, sdk.CodeCanceled)
			gone(t, p)
			wants(t, p.Err(), sdk.CodeDeadline)
		}
	})
}

func TestProcess_hangInClose(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		p := start(t, Config{NoSockets: grpc, Timeouts: Timeouts{Close: 100 * time.Millisecond}})
		s := open(t, p, "close_hang", 0)
		wants(t, s.Close(t.Context(), sdk.CloseRequest{}, nil), sdk.CodeDeadline, "close")
		gone(t, p)
	})
}

func TestProcess_memory(t *testing.T) {
	eachStream(t, func(t *testing.T, grpc bool) {
		e := install(t, t.TempDir(), "backbone", "misbehave")
		e.Memory = 128 << 20
		p, err := Start(t.Context(), e, Config{NoSockets: grpc})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(p.Kill)
		_, err = forward(t, open(t, p, "memory", 200<<20))
		wants(t, err, sdk.CodePluginMemory, "128 MiB", "exec.memory")
		gone(t, p)
	})
}

// What its children use counts as the plugin's.
func TestProcess_memoryOfChildren(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	e.Memory = 128 << 20
	p, err := Start(t.Context(), e, Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	_, err = forward(t, open(t, p, "child memory", 200<<20))
	wants(t, err, sdk.CodePluginMemory, "128 MiB", "child processes")
	gone(t, p)
}

func TestProcess_environment(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	e.Env = []string{"CUDA_VISIBLE_DEVICES", "NOT_SET", "DECONFOUND_DSN", "PGPASSWORD"} // the last two past ReadManifest
	host := map[string]string{
		"PATH": os.Getenv("PATH"), "HOME": "/home/x", "LANG": "C", "TMPDIR": os.TempDir(), "CUDA_VISIBLE_DEVICES": "1",
		"DECONFOUND_DSN": "postgres://secret", "PGPASSWORD": "secret", "PGHOST": "db", "AWS_SECRET_ACCESS_KEY": "secret", "USER": "x",
	}
	t.Setenv("DECONFOUND_DSN", "postgres://secret") // nor may go-plugin pass on the real one
	p, err := Start(t.Context(), e, Config{Getenv: func(name string) (string, bool) { v, ok := host[name]; return v, ok }})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	s := open(t, p, "environment", 0)
	if _, err := forward(t, s); err != nil {
		t.Fatal(err)
	}
	terms, err := backward(t, s)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, term := range terms {
		if !strings.HasPrefix(term.Name, "PLUGIN_") {
			got = append(got, term.Name)
		}
	}
	slices.Sort(got)
	want := []string{"CUDA_VISIBLE_DEVICES", "HOME", "LANG", "PATH", "TMPDIR"}
	if !slices.Equal(got, want) {
		t.Errorf("the plugin sees %v, want %v", got, want)
	}
}

// A plugin inherits its three standard files, the shared memory, the door and the
// pipe.
func TestProcess_files(t *testing.T) {
	if f, err := os.Open(os.Args[0]); err == nil {
		defer f.Close() // a file of the host that must not show up
	}
	p := start(t, Config{})
	s := open(t, p, "files", 0)
	if _, err := forward(t, s); err != nil {
		t.Fatal(err)
	}
	terms, err := backward(t, s)
	if err != nil {
		t.Fatal(err)
	}
	arena := false
	for _, term := range terms {
		arena = arena || strings.Contains(term.Name, "memfd:deconfound")
		if strings.Contains(term.Name, filepath.Base(os.Args[0])) {
			t.Errorf("the plugin inherited %s", term.Name)
		}
	}
	if !arena {
		t.Errorf("no shared memory among %v", terms)
	}
}

func TestProcess_socketDirectory(t *testing.T) {
	p := start(t, Config{})
	info, err := os.Stat(p.dir)
	if err != nil {
		t.Fatal(err)
	}
	if info.Mode().Perm() != 0o700 {
		t.Errorf("%s has mode %v, want 0700", p.dir, info.Mode())
	}
	p.Kill()
	if _, err := os.Stat(p.dir); !os.IsNotExist(err) {
		t.Errorf("%s was left behind", p.dir)
	}
	// A long TMPDIR would make the path of the socket too long for the kernel.
	long := filepath.Join(t.TempDir(), strings.Repeat("x", 90))
	if err := os.MkdirAll(long, 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("TMPDIR", long)
	well(t, open(t, start(t, Config{}), "", 0))
}

// A plugin that breaks the wire is killed, and no other one.
func TestProcess_lies(t *testing.T) {
	other := start(t, Config{})
	beside := open(t, other, "", 0)
	for _, c := range []struct {
		args []string
		mode string
		code sdk.Code
		part string
	}{
		{nil, "offset", sdk.CodeProtocol, "outside its slot"},
		{[]string{"door"}, "offset", sdk.CodeProtocol, "outside its slot"},
		{[]string{"door"}, "garbage", sdk.CodeProtocol, "a frame of 3 bytes is no message"},
		{[]string{"door"}, "length", sdk.CodeProtocol, "claims 4294967295 bytes"},
		{[]string{"door"}, "half", sdk.CodePluginCrash, "exit status 5"},
	} {
		t.Run(strings.Join(append(c.args, c.mode), " "), func(t *testing.T) {
			p := startLiar(t, Config{}, c.args...)
			if (p.door != nil) != (c.args != nil) {
				t.Fatalf("sessions on sockets: %v", p.door != nil)
			}
			idle, err := OpenBackbone(t.Context(), p, withoutSize(""))
			if err != nil {
				t.Fatal(err)
			}
			s, err := OpenBackbone(t.Context(), p, withoutSize(c.mode))
			if err != nil {
				t.Fatal(err)
			}
			_, err = forward(t, s)
			wants(t, err, c.code, c.part)
			gone(t, p)
			_, err = forward(t, idle)
			wants(t, err, sdk.CodePluginCrash)
			well(t, beside)
		})
	}
}

func TestProcess_oversized(t *testing.T) {
	// By the SDK: the plugin notices itself, and goes on.
	p := start(t, Config{MaxMessage: 1 << 20, NoSharedMemory: true})
	s := open(t, p, "oversized", 1<<20)
	_, err := forward(t, s)
	wants(t, err, sdk.CodeMessageTooLarge, "limit is 1048576")
	well(t, open(t, p, "", 0))

	// By hand: the host refuses.
	for _, args := range [][]string{nil, {"door"}} {
		p = startLiar(t, Config{MaxMessage: 1 << 20}, args...)
		s, err = OpenBackbone(t.Context(), p, withoutSize("large"))
		if err != nil {
			t.Fatal(err)
		}
		_, err = forward(t, s)
		wants(t, err, sdk.CodeMessageTooLarge)
		if err := p.Err(); err != nil {
			t.Errorf("the process ended: %v", err)
		}
	}

	// From the host to the plugin.
	p = start(t, Config{MaxMessage: 1 << 20})
	s = open(t, p, "", 0)
	err = s.Restore(t.Context(), sdk.RestoreRequest{State: make([]byte, 2<<20)}, nil)
	wants(t, err, sdk.CodeMessageTooLarge)
	well(t, s)
}

func withoutSize(mode string) sdk.OpenRequest {
	req := openRequest(mode, 0)
	delete(req.Hyperparameters, "size")
	return req
}
