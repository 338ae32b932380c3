package sweeps

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/trackertest"
)

// Each seed of the sweep is a case: how an attempt ends, and what becomes of the
// run.
func TestRun_Failures(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name    string
		fail    func(attempt int) error
		outcome func(*tracker.Outcome)
		slice   *Slice
		state   tracker.State
		code    string
		log     string
		attempt int
	}{
		{name: "retried and well", fail: func(n int) error { return codedOnce(n, "plugin_crash") }, state: tracker.Done, attempt: 2},
		{name: "retried to the end", fail: func(int) error { return codedError{"plugin_crash", "last words"} }, state: tracker.Failed, code: "plugin_crash", log: "last words", attempt: 2},
		{name: "not retried", fail: func(int) error { return fmt.Errorf("train: %w", codedError{"nan", ""}) }, state: tracker.Failed, code: "nan", attempt: 1},
		{name: "without a code", fail: func(int) error { return errors.New("odd") }, state: tracker.Failed, code: CodeError, attempt: 1},
		{name: "panic", fail: func(int) error { panic("odd") }, state: tracker.Failed, code: CodePanic, log: "goroutine", attempt: 1},
		{name: "timeout", fail: func(int) error { return context.DeadlineExceeded }, state: tracker.Failed, code: CodeTimeout, attempt: 1},
		{
			name:    "refused by the store",
			outcome: func(out *tracker.Outcome) { out.Predictions = []tracker.Prediction{{TestSet: "id"}} },
			state:   tracker.Failed, code: CodeError, attempt: 1,
		},
		{name: "no outcome", slice: &Slice{Done: true}, state: tracker.Failed, code: CodeError, attempt: 1},
		{name: "no checkpoint", slice: &Slice{Epoch: 1}, state: tracker.Failed, code: CodeError, attempt: 1},
	}
	store := trackertest.New(t)
	tr := &trainer{
		outcome: func(spec RunSpec, out *tracker.Outcome) {
			if f := cases[spec.SplitSeed].outcome; f != nil {
				f(out)
			}
		},
	}
	attempts := make([]int, len(cases))
	run := func(ctx context.Context, spec RunSpec, checkpoint []byte, rec Recorder, budget time.Duration) (Slice, error) {
		c := cases[spec.SplitSeed]
		attempts[spec.SplitSeed]++
		if c.slice != nil {
			return *c.slice, nil
		}
		if c.fail != nil {
			if err := c.fail(attempts[spec.SplitSeed]); err != nil {
				return Slice{}, err
			}
		}
		return tr.run(ctx, spec, checkpoint, rec, budget)
	}
	status := mustRun(t, store, compile(t, edit(t, single, "seeds = [0]", "seeds = [0, 1, 2, 3, 4, 5, 6, 7, 8]")), run, quick(2))
	if status.Done != 1 || len(status.Failures) != len(cases)-1 || !strings.Contains(status.Hint(), "retry single") {
		t.Errorf("got %+v, hint %q", status, status.Hint())
	}
	for _, r := range runs(t, store, status.ID) {
		r, err := store.Run(t.Context(), r.ID)
		if err != nil {
			t.Fatal(err)
		}
		c := cases[r.SplitSeed]
		if r.State != c.state || r.ErrorCode != c.code || r.Attempt != c.attempt || !strings.Contains(r.ErrorLog, c.log) {
			t.Errorf("%s: got state %s, code %q, attempt %d, message %q, log %q", c.name, r.State, r.ErrorCode, r.Attempt, r.ErrorMessage, r.ErrorLog)
		}
	}
}

func codedOnce(n int, code string) error {
	if n == 1 {
		return codedError{code: code}
	}
	return nil
}

// A cell that fails holds back no other, and Retry completes it later.
func TestRetry_FailedCell(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, small)
	broken := &trainer{before: func(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
		if spec.Variant == "md" {
			return codedError{code: "nan"}
		}
		return nil
	}}
	status := mustRun(t, store, p, broken.run, quick(2))
	if status.Done != 4 || status.Failed != 2 || status.Expected != 6 || len(status.Winners) != 1 {
		t.Fatalf("got %+v", status)
	}
	n, err := Retry(t.Context(), store, "small")
	if err != nil || n != 2 {
		t.Fatalf("got %d runs to retry, %v, want 2", n, err)
	}
	if status = mustRun(t, store, p, new(trainer).run, quick(2)); status.Done != 8 || status.Failed != 0 {
		t.Errorf("got %+v", status)
	}
}

// A trial that is retried and wins replaces the replicates of the earlier winner.
func TestRetry_ChangesWinner(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	p := compile(t, edit(t, small, `["erm", "md"]`, `["erm"]`))
	first := &trainer{
		before: func(_ context.Context, spec RunSpec, _ int, _ Recorder) error {
			if spec.Trial == 1 && spec.Phase == PhaseSearch {
				return codedError{code: "nan"}
			}
			return nil
		},
		outcome: func(spec RunSpec, out *tracker.Outcome) {
			out.Metrics[tracker.Metric{Name: "auroc", Split: "val", Group: "worst_pattern"}] = float64(spec.Trial) / 4
		},
	}
	if s := mustRun(t, store, p, first.run, quick(2)); s.Winners[0].Trial != 0 || s.Done != 3 {
		t.Fatalf("got %+v", s)
	}
	if _, err := Retry(t.Context(), store, "small", tracker.Failed); err != nil {
		t.Fatal(err)
	}
	first.before = nil
	s := mustRun(t, store, p, first.run, quick(2))
	if s.Winners[0].Trial != 1 || s.Done != 4 {
		t.Errorf("got %+v, want two trials and two replicates of trial 1", s)
	}
}

// A spec that this program cannot read is a failure with a code of its own.
func TestRun_UnreadableSpec(t *testing.T) {
	t.Parallel()
	store := trackertest.New(t)
	ctx := deadline(t)
	p := compile(t, single)
	if _, err := Enqueue(ctx, store, p); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Pool().Exec(ctx, `update run set spec = '{"version": 99}'`); err != nil {
		t.Fatal(err)
	}
	if s := mustRun(t, store, p, new(trainer).run, quick(1)); len(s.Failures) != 1 || s.Failures[0].Code != CodeSpec {
		t.Errorf("got %+v", s.Failures)
	}
}
