// Program walk is a sampler that stays near the best trial, and fails on request.
package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/sampler"
	"github.com/deconfound/deconfound/sdk/serve"
)

var info = sdk.Info{
	Name: "walk", Version: "1.0.0", Licence: "Apache-2.0",
	Hyperparameters: []sdk.Hyperparameter{
		{Name: "share", Type: sdk.Float, Default: 0.5, Min: 0, Max: 1, Text: "How far to go from the best trial."},
		{Name: "broken", Type: sdk.Bool, Default: false},
	},
}

func propose(req sdk.ProposeRequest) (sdk.Values, error) {
	if req.Hyperparameters.Bool("broken") {
		panic("no way to go")
	}
	point := sdk.Values{}
	for _, d := range req.Dimensions {
		v := sampler.At(d, sampler.Rand(req, d.Name).Float64())
		best := math.NaN()
		for _, t := range req.Trials {
			if better := t.Value > best == req.Maximize; t.State == sdk.TrialDone && (math.IsNaN(best) || better) {
				if x, ok := t.Point[d.Name].(float64); ok && d.Step == 0 && d.Kind == sdk.Uniform {
					y, _ := v.(float64)
					v = x + req.Hyperparameters.Float("share")*(y-x)
				}
				best = t.Value
			}
		}
		point[d.Name] = v
	}
	return point, nil
}

func main() { serve.Sampler(sampler.New(info, propose)) }
