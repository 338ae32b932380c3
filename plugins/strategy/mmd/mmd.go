package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "mmd",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Gretton et al., A kernel two-sample test, JMLR 2012 (equation 3); Li, Pan, Wang, Kot, Domain generalization with adversarial feature learning, CVPR 2018; kernels as in DomainBed, Gulrajani, Lopez-Paz, ICLR 2021",
	Text:     "Penalises the maximum mean discrepancy of h between groups under a sum of seven Gaussian kernels. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 1.0, Min: 1e-1, Max: 1e1, Log: true,
			Text: "weight of the penalty",
		},
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

// bandwidths are the factors g of the kernels exp(-g |a-b|^2).
var bandwidths = [...]float64{0.001, 0.01, 0.1, 1, 10, 100, 1000}

type rule struct{ weight float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	return &rule{weight: c.Float("weight")}, nil
}

// Penalty is weight times the mean, over pairs of groups with at least two rows in
// the batch, of mean k(x,x') + mean k(y,y') - 2 mean k(x,y), without the pairs of a
// row with itself: the unbiased estimate, which may be negative. With them, as in
// DomainBed, the narrow kernels give small groups a penalty that only a constant h
// avoids, and h collapses.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	width := b.H.Shape[1]
	groups := b.ByGroup(2)
	gradient := make([]float64, len(b.H.Data))
	if len(groups) < 2 {
		return 0, strategy.Narrow(gradient), nil, []sdk.Term{{Name: "mmd", Value: 0}}, nil
	}
	pairs := float64(len(groups)*(len(groups)-1)) / 2
	var penalty float64
	for g, left := range groups {
		for o, right := range groups[:g+1] {
			// How often an unordered pair of rows counts: twice as (a,b) and (b,a)
			// within a group, in len(groups)-1 comparisons; -2 between groups.
			factor := 2 * float64(len(groups)-1) / (float64(len(left)*(len(left)-1)) * pairs)
			if o != g {
				factor = -2 / (float64(len(left)*len(right)) * pairs)
			}
			for k, i := range left {
				if o == g {
					right = left[:k]
				}
				for _, j := range right {
					penalty += factor * kernel(b.H.Data, width, i, j, r.weight*factor, gradient)
				}
			}
		}
	}
	return r.weight * penalty, strategy.Narrow(gradient), nil, []sdk.Term{{Name: "mmd", Value: penalty}}, nil
}

// kernel is the sum of the kernels between rows i and j of h; factor times its
// gradient is added to into.
func kernel(h []float32, width, i, j int, factor float64, into []float64) float64 {
	a, b := h[i*width:(i+1)*width], h[j*width:(j+1)*width]
	var distance float64
	for k := range a {
		off := float64(a[k]) - float64(b[k])
		distance += off * off
	}
	var value, slope float64
	for _, g := range bandwidths {
		v := math.Exp(-g * distance)
		value += v
		slope -= g * v
	}
	for k := range a {
		d := factor * slope * 2 * (float64(a[k]) - float64(b[k]))
		into[i*width+k] += d
		into[j*width+k] -= d
	}
	return value
}
