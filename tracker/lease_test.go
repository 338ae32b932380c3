package tracker_test

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"sync"
	"testing"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

var loss = tracker.Metric{Name: "loss", Split: "train"}

func point(step int, v float64) tracker.Point {
	return tracker.Point{Step: step, Values: map[tracker.Metric]float64{loss: v}}
}

func TestClaim_Concurrent(t *testing.T) {
	b := setup(t)
	runs := b.plan(true, planned(1), planned(2), planned(3), planned(4))
	const claimers = 6
	var wg sync.WaitGroup
	var mu sync.Mutex
	won := map[int64]int{}
	for range claimers {
		wg.Add(1)
		go func() {
			defer wg.Done()
			for _, r := range runs {
				_, err := b.store.Claim(context.Background(), r.ID, r.Fence, b.worker)
				mu.Lock()
				if err == nil {
					won[r.ID]++
				} else if !errors.Is(err, tracker.ErrStale) {
					t.Errorf("claim: %v", err)
				}
				mu.Unlock()
			}
		}()
	}
	wg.Wait()
	for _, r := range runs {
		if won[r.ID] != 1 {
			t.Errorf("run %d was claimed %d times, want once", r.ID, won[r.ID])
		}
	}
}

func TestClaim_Provenance(t *testing.T) {
	b := setup(t)
	b.worker.Provenance = tracker.Provenance{GitCommit: "abc", GitDirty: true, HostVersion: "1.2", Environment: json.RawMessage(`{"go": "1.26"}`)}
	l := b.lease(1)
	got := b.run(l.Run.ID)
	if got.GitCommit != "abc" || !got.GitDirty || got.HostVersion != "1.2" || string(got.Environment) != `{"go": "1.26"}` || got.StartedAt == nil {
		t.Errorf("got %+v", got)
	}
	if *got.WorkerID != b.worker.ID() || b.worker.Name() != "w" {
		t.Errorf("got worker %d, want %d", *got.WorkerID, b.worker.ID())
	}
}

func TestSlices(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	if l.Checkpoint != nil || l.Epoch != 0 {
		t.Errorf("first slice: got checkpoint %q", l.Checkpoint)
	}
	if err := b.store.SetProgress(t.Context(), l, 1); err != nil {
		t.Fatal(err)
	}
	next, err := b.slice(l, tracker.Slice{Epoch: 2, Checkpoint: []byte("two"), Points: []tracker.Point{point(1, 1), point(2, 0.5)}})
	if err != nil || !next.Enqueue() || next.Fence != l.Fence+1 {
		t.Fatalf("got %+v, %v", next, err)
	}

	// The old lease writes nothing any more, whatever it tries.
	before := b.rows(`select * from run order by 1`) + b.rows(`select * from point`) + b.rows(`select * from checkpoint`)
	wantErr(t, b.store.AppendPoints(t.Context(), l, []tracker.Point{point(3, 1)}), tracker.ErrFenced)
	wantErr(t, b.store.SetProgress(t.Context(), l, 3), tracker.ErrFenced)
	_, err = b.slice(l, tracker.Slice{Epoch: 3, Checkpoint: []byte("three")})
	wantErr(t, err, tracker.ErrFenced)
	wantErr(t, b.finish(l, tracker.Outcome{Metrics: map[tracker.Metric]float64{loss: 1}}), tracker.ErrFenced)
	_, err = b.fail(l, tracker.Failure{Code: "x"})
	wantErr(t, err, tracker.ErrFenced)
	err = b.store.InTx(t.Context(), func(tx pgx.Tx) error { return b.store.PutArtifact(t.Context(), tx, l, "p", "k", tracker.Content{}) })
	wantErr(t, err, tracker.ErrFenced)
	if after := b.rows(`select * from run order by 1`) + b.rows(`select * from point`) + b.rows(`select * from checkpoint`); after != before {
		t.Errorf("a stale lease changed\n%s\ninto\n%s", before, after)
	}

	l2, err := b.store.Claim(t.Context(), l.Run.ID, next.Fence, b.worker)
	if err != nil || string(l2.Checkpoint) != "two" || l2.Epoch != 2 {
		t.Fatalf("second slice: got %q of epoch %d, %v", l2.Checkpoint, l2.Epoch, err)
	}
	if err := b.finish(l2, tracker.Outcome{Epoch: 3, Reason: "completed", Metrics: map[tracker.Metric]float64{loss: 0.25}}); err != nil {
		t.Fatal(err)
	}
	run := b.run(l.Run.ID)
	if run.State != tracker.Done || run.Epoch != 3 || run.StopReason != "completed" || run.EndedAt == nil || run.WorkerID != nil {
		t.Errorf("got %+v", run)
	}
	if got := b.rows(`select count(*) from checkpoint`); got != "0\n" {
		t.Errorf("got %s checkpoints after the end, want 0", got)
	}
	wantErr(t, b.finish(l2, tracker.Outcome{}), tracker.ErrFenced)
}

