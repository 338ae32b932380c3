package scaffold

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/plugintest"
)

// pythonVariable names an interpreter for the tests; without it, python3 in PATH is
// taken if it has the packages.
const pythonVariable = "DECONFOUND_TEST_PYTHON"

// interpreter finds one that imports the packages, or skips the test.
func interpreter(t testing.TB, packages ...string) string {
	t.Helper()
	python := os.Getenv(pythonVariable)
	asked := python != ""
	if !asked {
		python = DefaultPython
	}
	out, err := exec.Command(python, "-c", "import "+strings.Join(packages, ", ")).CombinedOutput()
	switch {
	case err != nil && asked:
		t.Fatalf("%s=%s: %v\n%s", pythonVariable, python, err, out)
	case err != nil:
		lines := strings.Split(strings.TrimSpace(err.Error()+"\n"+string(out)), "\n")
		t.Skipf("no Python with %s (set %s): %s", strings.Join(packages, ", "), pythonVariable, lines[len(lines)-1])
	}
	path, err := exec.LookPath(python)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// started starts a plugin with the package of this checkout; the caller kills it.
func started(t testing.TB, dir, python string, transport plugin.Config) *plugin.Process {
	t.Helper()
	entry, err := plugin.ReadManifest(dir)
	if err != nil {
		t.Fatal(err)
	}
	entry.Command[0] = python
	entry.Env = append(entry.Env, "PYTHONPATH")
	source, err := filepath.Abs(filepath.Join(checkout, "sdk", "python"))
	if err != nil {
		t.Fatal(err)
	}
	transport.Getenv = func(name string) (string, bool) {
		if name == "PYTHONPATH" {
			return source, true
		}
		return os.LookupEnv(name)
	}
	process, err := plugin.Start(context.Background(), entry, transport)
	if err != nil {
		t.Fatal(err)
	}
	return process
}

// conforms runs the suite on a plugin through its process; transport says how its
// sessions travel.
func conforms(t *testing.T, dir, python string, transport plugin.Config) {
	t.Helper()
	before, err := plugin.TreeHash(dir)
	if err != nil {
		t.Fatal(err)
	}
	process := started(t, dir, python, transport)
	defer process.Kill()
	var results []plugintest.Result
	switch process.Info().Kind {
	case sdk.KindBackbone:
		results = plugintest.CheckBackbone(t.Context(), process.UncheckedBackbone(), plugintest.Options{})
	case sdk.KindStrategy:
		results = plugintest.CheckStrategy(t.Context(), process.UncheckedStrategy(), plugintest.Options{})
	case sdk.KindSampler:
		results = plugintest.CheckSampler(t.Context(), process.UncheckedSampler(), plugintest.Options{})
	}
	for _, r := range results {
		if r.Status == plugintest.Fail {
			t.Errorf("%s: %s\n%s", r.Name, r.Message, r.Detail)
		}
	}
	if t.Failed() {
		t.Log(strings.Join(process.Lines(), "\n"))
	}
	process.Close()
	if end := process.Err(); !strings.Contains(end.Error(), "was closed") {
		t.Errorf("it did not end when it was asked to: %v", end)
	}
	after, err := plugin.TreeHash(dir)
	if err != nil {
		t.Fatal(err)
	}
	if before != after {
		t.Error("running the plugin changed the files in its directory")
	}
}

// New plugins in Python must pass the conformance suite as they are written.
func TestPython_Passes(t *testing.T) {
	if testing.Short() {
		t.Skip("starts interpreters")
	}
	for kind, packages := range map[sdk.Kind][]string{
		sdk.KindBackbone: {"numpy", "grpc", "cryptography", "google.protobuf", "torch"},
		sdk.KindStrategy: {"numpy", "grpc", "cryptography", "google.protobuf"},
		sdk.KindSampler:  {"numpy", "grpc", "cryptography", "google.protobuf"},
	} {
		t.Run(string(kind), func(t *testing.T) {
			python := interpreter(t, packages...)
			dir := filepath.Join(t.TempDir(), "new")
			if _, err := Python(dir, kind, "my_plugin", PythonOptions{SDKPath: checkout, Interpreter: python}); err != nil {
				t.Fatal(err)
			}
			conforms(t, dir, python, plugin.Config{})
		})
	}
}

// The contract in plain numpy, also where there is neither shared memory nor a door.
func TestPython_Transports(t *testing.T) {
	if testing.Short() {
		t.Skip("starts interpreters")
	}
	python := interpreter(t, "numpy", "grpc", "cryptography", "google.protobuf")
	for _, written := range []string{"linear", "ready"} {
		dir := filepath.Join(checkout, "sdk", "python", "tests", "plugins", written)
		for name, config := range map[string]plugin.Config{
			"sockets": {}, "grpc": {NoSockets: true}, "bytes": {NoSockets: true, NoSharedMemory: true},
		} {
			t.Run(written+"/"+name, func(t *testing.T) { conforms(t, dir, python, config) })
		}
	}
}

// Samplers need no arrays. The one of Optuna is tested where that is installed.
func TestPython_Sampler(t *testing.T) {
	if testing.Short() {
		t.Skip("starts interpreters")
	}
	python := interpreter(t, "numpy", "grpc", "cryptography", "google.protobuf")
	t.Run("draw", func(t *testing.T) {
		conforms(t, filepath.Join(checkout, "sdk", "python", "tests", "plugins", "draw"), python, plugin.Config{})
	})
	t.Run("optuna", func(t *testing.T) {
		if err := exec.Command(python, "-c", "import optuna").Run(); err != nil {
			t.Skip("no Python with optuna")
		}
		conforms(t, filepath.Join(checkout, "sdk", "python", "examples", "optuna"), python, plugin.Config{})
	})
}

// BenchmarkPython_Step is one training step across the border to Python, without any
// computation, as BenchmarkStep of host/plugin is to Go: 256 rows, h and dh of 128
// KiB. It reports the median of the steps, too.
func BenchmarkPython_Step(b *testing.B) {
	python := interpreter(b, "numpy", "grpc", "cryptography", "google.protobuf")
	dir := filepath.Join(checkout, "sdk", "python", "tests", "plugins", "echo")
	store, err := filepath.Abs(filepath.Join(checkout, "sdk", "features", "testdata", "gather"))
	if err != nil {
		b.Fatal(err)
	}
	for _, c := range []struct {
		name string
		cfg  plugin.Config
	}{
		{"socket/memfd", plugin.Config{}},
		{"grpc/bytes", plugin.Config{NoSockets: true, NoSharedMemory: true}},
	} {
		b.Run(c.name, func(b *testing.B) {
			process := started(b, dir, python, c.cfg)
			defer process.Kill()
			session, err := plugin.OpenBackbone(b.Context(), process, sdk.OpenRequest{
				FeatureStore: store, Modalities: []sdk.Modality{{Name: "table", Kind: sdk.Tabular, Width: 7}}, Width: 128, MaxBatch: 256,
				Task: sdk.Task{Kind: sdk.Binary}, Optimizer: sdk.OptimizerSettings{Name: "adam", LearningRate: 1e-3},
			})
			if err != nil {
				b.Fatal(err)
			}
			step := sdk.ForwardRequest{Rows: make([]int32, 256), Availability: make([]uint64, 256), Mode: sdk.Train}
			var h sdk.ForwardResponse
			var steps []time.Duration
			for b.Loop() {
				began := time.Now()
				if err := session.Forward(b.Context(), step, &h); err != nil {
					b.Fatal(err)
				}
				if err := session.Backward(b.Context(), sdk.BackwardRequest{DH: h.H}, &sdk.BackwardResponse{}); err != nil {
					b.Fatal(err)
				}
				steps = append(steps, time.Since(began))
			}
			slices.Sort(steps)
			b.ReportMetric(float64(steps[len(steps)/2].Nanoseconds())/1e3, "median-µs")
		})
	}
}

func TestPython_Files(t *testing.T) {
	for _, kind := range sdk.Kinds {
		dir := filepath.Join(t.TempDir(), "new")
		files, err := Python(dir, kind, "mine", PythonOptions{})
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"README.md", "model.py", "plugin.toml"}; !slices.Equal(files, want) {
			t.Errorf("wrote %v, want %v", files, want)
		}
		entry, err := plugin.ReadManifest(dir)
		if err != nil {
			t.Fatal(err)
		}
		if want := []string{"python3", "-B", "model.py"}; entry.Kind != kind || entry.Name != "mine" || !slices.Equal(entry.Command, want) {
			t.Errorf("the manifest says %s, %v", entry, entry.Command)
		}
		if _, err := Python(dir, kind, "mine", PythonOptions{}); err == nil || !strings.Contains(err.Error(), "exists already") {
			t.Errorf("a directory that exists: %v", err)
		}
		if _, err := Python(dir+"2", kind, "Mine", PythonOptions{}); err == nil || !strings.Contains(err.Error(), "lower case") {
			t.Errorf("a bad name: %v", err)
		}
		if _, err := Python(dir+"2", kind, "mine", PythonOptions{SDKPath: dir}); err == nil || !strings.Contains(err.Error(), "no go.mod") {
			t.Errorf("no checkout: %v", err)
		}
	}
}
