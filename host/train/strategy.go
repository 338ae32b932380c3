package train

import (
	"github.com/deconfound/deconfound/host/causal"
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// minGroup is the number of training rows below which an availability pattern
// is merged into its nearest neighbour when patterns form groups.
const minGroup = 20

// strategyRequest tells the strategy about the training rows; it never learns
// anything of validation or test rows.
func (r *Run) strategyRequest() sdk.StrategyOpenRequest {
	train := r.data.Split.Train
	covariates := r.covariates(train)
	width := r.data.Store.CovariateWidth()
	own := gather(r.availability, train, 1)
	return sdk.StrategyOpenRequest{
		Availability:    own,
		Labels:          gather(r.labels, train, r.labelWidth),
		Covariates:      sdk.Tensor{Shape: []int{len(train), width}, Data: covariates},
		Groups:          r.groups,
		Prior:           patternPrior(own),
		Modalities:      len(r.data.Store.Modalities()),
		Task:            r.sdkTask(),
		Hyperparameters: r.cfg.Strategy,
		Optimizer:       optimizerSettings(r.cfg.Optimizer),
		Seed:            rng.Derive(r.cfg.InitSeed, "strategy"),
		Width:           r.cfg.Width,
		Epochs:          r.cfg.Epochs,
	}
}

// covariates returns the always-observed covariates W of rows, standardised
// with the statistics of the training rows.
func (r *Run) covariates(rows []int32) []float32 {
	return r.data.Store.Covariates(rows, r.data.Split.Train)
}

// groupsOf assigns rows a group. A strategy that declares a hyperparameter "groups"
// chooses the definition: "pattern" (the default), of the training rows,
// "pattern_label" or "environment". A definition that the dataset has no grounds for
// is an error with code bad_request.
func (r *Run) groupsOf(rows []int32) ([]int32, error) {
	kind, _ := r.cfg.Strategy["groups"].(string)
	if kind == "environment" {
		environment := r.data.Store.Environment()
		if environment == nil {
			return nil, sdk.Errorf(sdk.CodeBadRequest, "strategy.groups is environment, and the dataset %s declares none", r.data.Store.Name())
		}
		return gather(environment, rows, 1), nil
	}
	groups := causal.PatternGroups(gather(r.availability, r.data.Split.Train, 1), gather(r.availability, rows, 1), minGroup)
	if kind == "pattern_label" {
		if r.labelWidth != 1 {
			return nil, sdk.Errorf(sdk.CodeBadRequest, "strategy.groups is pattern_label, which needs one label a row, and the task is %s", r.task.Kind)
		}
		classes := int32(max(r.task.Classes, 2))
		for i, row := range rows {
			groups[i] = groups[i]*classes + int32(r.labels[row])
		}
	}
	return groups, nil
}

// patternPrior is the share of every availability pattern.
func patternPrior(availability []uint64) map[uint64]float64 {
	prior := map[uint64]float64{}
	for _, a := range availability {
		prior[a]++
	}
	for pattern := range prior {
		prior[pattern] /= float64(len(availability))
	}
	return prior
}

func optimizerSettings(c nn.OptimizerConfig) sdk.OptimizerSettings {
	return sdk.OptimizerSettings{
		Name:         c.Name,
		LearningRate: c.LearningRate,
		WeightDecay:  c.WeightDecay,
		Beta1:        c.Beta1,
		Beta2:        c.Beta2,
		Epsilon:      c.Epsilon,
		Momentum:     c.Momentum,
		ClipNorm:     c.ClipNorm,
	}
}
