package sweeps

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/sweeps/search"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// outside is a sweep of two cells whose trials a plugin proposes.
func outside(t *testing.T) string {
	return edit(t, small, `method = "random"`, `method = "plugin"`, "trials = 2", "trials = 9\nparallel = 2\nplugin = { name = \"mine\", share = 0.25 }")
}

// mine goes on from the best trial, so that it depends on what it is shown.
func mine(_ context.Context, a search.Ask) (map[string]any, error) {
	best, value := math.NaN(), math.Inf(-1)
	for _, t := range a.Trials {
		if x, ok := t.Point["optimizer.lr"].(float64); ok && t.State == search.Done && t.Value > value {
			best, value = x, t.Value
		}
	}
	source := search.Source{Seed: int(a.Seed >> 1)}
	out := map[string]any{}
	for _, d := range a.Dimensions {
		out[d.Name] = d.At(source.Draw(a.Number, fmt.Sprint(d.Name, len(a.Refused), len(a.Trials))))
	}
	share, _ := a.Plugin.Settings["share"].(float64)
	if x, ok := out["optimizer.lr"].(float64); ok && !math.IsNaN(best) {
		out["optimizer.lr"] = math.Exp(share*math.Log(x) + (1-share)*math.Log(best))
	}
	return out, nil
}

func proposing(workers int, f ProposeFunc) Options {
	options := quick(workers)
	options.Propose = f
	return options
}

func TestRun_Plugin(t *testing.T) {
	t.Parallel()
	var want map[string]string
	for _, workers := range []int{1, 4} {
		store := trackertest.New(t)
		p := compile(t, outside(t))
		tr := &trainer{curve: near0001}
		status := mustRun(t, store, p, tr.run, proposing(workers, mine))
		if status.Done != 2*9+2*2 || status.Expected != 22 || len(status.Winners) != 2 {
			t.Errorf("got %+v", status)
		}
		replayed(t, store, status, p)
		if got := outcomes(t, store, status.ID); want == nil {
			want = got
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%d workers decide otherwise (-one +these):\n%s", workers, diff)
		}
		// The same sweep again does nothing and asks nobody.
		again := mustRun(t, store, compile(t, outside(t)), tr.run, proposing(workers, nil))
		if again.New != 0 || again.Done != status.Done {
			t.Errorf("again: got %+v", again)
		}
		// More trials go on where the search ended.
		more := compile(t, edit(t, outside(t), "trials = 9", "trials = 11"))
		if status = mustRun(t, store, more, tr.run, proposing(workers, mine)); status.Done < 2*11+2*2 {
			t.Errorf("extended: got %+v", status)
		}
		extended := outcomes(t, store, status.ID)
		for key, v := range want {
			if extended[key] != v {
				t.Errorf("extended: %s was %s, is %s", key, v, extended[key])
			}
		}
	}
}

// A process that stops anywhere, also while the plugin is asked, loses nothing: the
// next one ends with the same trials.
func TestRun_PluginStopped(t *testing.T) {
	t.Parallel()
	plain := trackertest.New(t)
	tr := &trainer{curve: near0001}
	want := outcomes(t, plain, mustRun(t, plain, compile(t, outside(t)), tr.run, proposing(2, mine)).ID)
	store := trackertest.New(t)
	for last := 3; ; last += 4 { // the proposal at which it stops
		ctx, cancel := context.WithCancel(deadline(t))
		var asked atomic.Int32
		status, err := Run(ctx, store, compile(t, outside(t)), tr.run, proposing(2, func(ctx context.Context, a search.Ask) (map[string]any, error) {
			if int(asked.Add(1)) == last {
				cancel()
				<-ctx.Done()
				return nil, errors.New("killed")
			}
			return mine(ctx, a)
		}))
		cancel()
		if err == nil && status.Finished {
			if last < 8 {
				t.Errorf("it was stopped up to proposal %d only", last)
			}
			if diff := cmp.Diff(want, outcomes(t, store, status.ID)); diff != "" {
				t.Errorf("stopped and gone on (-plain +stopped):\n%s", diff)
			}
			replayed(t, store, status, compile(t, outside(t)))
			return
		}
		if !errors.Is(err, ErrStopped) || status.Paused {
			t.Fatalf("got %+v, %v", status, err)
		}
	}
}

