package strategy

import "github.com/deconfound/deconfound/sdk"

// Anneal is the schedule of a penalty that would stop learning before it began:
// an early weight for a number of steps, then the full one. At the change the
// optimisers start anew, for moments that were gathered under one loss mislead
// under another (as in DomainBed).
type Anneal struct {
	Steps       uint64
	Early, Full float64
}

// AnnealHyperparameter declares the number of steps.
func AnnealHyperparameter(steps int64) sdk.Hyperparameter {
	return sdk.Hyperparameter{
		Name: "anneal", Type: sdk.Int, Default: steps, Min: 0, Max: 1e6, Unit: sdk.Steps,
		Text: "training steps before the penalty has its full weight; the optimisers then start anew",
	}
}

// NewAnneal reads the hyperparameters weight and anneal.
func NewAnneal(c Config, early float64) Anneal {
	return Anneal{Steps: uint64(max(c.Int("anneal"), 0)), Early: early, Full: c.Float("weight")}
}

// Weight is the weight of a step.
func (a Anneal) Weight(step uint64) float64 {
	if step < a.Steps {
		return a.Early
	}
	return a.Full
}

// Reset reports whether the optimisers start anew before the update of a step.
func (a Anneal) Reset(step uint64) bool { return step > 0 && step == a.Steps }
