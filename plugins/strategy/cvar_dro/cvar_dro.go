package main

import (
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "cvar_dro",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Duchi, Namkoong, Learning models with uniform performance via distributionally robust optimization, Annals of Statistics 2021; Levy, Carmon, Duchi, Sidford, Large-scale methods for distributionally robust optimization, NeurIPS 2020 (equation 2)",
	Text:     "Minimises the conditional value at risk: the mean of the largest share alpha of the losses of a batch. It knows no groups.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "alpha", Type: sdk.Float, Default: 0.1, Min: 0.01, Max: 1, Log: true,
			Text: "share of the rows that count",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct{ alpha float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	return &rule{alpha: c.Float("alpha")}, nil
}

// Weights are those of min over eta of eta + mean relu(loss - eta)/alpha, which
// sorting solves: 1 for the floor(alpha n) largest losses, the rest of alpha n for
// the next one, 0 for the others. Of equal losses the earlier row comes first.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	order := make([]int, len(b.Rows))
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(i, j int) int {
		switch {
		case b.RowLoss[i] > b.RowLoss[j]:
			return -1
		case b.RowLoss[i] < b.RowLoss[j]:
			return 1
		}
		return 0
	})
	weights := make([]float32, len(b.Rows))
	left := r.alpha * float64(len(b.Rows))
	eta := 0.0
	for _, i := range order {
		if left <= 0 {
			break
		}
		weights[i] = float32(math.Min(left, 1))
		eta = float64(b.RowLoss[i])
		left--
	}
	return weights, []sdk.Term{{Name: "threshold", Value: eta}}, nil
}
