package main

import (
	"math/bits"
	"slices"
	"strconv"
	"strings"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "importance",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Shimodaira, Improving predictive inference under covariate shift by weighting the log-likelihood function, J Stat Plan Inference 2000 (equation 3)",
	Text:     "Weighs training rows by P_target(pattern)/P_train(pattern), for a mix of availability patterns that is known or assumed of the place of use. Nothing is estimated from it.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "target", Type: sdk.String, Default: "independent", Values: []string{"independent", "uniform"},
			Text: "the mix, unless shares lists one: modalities there independently of each other at their training rates, or every training pattern alike",
		},
		{
			Name: "shares", Type: sdk.String, Default: "",
			Text: "the mix as pattern=share, separated by blanks; a pattern has a 1 or 0 for each modality in order, as in 110=0.7 111=0.3",
		},
		{
			Name: "clip", Type: sdk.Float, Default: 10.0, Min: 1, Max: 1e4, Log: true,
			Text: "largest weight",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	weights map[uint64]float32
	terms   []sdk.Term
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	train := map[uint64]float64{}
	for _, a := range c.Open.Availability {
		train[a] += 1 / float64(len(c.Open.Availability))
	}
	target, err := targetOf(c, train)
	if err != nil {
		return nil, err
	}
	r := &rule{weights: map[uint64]float32{}}
	// Patterns that training rows never have are out of reach of weights.
	var sum, square, covered float64
	patterns := make([]uint64, 0, len(train))
	for pattern := range train {
		patterns = append(patterns, pattern)
	}
	slices.Sort(patterns)
	for _, pattern := range patterns {
		w := min(target[pattern]/train[pattern], c.Float("clip"))
		r.weights[pattern] = float32(w)
		covered += target[pattern]
		sum += train[pattern] * w
		square += train[pattern] * w * w
	}
	if sum == 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "no training row has a pattern of the target mix")
	}
	r.terms = []sdk.Term{{Name: "effective_sample_share", Value: sum * sum / square}, {Name: "target_covered", Value: covered}}
	return r, nil
}

// targetOf is the share of every pattern in the target mix.
func targetOf(c strategy.Config, train map[uint64]float64) (map[uint64]float64, error) {
	if shares := c.String("shares"); shares != "" {
		return listed(shares, c.Open.Modalities)
	}
	target := map[uint64]float64{}
	if c.String("target") == "uniform" {
		for pattern := range train {
			if pattern != 0 {
				target[pattern] = 1
			}
		}
		for pattern := range target {
			target[pattern] /= float64(len(target))
		}
		return target, nil
	}
	rate := make([]float64, c.Open.Modalities)
	for m := range rate {
		for _, a := range c.Open.Availability {
			rate[m] += float64(a>>m&1) / float64(len(c.Open.Availability))
		}
	}
	for pattern := range train {
		target[pattern] = 1
		for m, there := range rate {
			if pattern>>m&1 == 1 {
				target[pattern] *= there
			} else {
				target[pattern] *= 1 - there
			}
		}
	}
	return target, nil
}

// listed reads pattern=share pairs and scales the shares to sum 1.
func listed(text string, modalities int) (map[uint64]float64, error) {
	target := map[uint64]float64{}
	var sum float64
	for _, field := range strings.Fields(text) {
		mask, value, found := strings.Cut(field, "=")
		share, err := strconv.ParseFloat(value, 64)
		pattern, maskErr := strconv.ParseUint(mask, 2, 64)
		if !found || err != nil || maskErr != nil || len(mask) != modalities || !(share >= 0 && share <= 1) {
			return nil, sdk.Errorf(sdk.CodeBadRequest, "shares has %q; want a pattern of %d digits 0 and 1, =, and a share from 0 to 1", field, modalities)
		}
		// The first digit is the first modality, which is the lowest bit.
		target[bits.Reverse64(pattern)>>(64-modalities)] += share
		sum += share
	}
	if sum == 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "shares lists nothing")
	}
	for pattern := range target {
		target[pattern] /= sum
	}
	return target, nil
}

// Weights are the ratios of the rows' own patterns. A batch without any row of the
// target mix counts evenly.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	weights := make([]float32, len(b.Rows))
	var sum float32
	for i, a := range b.Availability {
		weights[i] = r.weights[a]
		sum += weights[i]
	}
	if sum == 0 {
		return nil, r.terms, nil
	}
	return weights, r.terms, nil
}
