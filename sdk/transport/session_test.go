package transport

import (
	"context"
	"errors"
	"strings"
	"testing"

	"google.golang.org/grpc"

	"github.com/deconfound/deconfound/sdk"
)

func TestSession_errors(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		var fail func() error
		s := openBackbone(t, w, 0, &fakeSession{forward: func(context.Context, sdk.ForwardRequest, *sdk.ForwardResponse) error { return fail() }})
		for _, c := range []struct {
			err  error
			code sdk.Code
		}{
			{sdk.Errorf(sdk.CodeBadRequest, "row 7 is outside the store"), sdk.CodeBadRequest},
			{errors.New("file not found"), sdk.CodeInternal},
			{sdk.Errorf(sdk.CodePluginCrash, "pretended"), sdk.CodeInternal},
			{errors.New("not \xff UTF-8"), sdk.CodeInternal},
			{errors.New(strings.Repeat("long ", 1<<20)), sdk.CodeInternal},
		} {
			fail = func() error { return c.err }
			err := s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{})
			if sdk.CodeOf(err) != c.code {
				t.Errorf("got %v (%s), want code %s", err, sdk.CodeOf(err), c.code)
			}
			if len(err.Error()) > maxErrorText {
				t.Errorf("the text has %d bytes, want at most %d", len(err.Error()), maxErrorText)
			}
		}
		// Errors leave the session open.
		fail = func() error { return nil }
		if err := s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{}); err != nil {
			t.Error(err)
		}
	})
}

func TestSession_panic(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		closed := make(chan struct{})
		f := &fakeSession{
			forward: func(context.Context, sdk.ForwardRequest, *sdk.ForwardResponse) error {
				var m map[string]int
				m["x"] = 1 //nolint:staticcheck // this panic is what the test wants
				return nil
			},
			close: func() error { close(closed); return nil },
		}
		s := openBackbone(t, w, 0, f)
		err := s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{})
		if sdk.CodeOf(err) != sdk.CodePanic || !strings.Contains(err.Error(), "nil map") || !strings.Contains(err.Error(), " at session_test.go:") {
			t.Errorf("got %v, want a panic on a nil map in this file", err)
		}
		<-closed
		<-s.Done()
		if err := s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{}); sdk.CodeOf(err) != sdk.CodeClosed {
			t.Errorf("got %v, want closed", err)
		}
	})
}

func TestSession_messageTooLarge(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		f := &fakeSession{
			snapshot: func(resp *sdk.SnapshotResponse) error { resp.State = make([]byte, 100_000); return nil },
			restore:  func(sdk.RestoreRequest) error { return nil },
		}
		s := openBackbone(t, w, 50_000, f)
		if err := s.Snapshot(t.Context(), sdk.SnapshotRequest{}, &sdk.SnapshotResponse{}); sdk.CodeOf(err) != sdk.CodeMessageTooLarge {
			t.Errorf("snapshot: got %v, want message_too_large", err)
		}
		if err := s.Restore(t.Context(), sdk.RestoreRequest{State: make([]byte, 60_000)}, &sdk.RestoreResponse{}); sdk.CodeOf(err) != sdk.CodeMessageTooLarge {
			t.Errorf("restore: got %v, want message_too_large", err)
		}
		if err := s.Restore(t.Context(), sdk.RestoreRequest{State: make([]byte, 40_000)}, &sdk.RestoreResponse{}); err != nil {
			t.Errorf("the session did not survive: %v", err)
		}
	})
}

// Two requests in flight on the same session: the plugin gets them in order, and
// neither overwrites the other's tensors.
func TestSession_pipelined(t *testing.T) {
	eachWay(t, func(t *testing.T, w way) {
		gate := make(chan struct{})
		s := openBackbone(t, w, 0, &fakeSession{
			forward: func(_ context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
				<-gate
				resp.H = ramp(2, 3)
				resp.H.Data[0] = float32(req.Step)
				return nil
			},
			backward: func(req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
				resp.GradientNorm = float64(req.DH.Data[0])
				return nil
			},
		})
		for step := range uint64(20) {
			var forward sdk.ForwardResponse
			done := make(chan error, 1)
			go func() { done <- s.Forward(t.Context(), sdk.ForwardRequest{Step: step}, &forward) }()
			gate <- struct{}{} // the forward is being worked on
			dh := ramp(2, 3)
			dh.Data[0] = float32(step) + 0.5
			var backward sdk.BackwardResponse
			if err := s.Backward(t.Context(), sdk.BackwardRequest{DH: dh}, &backward); err != nil {
				t.Fatal(err)
			}
			if err := <-done; err != nil {
				t.Fatal(err)
			}
			if forward.H.Data[0] != float32(step) || backward.GradientNorm != float64(step)+0.5 {
				t.Fatalf("step %d: got %v and %v", step, forward.H.Data[0], backward.GradientNorm)
			}
		}
	})
}

