package plugin

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/features"
)

// clock is a clock whose waits end at once and are remembered.
type clock struct {
	mu    sync.Mutex
	now   time.Time
	waits []time.Duration
}

func (c *clock) Now() time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.now
}

func (c *clock) After(d time.Duration) <-chan time.Time {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.waits = append(c.waits, d)
	c.now = c.now.Add(d)
	done := make(chan time.Time, 1)
	done <- c.now
	return done
}

func newPool(t *testing.T, cfg PoolConfig) *Pool {
	p := NewPool(cfg)
	t.Cleanup(p.Close)
	return p
}

func TestPool_shares(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	pool := newPool(t, PoolConfig{})
	info, err := pool.Info(t.Context(), e)
	if err != nil || info.Name != "misbehave" {
		t.Fatalf("got %+v, %v", info, err)
	}
	var sessions [6]sdk.BackboneSession
	var wait sync.WaitGroup
	for i := range sessions {
		wait.Go(func() {
			var err error
			if sessions[i], err = pool.OpenBackbone(t.Context(), e, openRequest("", 0)); err != nil {
				t.Error(err)
			}
		})
	}
	wait.Wait()
	if t.Failed() {
		return
	}
	pid := sessions[0].(*pooledBackbone).process.Pid()
	for i, s := range sessions {
		wait.Go(func() {
			if got := s.(*pooledBackbone).process.Pid(); got != pid {
				t.Errorf("session %d is on process %s, want %s", i, got, pid)
			}
			for range 20 {
				well(t, s)
			}
		})
	}
	wait.Wait()
}

// Runs one after the other and side by side have one process, which has every
// file of the feature store in memory once, and none after the last run.
func TestPool_reuses(t *testing.T) {
	store := t.TempDir()
	if err := features.Write(store, features.Index{Rows: 1, Modalities: []features.Modality{{Name: "labs", Kind: features.Tabular, Width: 3}}},
		[]features.Values{{Data: []float32{1, 2, 3}}}); err != nil {
		t.Fatal(err)
	}
	e := install(t, t.TempDir(), "backbone", "misbehave")
	pool := newPool(t, PoolConfig{})
	pid := ""
	run := func() sdk.BackboneSession {
		req := openRequest("store", 0)
		req.FeatureStore = store
		s, err := pool.OpenBackbone(t.Context(), e, req)
		if err != nil {
			t.Fatal(err)
		}
		well(t, s)
		if got := s.(*pooledBackbone).process.Pid(); pid == "" {
			pid = got
		} else if got != pid {
			t.Errorf("a run is on process %s, the first was on %s", got, pid)
		}
		return s
	}
	maps := func() int {
		text, err := os.ReadFile("/proc/" + pid + "/maps")
		if err != nil {
			t.Skipf("cannot see what a process has mapped: %v", err)
		}
		return strings.Count(string(text), store)
	}
	for range 3 {
		a, b := run(), run()
		if got := maps(); got != 1 {
			t.Errorf("the store's file is mapped %d times, want once", got)
		}
		for _, s := range []sdk.BackboneSession{a, b} {
			if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
				t.Fatal(err)
			}
		}
	}
	if got := maps(); got != 0 {
		t.Errorf("after the last run the store's file is mapped %d times", got)
	}
}

// A process without sessions ends, and not before.
func TestPool_idle(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	pool := newPool(t, PoolConfig{Idle: time.Millisecond})
	for range 3 {
		a, err := pool.OpenBackbone(t.Context(), e, openRequest("", 0))
		if err != nil {
			t.Fatal(err)
		}
		b, err := pool.OpenBackbone(t.Context(), e, openRequest("", 0))
		if err != nil {
			t.Fatal(err)
		}
		for range 2 { // a second Close is none
			if err := a.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
				t.Fatal(err)
			}
		}
		for range 50 {
			well(t, b)
		}
		if err := b.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Fatal(err)
		}
		process := b.(*pooledBackbone).process
		gone(t, process)
		wants(t, process.Err(), sdk.CodeClosed)
	}
}

