package main

import (
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:    sdk.KindStrategy,
	Name:    "ipw",
	Version: "1.0.0",
	Licence: "Apache-2.0",
	Citation: "Robins, Hernan, Brumback, Marginal structural models and causal inference in epidemiology, " +
		"Epidemiology 2000 (stabilised weights); Seaman, White, Review of inverse probability weighting for " +
		"dealing with missing data, Stat Methods Med Res 2013",
	Text: "Stabilised inverse probability of availability weights, P(d)/P(d|W), with propensities cross-fitted on the " +
		"training rows. W are the always-observed covariates of the data set; without them every weight is 1.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "form", Type: sdk.String, Default: "product", Values: []string{"product", "pattern"},
			Text: "product multiplies one propensity a modality; pattern uses one multinomial over availability patterns",
		},
		{
			Name: "folds", Type: sdk.Int, Default: int64(5), Min: 2, Max: 20,
			Text: "folds of the cross-fitting",
		},
		{
			Name: "l2", Type: sdk.Float, Default: 1.0, Min: 1e-6, Max: 1e6, Log: true,
			Text: "ridge penalty of the propensity models (the intercept is free)",
		},
		{
			Name: "clip", Type: sdk.Float, Default: 0.01, Min: 0, Max: 0.25,
			Text: "weights are clipped to their [clip, 1-clip] quantiles",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

// minPattern is the number of rows below which patterns share one class of the
// multinomial.
const minPattern = 20

type rule struct {
	weights []float32 // by position, mean 1
	terms   []sdk.Term
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	open := c.Open
	n := len(open.Availability)
	width := 0
	if len(open.Covariates.Shape) == 2 {
		width = open.Covariates.Shape[1]
	}
	fold := make([]int, n)
	for i, p := range rng.Stream(open.Seed, "folds").Perm(n) {
		fold[i] = p % c.Int("folds")
	}
	design := design{rows: n, width: width, x: open.Covariates.Data}
	log := make([]float64, n) // log weight
	if width > 0 {
		for _, class := range targets(open, c.String("form")) {
			ratios, err := design.logRatios(class, fold, c.Int("folds"), c.Float("l2"))
			if err != nil {
				return nil, fmt.Errorf("fit propensity: %w", err)
			}
			for i := range log {
				log[i] += ratios[i]
			}
		}
	}
	weights := make([]float64, n)
	for i := range log {
		weights[i] = math.Exp(log[i])
	}
	clip(weights, c.Float("clip"))
	normalise(weights)
	r := &rule{weights: make([]float32, n)}
	var sum, square, largest float64
	for i, w := range weights {
		r.weights[i] = float32(w)
		sum += w
		square += w * w
		largest = max(largest, w)
	}
	r.terms = []sdk.Term{
		{Name: "effective_sample_share", Value: sum * sum / square / float64(n)},
		{Name: "largest_weight", Value: largest},
	}
	return r, nil
}

// Weights returns the fixed weights of the rows.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	out := make([]float32, len(b.Rows))
	for i, position := range b.Rows {
		if position < 0 || int(position) >= len(r.weights) {
			return nil, nil, fmt.Errorf("row %d is not a training position below %d", position, len(r.weights))
		}
		out[i] = r.weights[position]
	}
	return out, r.terms, nil
}

// targets returns what is to be predicted from W: for the product form the
// availability of each modality that is neither always there nor always
// missing, else the pattern with rare ones taken together.
func targets(open sdk.StrategyOpenRequest, form string) [][]int {
	n := len(open.Availability)
	if form == "pattern" {
		count := map[uint64]int{}
		for _, a := range open.Availability {
			count[a]++
		}
		var patterns []uint64
		for pattern, c := range count {
			if c >= minPattern {
				patterns = append(patterns, pattern)
			}
		}
		slices.Sort(patterns)
		class := make([]int, n)
		for i, a := range open.Availability {
			if k, frequent := slices.BinarySearch(patterns, a); frequent {
				class[i] = k
			} else {
				class[i] = len(patterns)
			}
		}
		return [][]int{class}
	}
	var out [][]int
	for m := range open.Modalities {
		class, observed := make([]int, n), 0
		for i, a := range open.Availability {
			class[i] = int(a >> m & 1)
			observed += class[i]
		}
		if observed > 0 && observed < n {
			out = append(out, class)
		}
	}
	return out
}

// clip limits weights to their [share, 1-share] quantiles (nearest rank).
func clip(weights []float64, share float64) {
	sorted := slices.Clone(weights)
	slices.Sort(sorted)
	last := float64(len(sorted) - 1)
	low, high := sorted[int(math.Floor(share*last))], sorted[int(math.Ceil((1-share)*last))]
	for i, w := range weights {
		weights[i] = min(max(w, low), high)
	}
}

// normalise scales weights to mean 1.
func normalise(weights []float64) {
	var sum float64
	for _, w := range weights {
		sum += w
	}
	for i := range weights {
		weights[i] *= float64(len(weights)) / sum
	}
}
