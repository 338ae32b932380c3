package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

// h = Σ a_m e_m with a = softmax over the observed modalities of
// vᵀ tanh(W e_m + b), and 0 without any modality.
func TestEquation(t *testing.T) {
	backbonetest.Equation(t, info, build, func(r backbonetest.Row) []float64 {
		h, total := make([]float64, r.Config.Width), 0.0
		for m := range r.Config.Modalities {
			if !r.Has(m) {
				continue
			}
			e, score := r.Embedding(m), 0.0
			for i, x := range r.Linear("gate", e) {
				score += math.Tanh(x) * r.Param("gate.score", i)[0]
			}
			backbonetest.Add(h, math.Exp(score), e)
			total += math.Exp(score)
		}
		for i := range h {
			if total > 0 {
				h[i] /= total
			}
		}
		return h
	})
}
