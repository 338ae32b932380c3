package sdk

// ObjectiveRequest shows a training batch of B rows after the forward pass of
// the whole model.
type ObjectiveRequest struct {
	// Rows are positions in the training split.
	Rows []int32
	// H is the representation, [B, Width].
	H Tensor
	// Logits are [B, Task.Outputs()].
	Logits Tensor
	// RowLoss is the loss of each row.
	RowLoss []float32
	// Labels are [B * Task.LabelWidth()].
	Labels []float32
	// Availability is the data's own, one mask per row.
	Availability []uint64
	// Groups has one group number per row, or is nil.
	Groups []int32
	// Step numbers the training steps of the run.
	Step uint64
}

// ObjectiveResponse changes the objective to
//
//	sum_i w_i loss_i / sum_i w_i + penalty(h, logits)
//
// Absent fields leave that part alone.
type ObjectiveResponse struct {
	// Weights has one weight per row, finite and not negative; nil means 1 each.
	Weights []float32
	// Penalty is the value of the penalty, recorded with the epoch.
	Penalty float64
	// DH is the gradient of the penalty with respect to H, or absent.
	DH Tensor
	// DLogits is the gradient of the penalty with respect to Logits, or absent.
	DLogits Tensor
	// ResetOptimizer has the optimisers of head and backbone forget their running
	// moments before the update of this step, for an objective that changes.
	ResetOptimizer bool
	// Terms are recorded with the epoch.
	Terms []Term
}