// Whatever a plugin does, the sweep pauses with a reason, and goes on once it is mended.
func TestRun_PluginMistakes(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{curve: near0001}
	constant := func(v any) ProposeFunc {
		return func(context.Context, search.Ask) (map[string]any, error) {
			return map[string]any{"optimizer.lr": v}, nil
		}
	}
	for _, c := range []struct {
		propose ProposeFunc
		want    string
	}{
		{nil, "this worker lacks the sampler"},
		{func(context.Context, search.Ask) (map[string]any, error) {
			return nil, fmt.Errorf("%w: sampler mine with hash pmine", ErrLacksSampler)
		}, "sampler mine with hash pmine"},
		{func(context.Context, search.Ask) (map[string]any, error) {
			return nil, errors.New("it ended with signal: killed; its last lines:\nconnection refused\x00\xff")
		}, "it ended with signal: killed"},
		{func(context.Context, search.Ask) (map[string]any, error) { return nil, errors.New("a\x00\xff b") }, "a\uFFFD\uFFFD b"},
		{func(context.Context, search.Ask) (map[string]any, error) { panic("broken") }, "panic: broken"},
		{constant(math.NaN()), "optimizer.lr is NaN"},
		{constant(0.5), "optimizer.lr is 0.5, outside 0.0001 to 0.01"},
		{constant("fast"), "optimizer.lr is fast (string)"},
		{constant(nil), "takes a number"},
		{func(context.Context, search.Ask) (map[string]any, error) { return nil, nil }, "no value of optimizer.lr"},
	} {
		status, err := Run(deadline(t), store, compile(t, outside(t)), tr.run, proposing(1, c.propose))
		if err != nil || !status.Paused || status.Finished || status.SpentBudget() {
			t.Fatalf("%s: got %+v, %v", c.want, status, err)
		}
		if reason := status.PauseReason; !strings.Contains(reason, c.want) || !strings.HasPrefix(reason, "sampler mine gives no point for trial 0 of nafld/concat/") || strings.Contains(reason, "\n") {
			t.Errorf("got reason %q, want %q", reason, c.want)
		}
		if !strings.Contains(status.Hint(), c.want) || !strings.Contains(status.Hint(), "run the sweep file again") {
			t.Errorf("got hint %q", status.Hint())
		}
	}
	mustRun(t, store, compile(t, outside(t)), tr.run, proposing(2, mine))
}

// Points that constraints refuse are asked for again, and told; a plugin that knows
// nothing else pauses the sweep.
func TestRun_PluginConstraints(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{curve: near0001}
	p := compile(t, outside(t)+"[constraints]\nslow = \"optimizer.lr <= 0.001\"\n")
	status, err := Run(deadline(t), store, p, tr.run, proposing(1, func(context.Context, search.Ask) (map[string]any, error) {
		return map[string]any{"optimizer.lr": 0.005}, nil
	}))
	if err != nil || !status.Paused || !strings.Contains(status.PauseReason, "the constraints refuse each of 100 points") {
		t.Fatalf("got %+v, %v", status, err)
	}
	refused := false
	status = mustRun(t, store, p, tr.run, proposing(1, func(ctx context.Context, a search.Ask) (map[string]any, error) {
		point, err := mine(ctx, a)
		refused = refused || len(a.Refused) > 0 && slices.ContainsFunc(a.Refused, func(p search.Point) bool { return p["optimizer.lr"].(float64) > 0.001 })
		return point, err
	}))
	if !refused {
		t.Error("nothing was refused, the test shows nothing")
	}
	for _, r := range runs(t, store, status.ID) {
		spec, err := ParseSpec(r.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if lr, _ := spec.Optimizer.Float("lr"); lr > 0.001 {
			t.Errorf("run %d has lr %v", r.ID, lr)
		}
	}
}

// A search with an early stop asks, too, and its log gives the same search again.
func TestRun_PluginASHA(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, edit(t, outside(t), "trials = 9", "trials = 9\nearly_stop = { type = \"asha\", min_epochs = 1, eta = 3 }", "epochs = 3", "epochs = 9"))
	tr := &trainer{curve: near0001}
	status := mustRun(t, store, p, tr.run, proposing(2, mine))
	if status.Pruned == 0 || status.Failed > 0 {
		t.Errorf("got %+v", status)
	}
	replayed(t, store, status, p)
}

