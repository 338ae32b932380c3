package train

import (
	"context"
	"fmt"

	"github.com/deconfound/deconfound/sdk"
)

// starter is a backbone session that takes the next Forward while it is at a
// Backward, as host/plugin's does. One round trip a step is then not waited for,
// and the host makes the next batch meanwhile. The plugin does the same in the
// same order, so the bits are the same.
type starter interface {
	StartBackward(ctx context.Context, req sdk.BackwardRequest, resp *sdk.BackwardResponse) (wait func() error)
}

// backward is a Backward that the backbone is at.
type backward struct {
	rows     int
	response sdk.BackwardResponse
	wait     func() error
}

// startBackward sends the gradient of the step to the backbone. With a session
// that is no starter the step is settled at once.
func (r *Run) startBackward(ctx context.Context, req sdk.BackwardRequest, means *means) error {
	b := &backward{rows: req.DH.Shape[0]}
	r.pending = b
	if s, ok := r.backbone.(starter); ok {
		b.wait = s.StartBackward(ctx, req, &b.response)
		return nil
	}
	b.wait = func() error { return r.backbone.Backward(ctx, req, &b.response) }
	return r.settle(means)
}

// settle waits for the Backward that the backbone is at, if it is at one. Nothing
// but a Forward may be asked of it before.
func (r *Run) settle(means *means) error {
	b := r.pending
	if b == nil {
		return nil
	}
	r.pending = nil
	if err := b.wait(); err != nil {
		return fmt.Errorf("backward: %w", err)
	}
	for _, term := range b.response.Terms {
		means.add("backbone/"+term.Name, term.Value, float64(b.rows))
	}
	means.add("backbone/gradient_norm", b.response.GradientNorm, 1)
	return nil
}
