package backbone

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Model is a fusion model: parameters, a forward pass to h and its gradient. It
// is used by one goroutine at a time. A model that must be told when its session
// ends implements io.Closer; one with state beside its parameters implements
// [Stateful].
type Model interface {
	// Forward returns h, [batch.Size * Width]. The slice belongs to the model and
	// is valid until the next call. If batch.Train is set, Backward may follow.
	Forward(batch *Batch) ([]float32, error)
	// Backward adds the gradient of the loss with respect to the parameters to
	// their Grad, given dh of the last Forward in training; dh belongs to the
	// caller. It returns the values of the model's own auxiliary losses, as they
	// enter the objective (weights included), whose gradients it has added too. It
	// is called at most once for a Forward.
	Backward(dh []float32) ([]sdk.Term, error)
	// Params returns the parameters, always the same ones in the same order.
	Params() []*nn.Param
}

// Costed is a Model that counts what it computes.
type Costed interface {
	// Cost is that of all batches so far, its memory that of the last one.
	Cost() nn.Cost
}

// ZeroGrader is a Model that sets the gradients of its parameters to zero itself,
// by the end of the next Backward. Those of others are cleared for them.
type ZeroGrader interface {
	ZeroGrad()
}

// ZeroGrad sets the gradients of the parameters of m to zero, as they will be found
// by the next Backward and after it.
func ZeroGrad(m Model) {
	if z, ok := m.(ZeroGrader); ok {
		z.ZeroGrad()
		return
	}
	for _, p := range m.Params() {
		clear(p.Grad)
	}
}

// Stateful is a Model with state that is not a parameter and that later batches
// depend on, for example running means.
type Stateful interface {
	State() []byte
	// SetState takes what State returned for a model built from the same Config.
	SetState([]byte) error
}
