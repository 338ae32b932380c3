package plugin

import (
	"context"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/deconfound/deconfound/sdk"
)

// settle is how long a broken connection waits for the process's end, which
// usually is the reason and follows within milliseconds.
const settle = 2 * time.Second

// wire is what both kinds of session have in common on the transport.
type wire interface {
	Snapshot(context.Context, sdk.SnapshotRequest, *sdk.SnapshotResponse) error
	Restore(context.Context, sdk.RestoreRequest, *sdk.RestoreResponse) error
	Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error
	Done() <-chan struct{}
}

// session guards the calls of one session: deadlines, the reason of a failure,
// and checks that hold for both kinds.
type session struct {
	process *Process
	wire    wire

	mu         sync.Mutex
	err        error // why the session takes no more calls
	parameters []shaped
	known      bool // parameters were seen
}

// shaped is a parameter without its values.
type shaped struct {
	name  string
	shape []int
}

// guard runs one call. It kills the process when the call takes longer than
// timeout, also after the caller has left.
func (p *Process) guard(ctx context.Context, what string, timeout time.Duration, call func(context.Context) (done <-chan struct{}, err error)) error {
	if cause := p.Err(); cause != nil {
		return lost(what, cause)
	}
	return p.await(ctx, what, timeout, call)
}

// await is guard for a call whose request may have been sent already: what it
// answers says more than the end of the process.
func (p *Process) await(ctx context.Context, what string, timeout time.Duration, call func(context.Context) (done <-chan struct{}, err error)) error {
	var late *sdk.Error
	var mu sync.Mutex
	deadline := p.deadlines.add(timeout, func() {
		err := p.failure(sdk.CodeDeadline, fmt.Sprintf("no answer to %s within %v, so it was killed", what, timeout))
		mu.Lock()
		late = err
		mu.Unlock()
		p.fail(err)
	})
	done, err := call(ctx)
	if sdk.CodeOf(err) == sdk.CodeCanceled && done != nil {
		// The plugin may hang in what the caller no longer waits for.
		go func() {
			<-done
			p.deadlines.remove(deadline)
		}()
	} else {
		p.deadlines.remove(deadline)
	}
	mu.Lock()
	defer mu.Unlock()
	if err != nil && late != nil {
		return late
	}
	return p.explain(what, err)
}

// explain turns an error of the transport into one about the process.
func (p *Process) explain(what string, err error) error {
	switch sdk.CodeOf(err) {
	case "":
		return nil
	case sdk.CodeCanceled:
		return err
	case sdk.CodeProtocol:
		p.fail(p.failure(sdk.CodeProtocol, what+": "+err.Error()))
		return p.failure(sdk.CodeProtocol, what+": "+err.Error())
	case sdk.CodePluginCrash:
		// The connection broke. The end of the process is the likely reason and
		// is known within milliseconds.
		select {
		case <-p.ended:
		case <-time.After(settle):
			p.fail(p.failure(sdk.CodePluginCrash, what+": "+err.Error()))
		}
	}
	cause := p.Err()
	if cause == nil {
		switch code := sdk.CodeOf(err); code {
		case sdk.CodePanic, sdk.CodeNotFinite, sdk.CodeBadShape, sdk.CodeInternal:
			// The plugin's own words: what it printed may say more.
			return p.failure(code, what+": "+err.Error())
		default:
			return sdk.Wrap(code, err, "%s: %s", p.entry, what)
		}
	}
	return lost(what, cause)
}

// lost is the error of a session whose process ended because of cause: what
// another session did wrong is no fault of this one.
func lost(what string, cause error) error {
	if code := sdk.CodeOf(cause); code == sdk.CodeDeadline || code == sdk.CodeProtocol {
		return sdk.Errorf(sdk.CodePluginCrash, "%s was killed because of another session: %s", what, cause)
	}
	return cause
}

// call runs one call of an open session.
func (s *session) call(ctx context.Context, what string, timeout time.Duration, call func(context.Context) error) error {
	if err := s.failure(); err != nil {
		return err
	}
	return s.judge(s.process.guard(ctx, what, timeout, func(ctx context.Context) (<-chan struct{}, error) {
		return s.wire.Done(), call(ctx)
	}))
}

