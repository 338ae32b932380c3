package sdk

// OptimizerSettings is how a session updates its own parameters. Zero values
// mean the optimiser's usual ones, except LearningRate, which is always given.
type OptimizerSettings struct {
	// Name is adam, adamw or sgd.
	Name         string
	LearningRate float64
	WeightDecay  float64
	Beta1, Beta2 float64
	Epsilon      float64
	Momentum     float64
	// ClipNorm bounds the global norm of the gradient; 0 is off.
	ClipNorm float64
}
