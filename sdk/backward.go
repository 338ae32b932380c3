package sdk

// BackwardRequest carries the gradient of the loss with respect to h of the last
// Forward in Train mode.
type BackwardRequest struct {
	// DH has the shape of ForwardResponse.H.
	DH Tensor
	// Weights are those that the strategy gave the rows, finite and not negative, or
	// nil if all rows count alike. DH includes them; a backbone that predicts labels in
	// losses of its own weighs the rows likewise.
	Weights []float32
	// ResetOptimizer has the optimiser forget its running moments before the update.
	ResetOptimizer bool
}

// BackwardResponse is the answer, after the parameters were updated.
type BackwardResponse struct {
	// Terms are the backbone's own auxiliary losses of this batch, which it has
	// added to the gradient itself.
	Terms []Term
	// GradientNorm is the norm of the whole gradient before clipping.
	GradientNorm float64
}

// Term is a named number that is recorded with the epoch.
type Term struct {
	Name  string
	Value float64
}
