package main

import (
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

// h = MLP(Σ δ_m e_m / Σ δ_m), and MLP(0) without any modality.
func TestEquation(t *testing.T) {
	backbonetest.Equation(t, info, build, func(r backbonetest.Row) []float64 {
		mean, n := make([]float64, r.Config.Width), 0.0
		for m := range r.Config.Modalities {
			if r.Has(m) {
				backbonetest.Add(mean, 1, r.Embedding(m))
				n++
			}
		}
		for i := range mean {
			mean[i] /= max(n, 1)
		}
		return r.Linear("fusion.out", backbonetest.ReLU(r.Linear("fusion.hidden", mean)))
	})
}