// A caller that gives up gets its error at once; the slab is used again only
// when the plugin has stopped working.
func TestSession_canceled(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		started, gate := make(chan struct{}), make(chan struct{})
		f := &fakeSession{forward: func(_ context.Context, _ sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
			close(started)
			<-gate
			resp.H = ramp(2, 2)
			return nil
		}}
		s := openBackbone(t, w, 0, f)
		free := func() int {
			s.arena.mu.RLock()
			defer s.arena.mu.RUnlock()
			return len(s.arena.free)
		}
		before := free()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-started; cancel() }()
		var resp sdk.ForwardResponse
		err := s.Forward(ctx, sdk.ForwardRequest{}, &resp)
		if sdk.CodeOf(err) != sdk.CodeCanceled || !errors.Is(err, context.Canceled) {
			t.Errorf("got %v, want canceled", err)
		}
		if free() != before {
			t.Error("the slab was given back while the plugin worked on it")
		}
		close(gate)
		<-s.Done()
		if free() != before+1 {
			t.Error("the slab was not given back")
		}
		if resp.H.Data != nil {
			t.Error("the response was written to after the call returned")
		}
		if err := s.Forward(t.Context(), sdk.ForwardRequest{}, &resp); sdk.CodeOf(err) != sdk.CodeCanceled {
			t.Errorf("got %v, want the session to stay given up", err)
		}
		if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Errorf("close: %v", err)
		}
	})
}

// A call whose context has ended is not sent, and leaves the session as it was.
func TestSession_canceledBefore(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		calls := 0
		s := openBackbone(t, w, 0, &fakeSession{forward: func(context.Context, sdk.ForwardRequest, *sdk.ForwardResponse) error {
			calls++
			return nil
		}})
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		for range 50 {
			if err := s.Forward(ctx, sdk.ForwardRequest{}, &sdk.ForwardResponse{}); sdk.CodeOf(err) != sdk.CodeCanceled || !errors.Is(err, context.Canceled) {
				t.Fatalf("got %v, want canceled", err)
			}
		}
		if err := s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{}); err != nil {
			t.Error(err)
		}
		if err := s.Close(t.Context(), sdk.CloseRequest{}, nil); err != nil {
			t.Error(err)
		}
		if calls != 1 {
			t.Errorf("the plugin was called %d times, want once", calls)
		}
	})
}

func TestSession_Close(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		closes := 0
		s := openBackbone(t, w, 0, &fakeSession{close: func() error { closes++; return nil }})
		for range 2 {
			if err := s.Close(t.Context(), sdk.CloseRequest{}, &sdk.CloseResponse{}); err != nil {
				t.Error(err)
			}
		}
		<-s.Done()
		if closes != 1 {
			t.Errorf("the author's Close ran %d times, want once", closes)
		}
		if err := s.Forward(t.Context(), sdk.ForwardRequest{}, &sdk.ForwardResponse{}); sdk.CodeOf(err) != sdk.CodeClosed {
			t.Errorf("got %v, want closed", err)
		}
	})
}

func TestSession_moreThanSlabs(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterBackbone(s, fakeBackbone{open: func(sdk.OpenRequest) (sdk.BackboneSession, error) {
				return &fakeSession{forward: func(_ context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
					resp.H = ramp(2, 2)
					resp.H.Data[1] = float32(req.Step)
					return nil
				}}, nil
			}}, a, d)
		})
		var sessions []*BackboneSession
		for range arenaSlabs + 2 {
			s, err := client.OpenBackbone(t.Context(), sdk.OpenRequest{})
			if err != nil {
				t.Fatal(err)
			}
			sessions = append(sessions, s)
		}
		if got := sessions[arenaSlabs].slab.slotSize; got != 0 {
			t.Errorf("session %d has slots of %d bytes, want none", arenaSlabs, got)
		}
		for i, s := range sessions {
			var resp sdk.ForwardResponse
			if err := s.Forward(t.Context(), sdk.ForwardRequest{Step: uint64(i)}, &resp); err != nil {
				t.Fatal(err)
			}
			if resp.H.Data[1] != float32(i) {
				t.Errorf("session %d got the answer of session %v", i, resp.H.Data[1])
			}
		}
	})
}

// A request that cannot be sent fails at once and ends its session.
func TestOpen_unsendable(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterBackbone(s, fakeBackbone{open: func(sdk.OpenRequest) (sdk.BackboneSession, error) { return &fakeSession{}, nil }}, a, d)
		})
		req := sdk.OpenRequest{Modalities: []sdk.Modality{{Kind: "not \xff UTF-8"}}}
		if s, err := client.OpenBackbone(t.Context(), req); err == nil || s != nil {
			t.Errorf("got %v, %v", s, err)
		}
		if _, err := client.OpenBackbone(t.Context(), sdk.OpenRequest{}); err != nil {
			t.Errorf("the next session: %v", err)
		}
	})
}

func TestOpen_wrongKind(t *testing.T) {
	eachStream(t, func(t *testing.T, w way) {
		client := connect(t, w, 0, func(s grpc.ServiceRegistrar, a *Arena, d *Door) {
			RegisterBackbone(s, fakeBackbone{open: func(sdk.OpenRequest) (sdk.BackboneSession, error) { return nil, nil }}, a, d)
		})
		if _, err := client.OpenStrategy(t.Context(), sdk.StrategyOpenRequest{}); sdk.CodeOf(err) != sdk.CodeUnsupported {
			t.Errorf("got %v, want unsupported", err)
		}
		if _, err := client.OpenBackbone(t.Context(), sdk.OpenRequest{}); sdk.CodeOf(err) != sdk.CodeInternal {
			t.Errorf("got %v, want internal for an Open without a session", err)
		}
	})
}
