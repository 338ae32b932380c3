package plugin

import (
	"context"
	"path/filepath"
	"sync"
	"time"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/transport"
)

// BackboneSession is a session of a backbone whose answers are checked: h has
// the asked shape and is finite. After an error with a code other than
// bad_request, unsupported, message_too_large or internal it takes no more calls
// but Close.
type BackboneSession struct {
	session
	wire *transport.BackboneSession
	open sdk.OpenRequest

	mu      sync.Mutex
	trained int  // rows of the last Forward in Train mode; -1 before
	behind  bool // a Backward has no answer yet
}

var _ sdk.BackboneSession = (*BackboneSession)(nil)

// OpenBackbone opens a session. Hyperparameters are checked and completed, and
// what the plugin cannot do is refused, before the plugin sees the request.
func OpenBackbone(ctx context.Context, p *Process, req sdk.OpenRequest) (*BackboneSession, error) {
	if p.entry.Kind != sdk.KindBackbone {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "%s is no backbone", p.entry)
	}
	if err := p.checkOpen(&req); err != nil {
		return nil, err
	}
	s := &BackboneSession{session: session{process: p}, open: req, trained: -1}
	err := p.guard(ctx, "open", p.timeouts.Open, func(ctx context.Context) (done <-chan struct{}, err error) {
		if s.wire, err = p.wire.OpenBackbone(ctx, req); s.wire != nil {
			done = s.wire.Done()
		}
		return done, err
	})
	if err != nil {
		return nil, err
	}
	s.session.wire = s.wire
	return s, nil
}

// checkOpen checks and completes the request.
func (p *Process) checkOpen(req *sdk.OpenRequest) error {
	if req.Width < 1 {
		return sdk.Errorf(sdk.CodeBadRequest, "open %s: the width is %d, it must be at least 1", p.entry, req.Width)
	}
	if n := len(req.Modalities); n < 1 || n > sdk.MaxModalities {
		return sdk.Errorf(sdk.CodeBadRequest, "open %s: %d modalities, want 1 to %d", p.entry, n, sdk.MaxModalities)
	}
	for _, m := range req.Modalities {
		if m.Width < 0 || len(m.Scaling.Mean) != len(m.Scaling.Scale) {
			return sdk.Errorf(sdk.CodeBadRequest, "open %s: modality %s has width %d, %d means and %d scales", p.entry, m.Name, m.Width, len(m.Scaling.Mean), len(m.Scaling.Scale))
		}
	}
	if err := req.Task.Validate(); err != nil {
		return sdk.Wrap(sdk.CodeBadRequest, err, "open %s", p.entry)
	}
	if err := p.info.Capabilities.Accepts(req.Task, req.Modalities); err != nil {
		return sdk.Wrap(sdk.CodeUnsupported, err, "open %s", p.entry)
	}
	values, err := p.info.Complete(req.Hyperparameters)
	if err != nil {
		return err
	}
	req.Hyperparameters = values
	if req.FeatureStore != "" {
		// The plugin runs in a directory of its own.
		if req.FeatureStore, err = filepath.Abs(req.FeatureStore); err != nil {
			return sdk.Wrap(sdk.CodeBadRequest, err, "open %s", p.entry)
		}
	}
	return nil
}

// Forward implements sdk.BackboneSession. The memory of resp.H, if it is large
// enough, is used again for the answer.
func (s *BackboneSession) Forward(ctx context.Context, req sdk.ForwardRequest, resp *sdk.ForwardResponse) error {
	if err := s.checkForward(req); err != nil {
		return err
	}
	if err := s.call(ctx, "forward", s.patience(), func(ctx context.Context) error {
		return s.wire.Forward(ctx, req, resp)
	}); err != nil {
		return err
	}
	if err := s.wrong("forward", s.checkForwarded(len(req.Rows), resp)); err != nil {
		*resp = sdk.ForwardResponse{}
		return err
	}
	if req.Mode == sdk.Train {
		s.mu.Lock()
		s.trained = len(req.Rows)
		s.mu.Unlock()
	}
	return nil
}

