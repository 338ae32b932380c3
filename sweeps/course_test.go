package sweeps

import (
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// stages ends runs of a sweep at random, a few at a time, some of them badly, gives
// some that failed another try, and calls check after each look at the sweep.
func stages(t *testing.T, store *tracker.Store, p *Plan, seed uint64, check func(q *queue, sweepID int64)) {
	t.Helper()
	ctx := t.Context()
	report, err := Enqueue(ctx, store, p)
	if err != nil {
		t.Fatal(err)
	}
	worker, err := store.RegisterWorker(ctx, "w")
	if err != nil {
		t.Fatal(err)
	}
	defer worker.Close()
	q, err := newQueue(store)
	if err != nil {
		t.Fatal(err)
	}
	random := rand.New(rand.NewPCG(seed, 0))
	check(q, report.Sweep)
	for {
		waiting, err := store.Runs(ctx, tracker.RunFilter{SweepID: report.Sweep, States: []tracker.State{tracker.Queued}})
		if err != nil {
			t.Fatal(err)
		}
		if len(waiting) == 0 {
			return
		}
		random.Shuffle(len(waiting), func(i, j int) { waiting[i], waiting[j] = waiting[j], waiting[i] })
		for _, r := range waiting[:min(len(waiting), 1+random.IntN(4))] {
			lease, err := store.Claim(ctx, r.ID, r.Fence, worker)
			if err != nil {
				t.Fatal(err)
			}
			spec, err := ParseSpec(r.Spec)
			if err != nil {
				t.Fatal(err)
			}
			err = store.InTx(ctx, func(tx pgx.Tx) error {
				if random.IntN(5) == 0 {
					_, err := store.Fail(ctx, tx, lease, tracker.Failure{Code: "error"})
					return err
				}
				value := map[tracker.Metric]float64{{Name: "auroc", Split: "val", Group: "worst_pattern"}: goodness(spec)}
				return store.Finish(ctx, tx, lease, tracker.Outcome{Epoch: r.Epochs, Reason: "completed", Metrics: value})
			})
			if err != nil {
				t.Fatal(err)
			}
		}
		if random.IntN(3) == 0 {
			if _, err := Retry(ctx, store, p.Name); err != nil {
				t.Fatal(err)
			}
		}
		check(q, report.Sweep)
	}
}

// A process that knows what was before asks for the same runs, and says the same of
// the sweep, as one that goes through the whole plan.
func TestCourse_SameAsWholePlan(t *testing.T) {
	t.Parallel()
	for seed, text := range map[uint64]string{
		1: edit(t, small, "trials = 2", "trials = 7"),
		2: edit(t, small, `method = "random"`, `method = "tpe"`, "trials = 2", "trials = 40\nstartup = 4\nparallel = 3"),
	} {
		store := trackertest.New(t)
		p := compile(t, text)
		stages(t, store, p, seed, func(q *queue, sweepID int64) {
			if err := advanceSweep(t.Context(), store, q, sweepID); err != nil {
				t.Fatal(err)
			}
			if q.courses.known[sweepID] == nil || q.courses.known[sweepID].fresh {
				t.Fatal("the course was not kept")
			}
			whole := compile(t, text)
			if err := whole.attachStored(t.Context(), store.Reader, sweepID); err != nil {
				t.Fatal(err)
			}
			existed, err := results(t.Context(), store.Reader, sweepID, whole.Metric.Select)
			if err != nil {
				t.Fatal(err)
			}
			var want, got []string
			for _, s := range next(t, whole, existed) {
				want = append(want, hashOf(t, s).String())
			}
			for _, r := range runs(t, store, sweepID) {
				if r.Planned {
					got = append(got, fmt.Sprintf("%x", r.Hash))
				}
			}
			slices.Sort(want)
			slices.Sort(got)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Fatalf("planned runs (-whole plan +course):\n%s", diff)
			}
			winners, err := whole.Winners(existed)
			if err != nil {
				t.Fatal(err)
			}
			status, err := StatusOf(t.Context(), store, p.Name)
			if err != nil || cmp.Diff(winners, status.Winners) != "" {
				t.Fatalf("winners (-whole plan +course):\n%s%v", cmp.Diff(winners, status.Winners), err)
			}
			fresh, err := progressOf(t.Context(), store.Reader, sweepID)
			if err != nil {
				t.Fatal(err)
			}
			kept, err := store.Progress(t.Context(), sweepID)
			if err != nil || fresh.Expected != kept.Expected || fresh.Complete != kept.Complete || fresh.Ended != kept.Ended {
				t.Fatalf("progress: kept %+v, of the whole plan %+v, %v", kept, fresh, err)
			}
		})
		if status, err := StatusOf(t.Context(), store, p.Name); err != nil || !status.Finished || len(status.Winners) != 2 {
			t.Errorf("got %+v, %v", status, err)
		}
	}
}

