package plugin

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/deconfound/deconfound/sdk"
)

// binaries is the directory of the misbehaving plugins, built once.
var binaries string

func TestMain(m *testing.M) {
	if os.Getenv("TEST_HOST_OF") != "" {
		hostOf(os.Getenv("TEST_HOST_OF"))
		return
	}
	dir, err := os.MkdirTemp("", "misbehave-")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	binaries = dir
	out, err := exec.Command("go", "build", "-o", dir, "./testdata/misbehave", "./testdata/lie").CombinedOutput()
	if err != nil {
		fmt.Fprintf(os.Stderr, "build plugins: %v\n%s", err, out)
		os.Exit(1)
	}
	status := m.Run()
	if status == 0 {
		if err := goleak.Find(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			status = 1
		}
	}
	os.RemoveAll(dir)
	os.Exit(status)
}

// install makes a plugin directory with the misbehaving program.
func install(t testing.TB, dir, kind, name string, args ...string) Entry {
	t.Helper()
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for _, program := range []string{"misbehave", "lie"} {
		if err := os.Link(filepath.Join(binaries, program), filepath.Join(dir, program)); err != nil {
			t.Fatal(err)
		}
	}
	command := append([]string{"./misbehave", "-name", name}, args...)
	text := fmt.Sprintf("[plugin]\nkind = %q\nname = %q\nprotocol = 1\n\n[exec]\ncommand = [\"%s\"]\n", kind, name, strings.Join(command, `", "`))
	if err := os.WriteFile(filepath.Join(dir, ManifestName), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	e, err := ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// start starts a misbehaving backbone that is killed after the test.
func start(t testing.TB, cfg Config, args ...string) *Process {
	t.Helper()
	p, err := Start(t.Context(), install(t, t.TempDir(), "backbone", "misbehave", args...), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// eachStream runs a test with sessions on sockets and on gRPC streams.
func eachStream(t *testing.T, f func(t *testing.T, grpc bool)) {
	t.Run("socket", func(t *testing.T) { f(t, false) })
	t.Run("grpc", func(t *testing.T) { f(t, true) })
}

// startLiar starts a plugin that does not use the SDK.
func startLiar(t testing.TB, cfg Config, args ...string) *Process {
	t.Helper()
	e := install(t, t.TempDir(), "backbone", "misbehave")
	e.Command = append([]string{"./lie"}, args...)
	p, err := Start(t.Context(), e, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(p.Kill)
	return p
}

// open opens a session of width 4 that does what mode says.
func open(t testing.TB, p *Process, mode string, size int64) *BackboneSession {
	t.Helper()
	s, err := OpenBackbone(t.Context(), p, openRequest(mode, size))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openRequest(mode string, size int64) sdk.OpenRequest {
	return sdk.OpenRequest{
		Modalities:      []sdk.Modality{{Name: "labs", Kind: sdk.Tabular, Width: 3}, {Name: "ecg", Kind: sdk.Sequence, Width: 1, Length: 9}},
		Width:           4,
		Task:            sdk.Task{Kind: sdk.Binary},
		Hyperparameters: sdk.Values{"mode": mode, "size": size},
		Optimizer:       sdk.OptimizerSettings{Name: "sgd", LearningRate: 0.1},
		MaxBatch:        8,
	}
}

var batch = sdk.ForwardRequest{Rows: []int32{5, 9}, Availability: []uint64{1, 3}, Mode: sdk.Train}

func forward(t testing.TB, s sdk.BackboneSession) ([]float32, error) {
	t.Helper()
	var resp sdk.ForwardResponse
	err := s.Forward(t.Context(), batch, &resp)
	return resp.H.Data, err
}

func backward(t testing.TB, s sdk.BackboneSession) ([]sdk.Term, error) {
	t.Helper()
	dh := sdk.NewTensor(2, 4)
	for i := range dh.Data {
		dh.Data[i] = float32(i)
	}
	var resp sdk.BackwardResponse
	err := s.Backward(t.Context(), sdk.BackwardRequest{DH: dh}, &resp)
	return resp.Terms, err
}

// well fails the test unless a step works.
func well(t testing.TB, s sdk.BackboneSession) {
	t.Helper()
	if _, err := forward(t, s); err != nil {
		t.Fatalf("forward: %v", err)
	}
	if _, err := backward(t, s); err != nil {
		t.Fatalf("backward: %v", err)
	}
}

// wants fails the test unless err has the code and all the parts.
func wants(t testing.TB, err error, code sdk.Code, parts ...string) {
	t.Helper()
	if sdk.CodeOf(err) != code {
		t.Errorf("got %v (%s), want code %s", err, sdk.CodeOf(err), code)
		return
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("got %q, want it to contain %q", err, part)
		}
	}
}

// gone waits for the end of a process.
func gone(t testing.TB, p *Process) {
	t.Helper()
	select {
	case <-p.cleaned:
	case <-time.After(30 * time.Second):
		t.Fatal("the process did not end")
	}
}

// log is a writer for several goroutines.
type log struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (l *log) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(b)
}

func (l *log) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.String()
}

// hostOf is a host that is going to be killed: it starts a plugin, opens a
// session, prints the plugin's process id and waits.
func hostOf(dir string) {
	e, err := ReadManifest(dir)
	if err == nil && e.Script != nil {
		fields := map[string]string{"out": dir}
		_, err = Execute(context.Background(), Execution{Entry: e, Fields: fields, Line: func(line string) (bool, error) {
			fmt.Fprintln(os.Stdout, line)
			return true, nil
		}})
	} else if err == nil {
		var p *Process
		if p, err = Start(context.Background(), e, Config{}); err == nil {
			if _, err = OpenBackbone(context.Background(), p, openRequest("", 0)); err == nil {
				fmt.Fprintln(os.Stdout, p.Pid())
				_, _ = io.Copy(io.Discard, os.Stdin)
			}
		}
	}
	fmt.Fprintln(os.Stderr, "host:", err)
	os.Exit(1)
}