// judge ends the session after an error that leaves it unusable.
func (s *session) judge(err error) error {
	switch sdk.CodeOf(err) {
	case "", sdk.CodeBadRequest, sdk.CodeMessageTooLarge, sdk.CodeUnsupported, sdk.CodeInternal:
		return err
	}
	return s.reject(err)
}

// reject ends the session because of err: what the plugin answered cannot be
// used, and neither can what it answers next.
func (s *session) reject(err error) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		s.err = sdk.Errorf(sdk.CodeClosed, "the session ended with an earlier error: %s", err)
	}
	return err
}

func (s *session) failure() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// wrong rejects an answer, naming plugin and call and adding its last lines.
func (s *session) wrong(what string, err error) error {
	if err == nil {
		return nil
	}
	return s.reject(s.process.failure(sdk.CodeOf(err), "its answer to "+what+" cannot be used: "+err.Error()))
}

// Snapshot answers the state of the session. Parameters are finite and keep
// their names and shapes from snapshot to snapshot.
func (s *session) Snapshot(ctx context.Context, req sdk.SnapshotRequest, resp *sdk.SnapshotResponse) error {
	if err := s.call(ctx, "snapshot", s.process.timeouts.State, func(ctx context.Context) error {
		return s.wire.Snapshot(ctx, req, resp)
	}); err != nil {
		return err
	}
	return s.wrong("snapshot", s.checkParameters(resp.Parameters))
}

func (s *session) checkParameters(parameters []sdk.NamedTensor) error {
	seen := map[string]bool{}
	now := make([]shaped, len(parameters))
	for i, p := range parameters {
		switch {
		case p.Name == "":
			return sdk.Errorf(sdk.CodeBadShape, "parameter %d has no name", i)
		case seen[p.Name]:
			return sdk.Errorf(sdk.CodeBadShape, "parameter %s occurs twice", p.Name)
		case p.Tensor.Absent():
			return sdk.Errorf(sdk.CodeBadShape, "parameter %s has no values", p.Name)
		}
		seen[p.Name] = true
		if err := p.Tensor.CheckFinite("parameter " + p.Name); err != nil {
			return err
		}
		now[i] = shaped{p.Name, p.Tensor.Shape}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.known {
		s.parameters, s.known = now, true
		return nil
	}
	if !slices.EqualFunc(s.parameters, now, func(a, b shaped) bool { return a.name == b.name && slices.Equal(a.shape, b.shape) }) {
		return sdk.Errorf(sdk.CodeBadShape, "its parameters are %v, they were %v", now, s.parameters)
	}
	return nil
}

// Restore sets the state of the session.
func (s *session) Restore(ctx context.Context, req sdk.RestoreRequest, resp *sdk.RestoreResponse) error {
	return s.call(ctx, "restore", s.process.timeouts.State, func(ctx context.Context) error {
		return s.wire.Restore(ctx, req, resp)
	})
}

// Close ends the session. It is no error to close one that has ended, or whose
// process has.
func (s *session) Close(ctx context.Context, req sdk.CloseRequest, resp *sdk.CloseResponse) error {
	_ = s.reject(sdk.Errorf(sdk.CodeClosed, "the session was closed"))
	if s.process.Err() != nil {
		return nil //nolint:nilerr // the session ended with its process
	}
	return s.process.guard(ctx, "close", s.process.timeouts.Close, func(ctx context.Context) (<-chan struct{}, error) {
		return s.wire.Done(), s.wire.Close(ctx, req, resp)
	})
}

// checkTerms refuses terms that cannot be recorded.
func checkTerms(terms []sdk.Term) error {
	for _, t := range terms {
		if t.Name == "" || len(t.Name) > 200 {
			return sdk.Errorf(sdk.CodeBadShape, "a term has the name %.200q", t.Name)
		}
		if err := checkNumber("term "+t.Name, t.Value); err != nil {
			return err
		}
	}
	return nil
}

func checkNumber(name string, v float64) error {
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return sdk.Errorf(sdk.CodeNotFinite, "%s is %v", name, v)
	}
	return nil
}
