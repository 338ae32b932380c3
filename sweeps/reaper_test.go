package sweeps

import (
	"testing"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A run of a worker that died goes on at once, from its checkpoint, and a
// waiting run whose job is gone is found.
func TestReap(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]"))
	report, err := Enqueue(ctx, store, p)
	if err != nil || report.New != 2 {
		t.Fatalf("got %+v, %v", report, err)
	}
	dead, err := store.RegisterWorker(ctx, "dead")
	if err != nil {
		t.Fatal(err)
	}
	first := runs(t, store, report.Sweep)[0]
	if _, err := store.Claim(ctx, first.ID, first.Fence, dead); err != nil {
		t.Fatal(err)
	}
	dead.Close()
	if _, err := store.Pool().Exec(ctx, `delete from river_job`); err != nil {
		t.Fatal(err)
	}
	tr := &trainer{}
	if s := mustRun(t, store, p, tr.run, quick(2)); s.Done != 2 || tr.count() != 2 {
		t.Errorf("got %+v after %d slices", s, tr.count())
	}
	if run := runs(t, store, report.Sweep)[0]; run.Attempt != 2 {
		t.Errorf("got attempt %d of the lost run, want 2", run.Attempt)
	}
}

// A lease whose claim was answered into a broken connection goes back without
// costing an attempt; one whose result was refused has failed.
func TestReap_Stranded(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	report, err := Enqueue(ctx, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]")))
	if err != nil {
		t.Fatal(err)
	}
	p := newProcess(store, nil, quick(1))
	if p.queue, err = newQueue(store); err != nil {
		t.Fatal(err)
	}
	if p.worker, err = store.RegisterWorker(ctx, "stranded"); err != nil {
		t.Fatal(err)
	}
	defer p.worker.Close()
	for i, r := range runs(t, store, report.Sweep) {
		if _, err := store.Claim(ctx, r.ID, r.Fence, p.worker); err != nil {
			t.Fatal(err)
		}
		if i == 1 {
			p.refused[leaseKey{r.ID, r.Fence}] = "no room"
		}
	}
	if err := p.releaseStranded(ctx); err != nil {
		t.Fatal(err)
	}
	got := runs(t, store, report.Sweep)
	if got[0].State != tracker.Queued || got[0].Attempt != 1 {
		t.Errorf("got %s in attempt %d, want queued in attempt 1", got[0].State, got[0].Attempt)
	}
	if got[1].State != tracker.Failed || got[1].ErrorMessage != "no room" {
		t.Errorf("got %s, %q", got[1].State, got[1].ErrorMessage)
	}
	if s := mustRun(t, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1]")), new(trainer).run, quick(1)); s.Done != 1 || s.Failed != 1 {
		t.Errorf("got %+v", s)
	}
}
