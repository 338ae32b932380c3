package sweeps

import (
	"context"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker/trackertest"
)

// A sweep pauses when its budget is used up, says why, and goes on when the file
// allows more. The run that trains while the last result is written may end, too.
func TestRun_Budget(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	tr := &trainer{perSlice: 1}
	text := small + "[budget]\nruns = 3\n"
	status, err := Run(deadline(t), store, compile(t, text), tr.run, quick(1))
	if err != nil || !status.Paused || status.Done < 3 || status.Done > 4 || status.PauseReason != "the budget of 3 runs is used up" || status.Finished {
		t.Fatalf("got %+v, %v", status, err)
	}
	// Resumed by hand it pauses again.
	if err := Resume(t.Context(), store, "small"); err != nil {
		t.Fatal(err)
	}
	if status, err = Run(deadline(t), store, compile(t, text), tr.run, quick(1)); err != nil || !status.Paused || status.Done > 6 {
		t.Errorf("resumed: got %+v, %v", status, err)
	}
	more := compile(t, small+"[budget]\nruns = 100\nhours = 100\n")
	if more.Hash != compile(t, text).Hash {
		t.Error("the budget changes the plan's hash")
	}
	if status = mustRun(t, store, more, tr.run, quick(2)); status.Done != 8 || status.Paused || status.PauseReason != "" {
		t.Errorf("got %+v", status)
	}
}

// Hours are what workers have spent on slices, whoever they are and however the
// slices end.
func TestRun_BudgetOfHours(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	var spent time.Duration
	tr := &trainer{perSlice: 1, before: func(ctx context.Context, _ RunSpec, _ int, _ Recorder) error {
		if now, err := store.Spent(ctx, 1); err == nil && now.Busy > spent {
			spent = now.Busy
		}
		return nil
	}}
	status, err := Run(deadline(t), store, compile(t, small+"[budget]\nhours = 1e-9\n"), tr.run, quick(1))
	if err != nil || !status.Paused || status.Finished || status.PauseReason != "the budget of 1e-09 hours of training is used up" {
		t.Errorf("got %+v, %v", status, err)
	}
	after, err := store.Spent(t.Context(), status.ID)
	if err != nil || spent <= 0 || after.Busy < spent {
		t.Errorf("%v and then %+v were spent, %v", spent, after, err)
	}
}

func TestRetryPolicy_Wait(t *testing.T) {
	r := RetryPolicy{Backoff: 10 * time.Second}
	for attempt, want := range map[int]time.Duration{1: 10 * time.Second, 2: 20 * time.Second, 4: 80 * time.Second, 60: backoffLast} {
		if got := r.wait(attempt); got != want {
			t.Errorf("after attempt %d: %v, want %v", attempt, got, want)
		}
	}
	if got := (RetryPolicy{}).wait(3); got != 0 {
		t.Errorf("without a backoff: %v", got)
	}
}