func TestClaim_DamagedCheckpoint(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	next, err := b.slice(l, tracker.Slice{Epoch: 1, Checkpoint: []byte("good")})
	if err != nil {
		t.Fatal(err)
	}
	b.rows(`update checkpoint set data = 'bad'`)
	_, err = b.store.Claim(t.Context(), l.Run.ID, next.Fence, b.worker)
	if err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("got %v, want a damaged checkpoint", err)
	}
	b.wantState(l.Run.ID, tracker.Queued)
}

func TestFail(t *testing.T) {
	b := setup(t)
	p := planned(1)
	p.MaxAttempts = 2
	run := b.plan(true, p)[0]
	l := b.claim(run)
	next, err := b.fail(l, tracker.Failure{Code: "plugin_crash", Message: "exit 1", Log: "a\x00\xffb", Requeue: true})
	if err != nil || !next.Enqueue() {
		t.Fatalf("first failure: got %+v, %v", next, err)
	}
	got := b.run(run.ID)
	if got.Attempt != 2 || got.ErrorCode != "plugin_crash" || got.ErrorLog != "a\uFFFD\uFFFDb" || got.EndedAt != nil {
		t.Errorf("first failure: got %+v", got)
	}
	l, err = b.store.Claim(t.Context(), run.ID, next.Fence, b.worker)
	if err != nil {
		t.Fatal(err)
	}
	next, err = b.fail(l, tracker.Failure{Code: "plugin_crash", Message: "exit 1", Requeue: true})
	if err != nil || next.State != tracker.Failed {
		t.Fatalf("second failure: got %+v, %v", next, err)
	}
	if got := b.run(run.ID); got.EndedAt == nil || !got.State.Ended() {
		t.Errorf("second failure: got %+v", got)
	}
	retried := inTx(b, func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
		return b.store.RetryRuns(ctx, tx, b.sweep.ID, []tracker.State{tracker.Failed, tracker.Done})
	})
	if len(retried) != 1 || retried[0].Attempt != 3 || retried[0].MaxAttempts != 3 || retried[0].ErrorCode != "" || retried[0].State != tracker.Queued {
		t.Errorf("retry: got %+v", retried)
	}
	l = b.claim(retried[0])
	if next, err = b.fail(l, tracker.Failure{Code: "bad_input"}); err != nil || next.State != tracker.Failed {
		t.Errorf("no requeue: got %+v, %v", next, err)
	}
	events, err := b.store.Events(t.Context(), tracker.RunFilter{IDs: []int64{run.ID}}, 0, 0)
	if err != nil {
		t.Fatal(err)
	}
	var story []string
	for _, e := range events {
		story = append(story, string(e.Old)+">"+string(e.New)+" "+e.Note)
	}
	want := ">queued ,queued>running ,running>queued plugin_crash,queued>running ,running>failed plugin_crash,failed>queued ,queued>running ,running>failed bad_input"
	if got := strings.Join(story, ","); got != want {
		t.Errorf("events:\ngot  %s\nwant %s", got, want)
	}
	if rest, err := b.store.Events(t.Context(), tracker.RunFilter{}, events[1].ID, 2); err != nil || len(rest) != 2 || rest[0].ID != events[2].ID {
		t.Errorf("events after the second: got %+v, %v", rest, err)
	}
}

