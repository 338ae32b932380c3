package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
)

func TestModel(t *testing.T) { backbonetest.Run(t, info, build) }

func TestSteady(t *testing.T) {
	backbonetest.Steady(t, info, func(c backbone.Config) (backbone.TapeModel, error) { return newModel(c), nil })
}

// states returns s_0 and the state after every modality that the row has.
func states(r backbonetest.Row) [][]float64 {
	all := [][]float64{r.Param("start", 0)}
	for m, modality := range r.Config.Modalities {
		if r.Has(m) {
			x := append(r.Embedding(m), all[len(all)-1]...)
			name := "step." + modality.Name
			all = append(all, r.Linear(name+".out", backbonetest.ReLU(r.Linear(name+".hidden", x))))
		}
	}
	return all
}

// h is the last state: what a row lacks is skipped.
func TestEquation(t *testing.T) {
	backbonetest.Equation(t, info, build, func(r backbonetest.Row) []float64 {
		all := states(r)
		return all[len(all)-1]
	})
}

// The losses are means over all steps of all rows: the cross entropy of the shared
// decoder, and 0.01 · penalty · mean(Δs²).
func TestTerms(t *testing.T) {
	backbonetest.Terms(t, info, build, func(rows []backbonetest.Row) []sdk.Term {
		var loss, change, steps float64
		for _, r := range rows {
			all := states(r)
			for i, s := range all[1:] {
				z := r.Linear("decoder", s)[0]
				loss += math.Log1p(math.Exp(-z * (2*r.Label - 1)))
				for j := range s {
					change += (s[j] - all[i][j]) * (s[j] - all[i][j]) / float64(len(s))
				}
				steps++
			}
		}
		return []sdk.Term{
			{Name: "step_loss", Value: loss / steps},
			{Name: "state_change", Value: 0.01 * rows[0].Config.Float("penalty") * change / steps},
		}
	})
}
