package sdk

// AugmentRequest shows the B rows of a training batch before the forward pass.
type AugmentRequest struct {
	// Rows are positions in the training split.
	Rows []int32
	// Availability is the data's own, one mask per row.
	Availability []uint64
	// Step keys random draws together with the session's seed.
	Step uint64
}

// AugmentResponse is the availability to train with: one mask per row, a subset
// of the row's own, and not empty unless the row's own is.
type AugmentResponse struct {
	Availability []uint64
}
