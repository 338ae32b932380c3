package sampler

import (
	"math"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Rand is a generator for a purpose, of the seed and the trial of a request and of how
// many points were refused.
func Rand(req sdk.ProposeRequest, purpose string) *rand.Rand {
	return rng.Stream(req.Seed, "sampler", req.Number, len(req.Refused), purpose)
}

// At is the value of a dimension at quantile u in [0, 1).
func At(d sdk.Dimension, u float64) any {
	switch d.Kind {
	case sdk.Choice:
		return d.Values[int(u*float64(len(d.Values)))]
	case sdk.LogUniform:
		return min(max(math.Exp(math.Log(d.Min)+u*(math.Log(d.Max)-math.Log(d.Min))), d.Min), d.Max)
	case sdk.Uniform, sdk.IntUniform:
	}
	x := d.Min + u*(d.Max-d.Min)
	if d.Step > 0 {
		steps := math.Floor((d.Max-d.Min)/d.Step + 1e-9) // as many as fit
		x = min(d.Min+d.Step*math.Floor(u*(steps+1)), d.Max)
	}
	if d.Kind == sdk.IntUniform {
		return int64(math.Round(x))
	}
	return x
}
