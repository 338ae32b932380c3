package train_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sdk"
)

// late is a backbone session that answers a Backward only when it is asked for
// the next Forward, or when the answer is waited for.
type late struct {
	sdk.BackboneSession
	log    *lateLog
	behind func() error // does the Backward that has no answer yet
	result error
	done   bool // it was done because a Forward came behind it
}

// lateLog is what late sessions were asked.
type lateLog struct {
	steps    int           // Backwards
	overlaps int           // Forwards that came before the answer to a Backward
	fail     map[int]error // of the n-th Backward
	started  func(n int)   // is told of every Backward
	problems []string
}

// opener opens late sessions.
func (l *lateLog) opener() *opener {
	return &opener{wrap: func(s sdk.BackboneSession) sdk.BackboneSession { return &late{BackboneSession: s, log: l} }}
}

func (l *lateLog) check(t *testing.T) {
	t.Helper()
	for _, problem := range l.problems {
		t.Error(problem)
	}
}

func (s *late) StartBackward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) func() error {
	s.idle("backward")
	n := s.log.steps
	s.log.steps++
	s.done = false
	s.behind = func() error {
		if err := s.log.fail[n]; err != nil {
			return err
		}
		return s.BackboneSession.Backward(ctx, req, resp)
	}
	if s.log.started != nil {
		s.log.started(n)
	}
	return func() error {
		if !s.done {
			s.result = s.behind()
		}
		s.behind = nil
		if err := ctx.Err(); err != nil {
			return sdk.Wrap(sdk.CodeCanceled, err, "backward")
		}
		return s.result
	}
}

func (s *late) Backward(context.Context, sdk.BackwardRequest, *sdk.BackwardResponse) error {
	s.log.problems = append(s.log.problems, "a Backward that is waited for")
	return nil
}

func (s *late) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	if s.behind != nil {
		if req.Mode != sdk.Train || s.done {
			s.idle("forward in " + req.Mode.String() + " mode")
		}
		s.log.overlaps++
		s.result, s.done = s.behind(), true
	}
	return s.BackboneSession.Forward(ctx, req, resp)
}

func (s *late) Snapshot(ctx context.Context, req sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	s.idle("snapshot")
	return s.BackboneSession.Snapshot(ctx, req, resp)
}

func (s *late) Close(ctx context.Context, req sdk.CloseRequest, resp *sdk.CloseResponse) error {
	s.idle("close")
	return s.BackboneSession.Close(ctx, req, resp)
}

func (s *late) idle(what string) {
	if s.behind != nil {
		s.log.problems = append(s.log.problems, what+" with a Backward in flight")
	}
}

// The next forward is sent before the answer to a backward, nothing else is, and
// every value of the run is the same to the last bit.
func TestRun_ForwardBehindBackward(t *testing.T) {
	d := data(t, cohort(t, 600))
	want, wantPoints := finish(t, config(1), d, &opener{}, 2)
	o := &lateLog{}
	got, gotPoints := finish(t, config(1), d, o.opener(), 2)
	sameOutcome(t, got, want)
	for epoch := range wantPoints {
		sameValues(t, gotPoints[epoch], wantPoints[epoch])
	}
	if len(gotPoints) != len(wantPoints) {
		t.Errorf("%d epochs, want %d", len(gotPoints), len(wantPoints))
	}
	o.check(t)
	// All but the last of every epoch.
	if epochs := len(gotPoints); o.overlaps != o.steps-epochs || o.overlaps == 0 {
		t.Errorf("%d forwards behind %d backwards of %d epochs", o.overlaps, o.steps, epochs)
	}
}

// An error of a backward is that of its own step, also when the forward of the
// next one was sent behind it and has failed with it.
func TestRun_BackwardFails(t *testing.T) {
	d := data(t, cohort(t, 600))
	steps := (len(d.Split.Train) + config(1).BatchSize - 1) / config(1).BatchSize
	for _, step := range []int{0, 2, steps - 1, steps + 1} {
		failure := sdk.Errorf(sdk.CodePanic, "it panicked")
		o := &lateLog{fail: map[int]error{step: failure}}
		opener := o.opener()
		opener.answer = func(_ sdk.ForwardRequest, resp *sdk.ForwardResponse) {
			if o.steps > step {
				resp.H.Data[0] = float32(math.NaN()) // the model is broken
			}
		}
		run, err := train.Open(t.Context(), config(1), d, train.Plugins{Opener: opener, Backbone: fusionInfo})
		if err != nil {
			t.Fatal(err)
		}
		_, err = run.Slice(t.Context(), points{}, func() bool { return false })
		if want := fmt.Sprintf("epoch %d: step %d: backward: ", step/steps, step); !errors.Is(err, failure) || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
		if o.steps != step+1 {
			t.Errorf("%d backwards, want none after number %d", o.steps, step)
		}
		if err := run.Close(t.Context()); err != nil {
			t.Error(err)
		}
		o.check(t)
	}
}

// A run that is cancelled between two steps leaves nothing in flight.
func TestRun_CanceledWithABackwardInFlight(t *testing.T) {
	d := data(t, cohort(t, 600))
	ctx, cancel := context.WithCancel(t.Context())
	o := &lateLog{started: func(n int) {
		if n == 1 {
			cancel()
		}
	}}
	run, err := train.Open(t.Context(), config(1), d, train.Plugins{Opener: o.opener(), Backbone: fusionInfo})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := run.Slice(ctx, points{}, func() bool { return false }); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v, want canceled", err)
	}
	if err := run.Close(t.Context()); err != nil {
		t.Error(err)
	}
	if o.steps != 2 {
		t.Errorf("%d backwards, want 2", o.steps)
	}
	o.check(t)
}
