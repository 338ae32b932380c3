package sweeps

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

func TestRun_EndToEnd(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, small)
	tr := &trainer{}
	var seen []Status
	opts := quick(2)
	opts.Progress = func(s Status) { seen = append(seen, s) }
	status := mustRun(t, store, p, tr.run, opts)

	if status.Done != 2*2+2*2 || status.Expected != 8 || status.Failed != 0 || status.Epochs != 24 || status.EpochsPlanned != 24 {
		t.Errorf("got %+v", status)
	}
	if len(seen) < 2 || !seen[len(seen)-1].Finished || seen[0].Expected != 8 {
		t.Errorf("got progress %+v", seen)
	}

	// The winner of each cell is the better of its two trials, by the rule.
	best := map[Cell]Winner{}
	for _, s := range next(t, p, nil) {
		if w, ok := best[s.Cell()]; !ok || goodness(s) > w.Value {
			best[s.Cell()] = Winner{s.Cell(), s.Trial, goodness(s)}
		}
	}
	for _, w := range status.Winners {
		if w != best[w.Cell] {
			t.Errorf("got winner %+v, want %+v", w, best[w.Cell])
		}
	}
	replicates := 0
	for _, r := range runs(t, store, status.ID) {
		spec, err := ParseSpec(r.Spec)
		if err != nil {
			t.Fatal(err)
		}
		if got := hashOf(t, spec); string(got[:]) != string(r.Hash) {
			t.Errorf("run %d: the stored spec has another hash", r.ID)
		}
		if r.Phase == tracker.Replicate {
			replicates++
			if r.Trial != best[spec.Cell()].Trial || r.Replicate == nil || int64(*r.Replicate) != r.SplitSeed {
				t.Errorf("got replicate %+v", r)
			}
		}
	}
	if replicates != 4 {
		t.Errorf("got %d replicates, want 4", replicates)
	}

	// The same sweep again does nothing.
	report, err := Enqueue(t.Context(), store, p)
	want := Report{Sweep: status.ID, Revision: 1, Existing: 8, Done: 8}
	if diff := cmp.Diff(want, report); err != nil || diff != "" {
		t.Errorf("second time (-want +got):\n%s%v", diff, err)
	}
	again := mustRun(t, store, p, func(context.Context, RunSpec, []byte, Recorder, time.Duration) (Slice, error) {
		t.Error("a run was repeated")
		return Slice{}, errors.New("repeated")
	}, quick(2))
	if again.Done != 8 {
		t.Errorf("got %+v", again)
	}

	// One more seed: two more runs.
	more := compile(t, edit(t, small, "seeds = [0, 1]", "seeds = [0, 1, 2]"))
	if report, err = Recorded(t.Context(), store, more); err != nil || report.Existing != 8 || report.Done != 8 || report.New != 0 {
		t.Errorf("what is recorded: got %+v, %v", report, err)
	}
	other := compile(t, edit(t, small, `name = "small"`, `name = "other"`))
	if report, err = Recorded(t.Context(), store, other); err != nil || report != (Report{}) {
		t.Errorf("what is recorded of another sweep: got %+v, %v", report, err)
	}
	if report, err = Enqueue(t.Context(), store, more); err != nil || report.New != 2 || report.Existing != 8 || !report.Extended || report.AnalysisChanged {
		t.Errorf("got %+v, %v", report, err)
	}
	if s := mustRun(t, store, more, tr.run, quick(1)); s.Done != 10 || tr.count() != 10 {
		t.Errorf("got %+v and %d slices", s, tr.count())
	}
}

func TestRun_Slices(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{perSlice: 1}
	status := mustRun(t, store, compile(t, single), tr.run, quick(2))
	for _, starts := range tr.slices {
		if diff := cmp.Diff([]int{0, 1, 2}, starts); diff != "" {
			t.Errorf("first epochs of the slices (-want +got):\n%s", diff)
		}
	}
	run := runs(t, store, status.ID)[0]
	history, err := store.MetricHistory(t.Context(), tracker.Metric{Name: "loss", Split: "train"}, run.ID)
	if err != nil {
		t.Fatal(err)
	}
	want := []tracker.StepValue{{Step: 0, Value: 1}, {Step: 1, Value: 0.5}, {Step: 2, Value: 1.0 / 3}}
	if diff := cmp.Diff(want, history[run.ID]); diff != "" {
		t.Errorf("curve (-want +got):\n%s", diff)
	}
	if run.Attempt != 1 || run.Epoch != 3 || run.StopReason != "completed" {
		t.Errorf("got %+v", run)
	}
}

// Any number of workers, in any order, in any slices gives the same results.
func TestWork_TwoWorkers(t *testing.T) {
	t.Parallel()
	want := map[string]float64{}
	for _, workers := range []int{1, 2} {
		store := trackertest.New(t)
		p := compile(t, small)
		report, err := Enqueue(t.Context(), store, p)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(deadline(t))
		var group sync.WaitGroup
		trainers := make([]trainer, workers)
		for i := range trainers {
			trainers[i].perSlice = workers
			other, err := tracker.Open(ctx, store.DSN())
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(other.Close)
			group.Go(func() {
				if err := Work(ctx, other, trainers[i].run, quick(2)); err != nil {
					t.Error(err)
				}
			})
		}
		watch := newProcess(store, nil, Options{Refresh: 20 * time.Millisecond})
		status, err := watch.follows(ctx, report.Sweep)
		if err != nil || !status.Finished || status.Done != 8 {
			t.Errorf("got %+v, %v", status, err)
		}
		stop()
		group.Wait()

		values, err := store.Results(t.Context(), tracker.RunFilter{SweepID: report.Sweep}, tracker.Metric{Name: "auroc", Split: "val", Group: "worst_pattern"})
		if err != nil {
			t.Fatal(err)
		}
		got, slices := map[string]float64{}, 0
		for _, r := range runs(t, store, report.Sweep) {
			for _, v := range values[r.ID] {
				got[fmt.Sprintf("%x", r.Hash)] = v
			}
		}
		for i := range trainers {
			slices += trainers[i].count()
		}
		if workers == 1 {
			want = got
		} else if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("two workers got other results (-one +two):\n%s", diff)
		}
		// One epoch a slice takes three slices; two epochs a slice take two.
		if wantSlices := 8 * (4 - workers); slices != wantSlices {
			t.Errorf("%d workers: got %d slices, want %d", workers, slices, wantSlices)
		}
	}
}
