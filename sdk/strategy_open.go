package sdk

// StrategyOpenRequest tells a strategy about the N training rows. Everything is
// by position in the training split, 0 to N-1; of other rows it learns nothing.
type StrategyOpenRequest struct {
	// Availability has one mask per training row.
	Availability []uint64
	// Labels are [N * Task.LabelWidth()].
	Labels []float32
	// Covariates are the always-observed covariates W, [N, p], standardised; p
	// may be 0.
	Covariates Tensor
	// Groups has one group number per training row, from 0, or is nil.
	Groups []int32
	// Prior is the share of each availability pattern that predictions should be
	// fair to.
	Prior map[uint64]float64
	// Modalities is the number of modalities.
	Modalities      int
	Task            Task
	Hyperparameters Values
	// Optimizer is for parameters of the strategy's own, such as an adversary.
	Optimizer OptimizerSettings
	Seed      uint64
	// Width is the width of the representation h.
	Width int
	// Epochs is the planned length of training.
	Epochs int
}

// StrategyOpenResponse is the answer.
type StrategyOpenResponse struct {
	Session StrategySession
}