// A worker asks again once a sweep that paused for its sampler is resumed, though nothing
// of it waits or runs.
func TestWork_PluginResumed(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	report, err := Enqueue(t.Context(), store, compile(t, outside(t)))
	if err != nil || report.New != 0 {
		t.Fatalf("got %+v, %v", report, err)
	}
	var mended atomic.Bool
	options := proposing(1, func(ctx context.Context, a search.Ask) (map[string]any, error) {
		if !mended.Load() {
			return nil, errors.New("out of ideas")
		}
		return mine(ctx, a)
	})
	options.Lease = 2 * time.Second
	tr := &trainer{curve: near0001}
	ctx, stop := context.WithCancel(deadline(t))
	worked := make(chan error, 1)
	go func() { worked <- Work(ctx, store, tr.run, options) }()
	reaches := func(what string, f func(Status) bool) {
		if err := until(t, func() bool {
			status, err := StatusOf(t.Context(), store, "small")
			return err == nil && f(status)
		}); err != nil {
			t.Errorf("it is never %s: %v", what, err)
		}
	}
	reaches("paused", func(s Status) bool { return strings.Contains(s.PauseReason, "out of ideas") })
	mended.Store(true)
	if err := Resume(t.Context(), store, "small"); err != nil {
		t.Error(err)
	}
	reaches("finished", func(s Status) bool { return s.Finished })
	stop()
	if err := <-worked; err != nil {
		t.Error(err)
	}
}

// A worker without the plugin leaves the search to one that has it, and trains.
func TestWork_PluginElsewhere(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{curve: near0001}
	ctx, stop := context.WithCancel(deadline(t))
	has := proposing(1, mine)
	has.Name = "has"
	worked := make(chan error, 1)
	go func() { worked <- Work(ctx, store, tr.run, has) }()
	if err := until(t, func() bool {
		workers, err := store.Workers(t.Context())
		return err == nil && len(workers) == 1
	}); err != nil {
		t.Fatal(err)
	}
	p := compile(t, edit(t, outside(t), "trials = 9", "trials = 2", `["erm", "md"]`, `["md"]`))
	if status := mustRun(t, store, p, tr.run, proposing(1, nil)); status.Done != 2+2 {
		t.Errorf("got %+v", status)
	}
	stop()
	if err := <-worked; err != nil {
		t.Error(err)
	}
}

// Before anything is proposed a plan says what it takes, and has a run of each cell to
// look at.
func TestPlan_Outside(t *testing.T) {
	p := compile(t, outside(t))
	specs, err := p.Known()
	if err != nil || len(specs) != 2 || specs[0].Cell() != p.Cells[0].Cell || specs[0].Phase != PhaseSearch || len(specs[0].Parameters) != 0 {
		t.Errorf("got %d runs, %v", len(specs), err)
	}
	if base := p.Cells[1].Base(); base.Variant != "md" || base.Epochs != 3 {
		t.Errorf("got base %+v", base)
	}
	s := p.Summarize(nil, 1)
	if s.Search != 2*9 || s.Runs != 22 || s.WorstEpochs != 22*3 || !s.Equal {
		t.Errorf("got %+v", s)
	}
	if needs := p.Needs(); len(needs) != 2 || needs[0].Sampler == nil || needs[0].Sampler.Hash != "pmine" {
		t.Errorf("got needs %+v", needs)
	}
	plugin := p.Cells[0].Adaptive.Search.Plugin
	if diff := cmp.Diff(&search.Plugin{Name: "mine", Version: "1.0.0", Hash: "pmine", Settings: map[string]any{"share": 0.25, "startup": int64(4)}}, plugin); diff != "" {
		t.Errorf("the plugin (-want +got):\n%s", diff)
	}
	if other := compile(t, edit(t, outside(t), "share = 0.25", "share = 0.5")); other.Hash == p.Hash {
		t.Error("another setting of the plugin gives the same plan")
	}
	if bare := compile(t, edit(t, outside(t), `plugin = { name = "mine", share = 0.25 }`, `plugin = "mine"`)); bare.Cells[0].Adaptive.Search.Plugin.Settings["share"] != 0.5 {
		t.Errorf("a name alone: got %+v", bare.Cells[0].Adaptive.Search.Plugin)
	}
}
