package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

// h = Σ δ_m a_m s_m / Σ δ_m a_m with a = exp(α), and 0 without any modality.
func TestEquation(t *testing.T) {
	backbonetest.Equation(t, info, build, func(r backbonetest.Row) []float64 {
		h, total := make([]float64, r.Config.Width), 0.0
		for m, modality := range r.Config.Modalities {
			if r.Has(m) {
				a := math.Exp(r.Param("weight", 0)[m])
				backbonetest.Add(h, a, r.Linear("score."+modality.Name, r.Embedding(m)))
				total += a
			}
		}
		for i := range h {
			if total > 0 {
				h[i] /= total
			}
		}
		return h
	})
}
