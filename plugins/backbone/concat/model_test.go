package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

// h = MLP([δ_1 e_1; …; δ_M e_M]).
func TestEquation(t *testing.T) {
	backbonetest.Equation(t, info, build, func(r backbonetest.Row) []float64 {
		var x []float64
		for m := range r.Config.Modalities {
			e := make([]float64, r.Config.Width)
			if r.Has(m) {
				e = r.Embedding(m)
			}
			x = append(x, e...)
		}
		return r.Linear("fusion.out", backbonetest.ReLU(r.Linear("fusion.hidden", x)))
	})
}
