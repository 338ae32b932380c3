package backbone

import (
	"context"
	"errors"
	"io"
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

var errNoForward error = sdk.Errorf(sdk.CodeBadRequest, "backward without a forward in train mode just before it")

type session struct {
	config      Config
	needsLabels bool
	source      io.Closer
	loader      *Loader
	model       Model
	optimizer   nn.Optimizer
	pending     int // size of the batch that waits for its Backward, 0 if none
	h           []float32
	closed      bool
}

// Forward answers h. A Forward before the Backward of an earlier one drops the
// earlier one, whatever the mode: a model keeps what it needs for one batch only.
func (s *session) Forward(_ context.Context, request sdk.ForwardRequest, response *sdk.ForwardResponse) error {
	if err := s.open(); err != nil {
		return err
	}
	s.pending = 0
	batch, err := s.batch(request)
	if err != nil {
		return err
	}
	h, err := s.model.Forward(batch)
	if err == nil {
		err = batch.Err()
	}
	if err != nil {
		return err
	}
	answer := sdk.Tensor{Shape: []int{batch.Size, s.config.Width}, Data: h}
	if err := answer.Check("h", batch.Size, s.config.Width); err != nil {
		return err
	}
	if err := answer.CheckFinite("h"); err != nil {
		return err
	}
	// A copy, because a graph reuses its memory while a caller may still send.
	s.h = append(s.h[:0], h...)
	answer.Data = s.h
	response.H = answer
	if batch.Train {
		s.pending = batch.Size
	}
	return nil
}

func (s *session) batch(r sdk.ForwardRequest) (*Batch, error) {
	if len(r.Rows) > s.config.MaxBatch {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the batch has %d rows, the session was opened for at most %d", len(r.Rows), s.config.MaxBatch)
	}
	switch r.Mode {
	case sdk.Eval:
		return s.loader.Eval(r.Rows, r.Availability)
	case sdk.Train:
		var labels []float32
		if s.needsLabels {
			if err := checkLabels(s.config.Task, len(r.Rows), r.Labels); err != nil {
				return nil, err
			}
			labels = r.Labels
		}
		return s.loader.Train(r.Rows, r.Availability, labels, rng.Stream(s.config.Seed, "dropout", r.Step))
	}
	return nil, sdk.Errorf(sdk.CodeBadRequest, "unknown mode %d", r.Mode)
}

// Backward computes the gradient and takes one step of the optimiser. After an
// error the parameters are as before.
func (s *session) Backward(_ context.Context, request sdk.BackwardRequest, response *sdk.BackwardResponse) error {
	if err := s.open(); err != nil {
		return err
	}
	if s.pending == 0 {
		return errNoForward
	}
	if err := request.DH.Check("dh", s.pending, s.config.Width); err != nil {
		return err
	}
	if err := request.DH.CheckFinite("dh"); err != nil {
		return err
	}
	if err := checkWeights(request.Weights, s.pending); err != nil {
		return err
	}
	s.loader.batch.weights = request.Weights
	s.pending = 0
	ZeroGrad(s.model)
	terms, err := s.model.Backward(request.DH.Data)
	if err != nil {
		return err
	}
	norm := nn.GradientNorm(s.model.Params())
	if math.IsNaN(norm) || math.IsInf(norm, 0) {
		return sdk.Errorf(sdk.CodeNotFinite, "the norm of the backbone's gradient is %v", norm)
	}
	if request.ResetOptimizer {
		s.optimizer.Reset()
	}
	s.optimizer.Step()
	response.Terms, response.GradientNorm = terms, norm
	return nil
}

// Close releases the feature store and the model. A second Close does nothing.
func (s *session) Close(context.Context, sdk.CloseRequest, *sdk.CloseResponse) error {
	if s.closed {
		return nil
	}
	s.closed, s.pending = true, 0
	return errors.Join(closeModel(s.model), s.source.Close())
}

// checkWeights refuses weights that are not one for each row, finite and not negative.
func checkWeights(weights []float32, rows int) error {
	if weights != nil && len(weights) != rows {
		return sdk.Errorf(sdk.CodeBadShape, "%d weights for %d rows", len(weights), rows)
	}
	for i, w := range weights {
		if !(w >= 0) || math.IsInf(float64(w), 0) {
			return sdk.Errorf(sdk.CodeNotFinite, "weight %d is %v, it must be finite and not negative", i, w)
		}
	}
	return nil
}

func (s *session) open() error {
	if s.closed {
		return sdk.Errorf(sdk.CodeClosed, "the session is closed")
	}
	return nil
}

func closeModel(m Model) error {
	if t, ok := m.(interface{ unwrap() TapeModel }); ok {
		if c, ok := t.unwrap().(io.Closer); ok {
			return c.Close()
		}
		return nil
	}
	if c, ok := m.(io.Closer); ok {
		return c.Close()
	}
	return nil
}