func TestPool_restarts(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	c := &clock{now: time.Unix(0, 0)}
	pool := newPool(t, PoolConfig{Clock: c})
	crash := func() {
		t.Helper()
		s, err := pool.OpenBackbone(t.Context(), e, openRequest("crash", 0))
		if err != nil {
			t.Fatal(err)
		}
		_, err = forward(t, s)
		wants(t, err, sdk.CodePluginCrash)
		if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Error(err)
		}
	}
	for range 5 {
		crash()
	}
	good, err := pool.OpenBackbone(t.Context(), e, openRequest("", 0))
	if err != nil {
		t.Fatal(err)
	}
	well(t, good)
	if err := good.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
		t.Fatal(err)
	}
	crash()
	crash()
	want := []int{1, 2, 4, 4, 4, 1}
	if len(c.waits) != len(want) {
		t.Fatalf("waited %v, want %v seconds", c.waits, want)
	}
	for i := range want {
		if c.waits[i] != time.Duration(want[i])*time.Second {
			t.Errorf("waited %v, want %v seconds", c.waits, want)
		}
	}
}

func TestPool_doesNotStart(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave", "-start", "exit")
	c := &clock{now: time.Unix(0, 0)}
	pool := newPool(t, PoolConfig{Clock: c})
	for range 2 {
		_, err := pool.Info(t.Context(), e)
		wants(t, err, sdk.CodePluginStart, "exit status 7")
	}
	if len(c.waits) != 1 || c.waits[0] != time.Second {
		t.Errorf("waited %v, want 1s", c.waits)
	}
}

// An altered program, or one with another file beside it, is refused before it
// runs.
func TestPool_altered(t *testing.T) {
	dir := t.TempDir()
	e := install(t, filepath.Join(dir, "misbehave"), "backbone", "misbehave")
	lock, err := WriteLock(filepath.Join(dir, LockName), []Entry{e})
	if err != nil {
		t.Fatal(err)
	}
	pool := newPool(t, PoolConfig{Lock: lock})
	if _, err := pool.Info(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	pool.Close()

	beside := filepath.Join(e.Dir, "lib", "weights.bin")
	write(t, beside, "new")
	pool = newPool(t, PoolConfig{Lock: lock})
	_, err = pool.Info(t.Context(), e)
	wants(t, err, sdk.CodePluginAltered, "backbone misbehave", "deconfound plugin lock")
	if err := os.RemoveAll(filepath.Dir(beside)); err != nil {
		t.Fatal(err)
	}
	if _, err := pool.Info(t.Context(), e); err != nil {
		t.Fatal(err)
	}
	pool.Close()

	program := filepath.Join(e.Dir, "misbehave")
	text, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(program); err != nil { // it is a link to the other tests' program
		t.Fatal(err)
	}
	if err := os.WriteFile(program, append(text, 0), 0o755); err != nil {
		t.Fatal(err)
	}
	pool = newPool(t, PoolConfig{Lock: lock})
	_, err = pool.OpenBackbone(t.Context(), e, openRequest("", 0))
	wants(t, err, sdk.CodePluginAltered, "backbone misbehave", "sha256:", "deconfound plugin lock")
}

func TestPool_Close(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave")
	pool := NewPool(PoolConfig{})
	s, err := pool.OpenBackbone(t.Context(), e, openRequest("", 0))
	if err != nil {
		t.Fatal(err)
	}
	pool.Close()
	_, err = forward(t, s)
	wants(t, err, sdk.CodeClosed)
	_, err = pool.Info(t.Context(), e)
	wants(t, err, sdk.CodeClosed, "shutting down")
	pool.Close()
}

func TestPool_canceled(t *testing.T) {
	e := install(t, t.TempDir(), "backbone", "misbehave", "-start", "silent")
	pool := newPool(t, PoolConfig{})
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(50*time.Millisecond, cancel)
	_, err := pool.Info(ctx, e)
	wants(t, err, sdk.CodeCanceled)

	// Closing the pool does not wait for a plugin that does not start.
	started := make(chan error, 1)
	go func() {
		_, err := pool.Info(context.Background(), e)
		started <- err
	}()
	time.AfterFunc(50*time.Millisecond, pool.Close)
	wants(t, <-started, sdk.CodeCanceled)
}

func TestPool_OpenStrategy(t *testing.T) {
	pool := newPool(t, PoolConfig{})
	e := install(t, t.TempDir(), "strategy", "strategy")
	s, err := Opener{Pool: pool, Strategy: e}.OpenStrategy(t.Context(), sdk.StrategyOpenRequest{Task: sdk.Task{Kind: sdk.Binary}, Width: 4})
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Objective(t.Context(), objectiveRequest(), &sdk.ObjectiveResponse{}); err != nil {
		t.Error(err)
	}
	if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
		t.Error(err)
	}
}
