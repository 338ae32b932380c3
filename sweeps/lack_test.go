package sweeps

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A worker that lacks the plugin of some cells trains the others and says what it
// lacks; once it has it, it trains those too.
func TestWork_Lacks(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, small)
	if _, err := Enqueue(t.Context(), store, p); err != nil {
		t.Fatal(err)
	}
	if s, err := StatusOf(t.Context(), store, "small"); err != nil || !slices.Equal(s.Waiting, []string{"no worker is there"}) {
		t.Errorf("without workers: got %q, %v", s.Waiting, err)
	}
	// Needs are told apart by hashes, so that each variant needs a strategy of its own.
	if _, err := store.Pool().Exec(t.Context(), `update run set strategy_hash = variant`); err != nil {
		t.Fatal(err)
	}
	var installed atomic.Bool
	opts := quick(2)
	opts.Name, opts.Lease = "poor", leaseForTests
	opts.Lacks = func(spec RunSpec) []string {
		if spec.Variant == "md" && !installed.Load() {
			return []string{"plugin strategy/md"}
		}
		return nil
	}
	ctx, stop := context.WithCancel(deadline(t))
	done := make(chan error, 1)
	tr := new(trainer)
	go func() { done <- Work(ctx, store, tr.run, opts) }()
	var s Status
	if err := until(t, func() bool {
		var err error
		s, err = StatusOf(ctx, store, "small")
		return err == nil && s.Done == 4 && len(s.Waiting) > 0
	}); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"no worker has plugin strategy/md"}, s.Waiting); diff != "" {
		t.Error(diff)
	}
	if s.Failed != 0 || s.Queued != 2 {
		t.Errorf("got %+v, want 2 runs left in the queue", s)
	}
	for _, r := range runs(t, store, s.ID) {
		if r.State == tracker.Queued && (r.Attempt != 1 || r.Variant != "md" || r.Fence != 1) {
			t.Errorf("run %d of %s: attempt %d, fence %d", r.ID, r.Variant, r.Attempt, r.Fence)
		}
	}
	installed.Store(true)
	if err := until(t, func() bool {
		s, err := StatusOf(ctx, store, "small")
		return err == nil && s.Finished && s.Done == 8 && len(s.Waiting) == 0
	}); err != nil {
		t.Fatal(err)
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

// What the section [requires] asks for, and a worker of another contract.
func TestWork_Requires(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, section, change string
		poor, rich            func(*Options)
		want                  string
	}{
		{
			name: "label", section: "[requires]\nlabels = { gpu = \"yes\" }\n", want: "no worker has label gpu=yes",
			poor: func(o *Options) { o.Labels = map[string]string{"gpu": "no"} }, rich: func(o *Options) { o.Labels = map[string]string{"gpu": "yes"} },
		},
		{
			name: "memory", section: "[requires]\nmemory = \"4GiB\"\n", want: "no worker has 4096 MiB of memory",
			poor: func(o *Options) { o.Memory = 1 << 30 }, rich: func(o *Options) { o.Memory = 8 << 30 },
		},
		{
			name: "cores", section: "[requires]\ncores = 3\n", want: "no worker has 3 cores",
			poor: func(o *Options) { o.Cores = 2 }, rich: func(o *Options) { o.Cores = 3 },
		},
		{
			name: "contract", change: `update sweep_revision set spec = jsonb_set(spec, '{contract}', '99')`,
			want: "no worker has a program of contract 99, as the one that planned the sweep (this one has 1); install the same version",
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			store := trackertest.New(t)
			ctx := deadline(t)
			if _, err := Enqueue(ctx, store, compile(t, single+test.section)); err != nil {
				t.Fatal(err)
			}
			if test.change != "" {
				if _, err := store.Pool().Exec(ctx, test.change); err != nil {
					t.Fatal(err)
				}
			}
			opts := quick(1)
			if test.poor != nil {
				test.poor(&opts)
			}
			poorCtx, stop := context.WithCancel(ctx)
			done := make(chan error, 1)
			tr := new(trainer)
			go func() { done <- Work(poorCtx, store, tr.run, opts) }()
			var s Status
			if err := until(t, func() bool {
				var err error
				s, err = StatusOf(ctx, store, "single")
				return err == nil && len(s.Waiting) == 1 && s.Waiting[0] == test.want
			}); err != nil {
				t.Fatalf("%v: got %q", err, s.Waiting)
			}
			stop()
			if err := <-done; err != nil || tr.count() != 0 {
				t.Errorf("%v after %d slices", err, tr.count())
			}
			if test.rich != nil {
				opts := quick(1)
				test.rich(&opts)
				work(t, store, tr.run, opts, "single")
			}
		})
	}
}

func TestRequires_Mistakes(t *testing.T) {
	_, err := Parse("sweep.toml", []byte(single+"[requires]\nmemory = \"4 apples\"\ncores = 0\nlabels = { GPU = \"yes\" }\n"))
	for _, want := range []string{`"4 apples" is no size`, "requires.cores", `"GPU" is no label`} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// A program that the database has left behind ends with one message.
func TestWork_Outdated(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	if _, err := store.Pool().Exec(t.Context(), `insert into schema_version (version_id, is_applied) values (999, true)`); err != nil {
		t.Fatal(err)
	}
	if err := Work(deadline(t), store, new(trainer).run, quick(1)); !errors.Is(err, ErrOutdated) || !strings.Contains(err.Error(), "schema 999") {
		t.Errorf("got %v", err)
	}
	if err := store.Migrate(t.Context()); err == nil || !strings.Contains(err.Error(), "install a newer one") {
		t.Errorf("migrate: got %v", err)
	}
}

// A full disk costs no attempt, unless it is the run that fills it.
func TestRun_DiskFull(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	var full atomic.Int32
	tr := &trainer{before: func(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
		if spec.SplitSeed == 1 || full.Add(1) == 1 {
			return fmt.Errorf("make socket: %w", syscall.ENOSPC)
		}
		return nil
	}}
	opts := quick(1)
	opts.Lease = time.Second
	status := mustRun(t, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]")), tr.run, opts)
	if status.Done != 1 || len(status.Failures) != 1 || status.Failures[0].Code != CodeDiskFull {
		t.Fatalf("got %+v", status)
	}
	for _, r := range runs(t, store, status.ID) {
		if r.Attempt != 1 {
			t.Errorf("run %d: %s in attempt %d", r.ID, r.State, r.Attempt)
		}
	}
}