func TestPauseResumeCancel(t *testing.T) {
	b := setup(t)
	runs := b.plan(true, planned(1), planned(2))
	l := b.claim(runs[0])
	pause := func(tx pgx.Tx) error { return b.store.PauseSweep(t.Context(), tx, b.sweep.ID) }
	b.tx(pause)
	b.tx(pause)
	b.wantState(runs[1].ID, tracker.Paused)
	_, err := b.store.Claim(t.Context(), runs[1].ID, runs[1].Fence, b.worker)
	wantErr(t, err, tracker.ErrStale)
	if next, err := b.slice(l, tracker.Slice{Epoch: 1}); err != nil || next.State != tracker.Paused {
		t.Errorf("slice in a paused sweep: got %+v, %v", next, err)
	}
	if more := b.plan(false, planned(3)); len(more) != 0 {
		t.Errorf("plan in a paused sweep: got %+v to enqueue", more)
	}

	resume := func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
		return b.store.ResumeSweep(ctx, tx, b.sweep.ID)
	}
	back := inTx(b, resume)
	if len(back) != 3 || back[0].Attempt != 1 {
		t.Fatalf("resume: got %+v, want three", back)
	}
	if again := inTx(b, resume); len(again) != 0 {
		t.Errorf("resume again: got %+v, want none", again)
	}

	l = b.claim(back[0])
	cancel := func(tx pgx.Tx) error { return b.store.CancelSweep(t.Context(), tx, b.sweep.ID) }
	b.tx(cancel)
	b.tx(cancel)
	wantErr(t, b.store.AppendPoints(t.Context(), l, []tracker.Point{point(1, 1)}), tracker.ErrFenced)
	for _, r := range back {
		b.wantState(r.ID, tracker.Cancelled)
	}
	if more := b.plan(false, planned(4)); len(more) != 0 {
		t.Errorf("plan in a cancelled sweep: got %+v", more)
	}
	inTx(b, resume)
	b.wantState(back[0].ID, tracker.Cancelled)
	again := inTx(b, func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
		return b.store.RetryRuns(ctx, tx, b.sweep.ID, []tracker.State{tracker.Cancelled})
	})
	if len(again) != 3 {
		t.Errorf("retry of cancelled runs: got %d, want 3", len(again))
	}
	b.tx(func(tx pgx.Tx) error {
		return b.store.CancelRuns(t.Context(), tx, b.sweep.ID, []int64{again[0].ID})
	})
	b.wantState(again[0].ID, tracker.Cancelled)
	b.wantState(again[1].ID, tracker.Queued)
	for name, f := range map[string]func(tx pgx.Tx) error{
		"pause":  func(tx pgx.Tx) error { return b.store.PauseSweep(t.Context(), tx, 999) },
		"cancel": func(tx pgx.Tx) error { return b.store.CancelSweep(t.Context(), tx, 999) },
		"resume": func(tx pgx.Tx) error { _, err := b.store.ResumeSweep(t.Context(), tx, 999); return err },
		"retry":  func(tx pgx.Tx) error { _, err := b.store.RetryRuns(t.Context(), tx, 999, nil); return err },
		"promote": func(tx pgx.Tx) error {
			_, err := b.store.ResumeRuns(t.Context(), tx, 999, nil)
			return err
		},
		"stop": func(tx pgx.Tx) error { return b.store.CancelRuns(t.Context(), tx, 999, nil) },
	} {
		if err := b.store.InTx(t.Context(), f); !errors.Is(err, tracker.ErrNotFound) {
			t.Errorf("%s of no sweep: got %v", name, err)
		}
	}
}

func TestHold(t *testing.T) {
	b := setup(t)
	runs := b.plan(true, planned(1), planned(2))
	for _, r := range runs {
		if next, err := b.slice(b.claim(r), tracker.Slice{Epoch: 1, Hold: true}); err != nil || next.State != tracker.Paused {
			t.Fatalf("hold: got %+v, %v", next, err)
		}
	}
	promote := func(ids ...int64) []tracker.Run {
		return inTx(b, func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
			return b.store.ResumeRuns(ctx, tx, b.sweep.ID, ids)
		})
	}
	resume := func() []tracker.Run {
		return inTx(b, func(ctx context.Context, tx pgx.Tx) ([]tracker.Run, error) {
			return b.store.ResumeSweep(ctx, tx, b.sweep.ID)
		})
	}
	if got := resume(); len(got) != 0 {
		t.Errorf("resume of the sweep released held runs: %+v", got)
	}
	if got := promote(runs[0].ID); len(got) != 1 || got[0].State != tracker.Queued {
		t.Errorf("promotion: got %+v", got)
	}
	if got := promote(runs[0].ID); len(got) != 0 {
		t.Errorf("promotion again: got %+v, want none", got)
	}
	b.tx(func(tx pgx.Tx) error { return b.store.PauseSweep(t.Context(), tx, b.sweep.ID) })
	if got := promote(runs[1].ID); len(got) != 0 {
		t.Errorf("promotion in a paused sweep: got %+v, want none", got)
	}
	if got := resume(); len(got) != 2 {
		t.Errorf("resume after a promotion: got %d runs, want 2", len(got))
	}
}
