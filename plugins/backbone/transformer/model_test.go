package main

import (
	"fmt"
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, info, func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c) })
}

// The layers of the paper by hand, on the tokens that a row has: nothing of the
// others can enter.
func TestEquation(t *testing.T) {
	backbonetest.Equation(t, info, build, func(r backbonetest.Row) []float64 {
		tokens := [][]float64{r.Param("position", 0)}
		for m, modality := range r.Config.Modalities {
			if r.Has(m) {
				token := r.Linear("token."+modality.Name, r.Embedding(m))
				tokens = append(tokens, backbonetest.Add(token, 1, r.Param("position", m+1)))
			}
		}
		for i := range r.Config.Int("layers") {
			name := fmt.Sprintf("layer%d", i)
			attended := attention(r, name, tokens)
			for j := range tokens {
				backbonetest.Add(tokens[j], 1, r.Linear(name+".attention.merge", attended[j]))
				x := r.Linear(name+".network.wide", layerNorm(r, name+".network.norm", tokens[j]))
				for k, v := range x {
					x[k] = v * (1 + math.Erf(v/math.Sqrt2)) / 2
				}
				backbonetest.Add(tokens[j], 1, r.Linear(name+".network.narrow", x))
			}
		}
		return r.Linear("out", layerNorm(r, "norm", tokens[0]))
	})
}

// attention is softmax(Q Kᵀ / √d) V of each head, the heads side by side.
func attention(r backbonetest.Row, name string, tokens [][]float64) [][]float64 {
	var q, k, v [][]float64
	for _, token := range tokens {
		x := layerNorm(r, name+".attention.norm", token)
		q, k, v = append(q, r.Linear(name+".attention.query", x)), append(k, r.Linear(name+".attention.key", x)), append(v, r.Linear(name+".attention.value", x))
	}
	heads, d := r.Config.Int("heads"), len(q[0])
	width := d / heads
	out := make([][]float64, len(tokens))
	for i := range tokens {
		out[i] = make([]float64, d)
		for from := 0; from < d; from += width {
			weights, total := make([]float64, len(tokens)), 0.0
			for j := range tokens {
				for c := from; c < from+width; c++ {
					weights[j] += q[i][c] * k[j][c] / math.Sqrt(float64(width))
				}
				weights[j] = math.Exp(weights[j])
				total += weights[j]
			}
			for j := range tokens {
				backbonetest.Add(out[i][from:from+width], weights[j]/total, v[j][from:from+width])
			}
		}
	}
	return out
}

func layerNorm(r backbonetest.Row, name string, x []float64) []float64 {
	var mean, variance float64
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		variance += (v - mean) * (v - mean) / float64(len(x))
	}
	out, gain := r.Param(name+".bias", 0), r.Param(name+".gain", 0)
	for i, v := range x {
		out[i] += gain[i] * (v - mean) / math.Sqrt(variance+1e-5)
	}
	return out
}