// Two processes that look at a sweep in turn make the decisions that one makes.
func TestCourse_TwoProcessesInTurn(t *testing.T) {
	t.Parallel()
	text := edit(t, small, `method = "random"`, `method = "tpe"`, "trials = 2", "trials = 40\nstartup = 4\nparallel = 3")
	var alone, taken []string
	for _, processes := range []int{1, 2} {
		store := trackertest.New(t)
		p := compile(t, text)
		var others []*queue
		turn, id := 0, int64(0)
		stages(t, store, p, 3, func(q *queue, sweepID int64) {
			if others == nil {
				others = append(others, q)
				for range processes - 1 {
					more, err := newQueue(store)
					if err != nil {
						t.Fatal(err)
					}
					others = append(others, more)
				}
			}
			turn++
			id = sweepID
			if err := advanceSweep(t.Context(), store, others[turn%processes], sweepID); err != nil {
				t.Fatal(err)
			}
		})
		var made []string
		for _, cell := range p.Cells {
			decisions, err := store.Decisions(t.Context(), id, cell.Cell.key())
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range decisions {
				made = append(made, string(d.Event)+string(d.Actions))
			}
		}
		if processes == 1 {
			alone = made
		} else {
			taken = made
		}
	}
	if diff := cmp.Diff(alone, taken); diff != "" || len(alone) < 80 {
		t.Errorf("%d decisions (-one process +two):\n%s", len(alone), diff)
	}
}

// What was decided since the last snapshot is not lost when the plan changes.
func TestEnqueue_ExtendsASearchInProgress(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	text := edit(t, small, `method = "random"`, `method = "tpe"`, "trials = 2", "trials = 40\nstartup = 4\nparallel = 3")
	p := compile(t, text)
	looks := 0
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	extended := compile(t, edit(t, text, "trials = 40", "trials = 44"))
	stages(t, store, p, 4, func(q *queue, sweepID int64) {
		if err := advanceSweep(ctx, store, q, sweepID); err != nil {
			t.Fatal(err)
		}
		if looks++; looks != 9 {
			return
		}
		states, err := store.Searches(ctx, sweepID)
		if err != nil {
			t.Fatal(err)
		}
		further := 0
		for _, s := range states {
			further += len(s.Further)
		}
		if further == 0 {
			t.Fatal("every decision is in a snapshot: nothing is tested")
		}
		if report, err := Enqueue(ctx, store, extended); err != nil || !report.Extended {
			t.Fatalf("got %+v, %v", report, err)
		}
	})
	status, err := StatusOf(ctx, store, p.Name)
	if err != nil || !status.Finished {
		t.Fatalf("got %+v, %v", status, err)
	}
	trials := map[string]int{}
	for _, r := range runs(t, store, status.ID) {
		if r.Phase == tracker.Search {
			trials[r.Variant]++
		}
	}
	if want := map[string]int{"erm": 44, "md": 44}; !maps.Equal(trials, want) {
		t.Errorf("got trials %v, want %v", trials, want)
	}
}