// checkForward keeps the host from sending what the contract forbids; labels
// above all.
func (s *BackboneSession) checkForward(req sdk.ForwardRequest) error {
	rows := len(req.Rows)
	switch {
	case rows == 0:
		return sdk.Errorf(sdk.CodeBadRequest, "forward without rows")
	case s.open.MaxBatch > 0 && rows > s.open.MaxBatch:
		return sdk.Errorf(sdk.CodeBadRequest, "forward of %d rows, the session was opened for at most %d", rows, s.open.MaxBatch)
	case len(req.Availability) != rows:
		return sdk.Errorf(sdk.CodeBadRequest, "forward of %d rows with %d availability masks", rows, len(req.Availability))
	}
	needs := s.process.info.Capabilities.NeedsLabels && req.Mode == sdk.Train
	switch want := rows * s.open.Task.LabelWidth(); {
	case !needs && req.Labels != nil:
		return sdk.Errorf(sdk.CodeBadRequest, "labels in a forward of %s in %s mode, which must not see them", s.process.entry, req.Mode)
	case needs && len(req.Labels) != want:
		return sdk.Errorf(sdk.CodeBadRequest, "forward with %d labels, %s needs %d", len(req.Labels), s.process.entry, want)
	}
	return nil
}

func (s *BackboneSession) checkForwarded(rows int, resp *sdk.ForwardResponse) error {
	if err := resp.H.Check("h", rows, s.open.Width); err != nil {
		return err
	}
	if err := resp.H.CheckFinite("h"); err != nil {
		return err
	}
	e := resp.ModalityEmbeddings
	if e.Absent() {
		return nil
	}
	width := 0
	if len(e.Shape) == 3 {
		width = e.Shape[2]
	}
	if err := e.Check("modality embeddings", rows, len(s.open.Modalities), width); err != nil {
		return err
	}
	return e.CheckFinite("modality embeddings")
}

// Backward implements sdk.BackboneSession.
func (s *BackboneSession) Backward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) error {
	return s.sendBackward(ctx, req, resp)()
}

// StartBackward sends what Backward does and returns without the answer; the
// function it returns waits for that. In between one Forward may be called, which
// the plugin gets after this. resp belongs to the call until wait has returned.
func (s *BackboneSession) StartBackward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) (wait func() error) {
	answer := s.sendBackward(ctx, req, resp)
	done := make(chan error, 1)
	go func() { done <- answer() }() // the deadline ends with the answer, not with wait
	return func() error { return <-done }
}

// sendBackward returns a function that waits for the answer and checks it.
func (s *BackboneSession) sendBackward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) (wait func() error) {
	if err := s.checkBackward(req); err != nil {
		return func() error { return err }
	}
	s.setBehind(true)
	answer := s.wire.StartBackward(ctx, req, resp)
	return func() error {
		defer s.setBehind(false)
		// A Forward behind it may have ended the session by now; this has its own
		// answer.
		err := s.process.await(ctx, "backward", s.process.timeouts.Step, func(context.Context) (<-chan struct{}, error) {
			return s.wire.Done(), answer()
		})
		if err := s.judge(err); err != nil {
			return err
		}
		return s.wrong("backward", checkBackwarded(resp))
	}
}

func (s *BackboneSession) checkBackward(req sdk.BackwardRequest) error {
	if err := s.failure(); err != nil {
		return err
	}
	if cause := s.process.Err(); cause != nil {
		return s.judge(lost("backward", cause))
	}
	s.mu.Lock()
	rows := s.trained
	s.mu.Unlock()
	if rows < 0 {
		return sdk.Errorf(sdk.CodeBadRequest, "backward without a forward in train mode")
	}
	if err := req.DH.Check("dh", rows, s.open.Width); err != nil {
		return err
	}
	return req.DH.CheckFinite("dh")
}

func checkBackwarded(resp *sdk.BackwardResponse) error {
	if err := checkTerms(resp.Terms); err != nil {
		return err
	}
	return checkNumber("the gradient norm", resp.GradientNorm)
}

// setBehind notes whether the plugin is at a Backward, behind which a Forward
// waits.
func (s *BackboneSession) setBehind(behind bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.behind = behind
}

// patience is the deadline of a Forward from now on.
func (s *BackboneSession) patience() time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.behind {
		return 2 * s.process.timeouts.Step
	}
	return s.process.timeouts.Step
}
