package main

import (
	"errors"
	"maps"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/deconfound/deconfound/host/plugin"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/sweeps/search"
)

// walk builds the sampler of testdata and answers the directory that it is installed in.
func walk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	into := filepath.Join(dir, "sampler", "walk")
	if out, err := exec.Command("go", "build", "-o", filepath.Join(into, "walk"), "./testdata/walk").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	manifest, err := os.ReadFile("testdata/walk/plugin.toml")
	if err == nil {
		err = os.WriteFile(filepath.Join(into, plugin.ManifestName), manifest, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// A search asks the real process: the same ask has the same point, also of another
// process, and what goes wrong is an error that says so.
func TestRunner_Propose(t *testing.T) {
	dir := walk(t)
	registry := plugin.Scan(dir)
	pool := plugin.NewPool(plugin.PoolConfig{})
	t.Cleanup(pool.Close)
	c := &catalog{ctx: t.Context(), registry: registry, pool: pool}
	info, err := c.Sampler("walk")
	if err != nil || len(info.Parameters) != 2 || info.Hash == "" {
		t.Fatalf("got %+v, %v", info, err)
	}
	if _, err := c.Sampler("wolk"); err == nil || !strings.Contains(err.Error(), `did you mean "walk"?`) {
		t.Errorf("got %v", err)
	}
	ask := search.Ask{
		Plugin: search.Plugin{Name: "walk", Version: info.Version, Hash: info.Hash, Settings: map[string]any{"share": 0.25}},
		Dimensions: []search.Dimension{
			{Name: "head.dropout", Type: "float", Kind: search.Uniform, Min: 0, Max: 0.5},
			{Name: "optimizer.lr", Type: "float", Kind: search.LogUniform, Min: 1e-4, Max: 1e-2, Step: 1e-4},
			{Name: "run.width", Type: "int", Kind: search.Values, Values: []any{int64(8), int64(16)}, When: "head.dropout > 0.1"},
		},
		Goal: "maximize", Epochs: 3, Number: 2, Seed: 9,
		Trials: []search.Shown{
			{Number: 0, State: search.Done, Point: search.Point{"head.dropout": 0.25, "optimizer.lr": 0.001}, Epoch: 3, Value: 0.75},
			{Number: 1, State: search.Training, Point: search.Point{"head.dropout": 0.5}, Value: math.NaN()},
		},
	}
	r := &runner{registry: registry, pool: pool}
	first, err := r.propose(t.Context(), ask)
	if err != nil || len(first) != 3 {
		t.Fatalf("got %v, %v", first, err)
	}
	other := plugin.NewPool(plugin.PoolConfig{})
	t.Cleanup(other.Close)
	if again, err := (&runner{registry: registry, pool: other}).propose(t.Context(), ask); err != nil || !maps.Equal(first, again) {
		t.Errorf("got %v, then %v, %v", first, again, err)
	}
	broken := ask
	broken.Plugin.Settings = map[string]any{"broken": true}
	if _, err := r.propose(t.Context(), broken); err == nil || !strings.Contains(err.Error(), "no way to go") || !strings.Contains(err.Error(), "main.go") {
		t.Errorf("a sampler that panics: got %v", err)
	}
	elsewhere := ask
	elsewhere.Plugin.Hash = "other"
	missing := ask
	missing.Plugin.Name = "gone"
	for _, a := range []search.Ask{elsewhere, missing} {
		if _, err := r.propose(t.Context(), a); !errors.Is(err, sweeps.ErrLacksSampler) {
			t.Errorf("%s with hash %.8s: got %v", a.Plugin.Name, a.Plugin.Hash, err)
		}
	}

	ask.Refused = []search.Point{{"run.width": int64(8)}}
	want := sdk.ProposeRequest{
		Hyperparameters: sdk.Values{"share": 0.25}, Maximize: true, Epochs: 3, Number: 2, Seed: 9,
		Dimensions: []sdk.Dimension{
			{Name: "head.dropout", Kind: sdk.Uniform, Min: 0, Max: 0.5},
			{Name: "optimizer.lr", Kind: sdk.LogUniform, Min: 1e-4, Max: 1e-2},
			{Name: "run.width", Kind: sdk.Choice, Values: []any{int64(8), int64(16)}, Conditional: true},
		},
		Trials: []sdk.Trial{
			{Number: 0, State: sdk.TrialDone, Point: sdk.Values{"head.dropout": 0.25, "optimizer.lr": 0.001}, Epoch: 3, Value: 0.75},
			{Number: 1, State: sdk.TrialPending, Point: sdk.Values{"head.dropout": 0.5}, Value: math.NaN()},
		},
		Refused: []sdk.Values{{"run.width": int64(8)}},
	}
	if diff := cmp.Diff(want, proposeRequest(ask), cmpopts.EquateNaNs()); diff != "" {
		t.Errorf("the request (-want +got):\n%s", diff)
	}
}
