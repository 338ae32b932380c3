package sdk

// OpenRequest says what model to build.
type OpenRequest struct {
	// FeatureStore is a directory that package sdk/features opens. It holds
	// features only, no labels and no identifiers.
	FeatureStore string
	// Modalities are in the order of the availability bits.
	Modalities []Modality
	// Width is the width of the representation h to answer.
	Width int
	Task  Task
	// Hyperparameters are checked against Info and complete with defaults.
	Hyperparameters Values
	Optimizer       OptimizerSettings
	// Seed keys every random draw of the session (package sdk/rng).
	Seed uint64
	// MaxBatch is the largest number of rows of a Forward.
	MaxBatch int
}

// OpenResponse is the answer.
type OpenResponse struct {
	Session BackboneSession
}
