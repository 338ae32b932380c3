package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "eqrm",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Eastwood et al., Probable domain generalization via quantile risk minimization, NeurIPS 2022 (empirical QRM with a kernel density, section 4 and algorithm 1)",
	Text:     "Minimises the quantile of a kernel density over the group risks: between their mean and the worst. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "quantile", Type: sdk.Float, Default: 0.75, Min: 0.5, Max: 0.999,
			Text: "which quantile of the group risks is minimised",
		},
		strategy.AnnealHyperparameter(500),
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	task     sdk.Task
	quantile float64
	anneal   strategy.Anneal
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	r := &rule{task: c.Open.Task, quantile: c.Float("quantile")}
	r.anneal = strategy.Anneal{Steps: uint64(c.Int("anneal")), Full: 1}
	return r, nil
}

// Weights make the weighted mean loss the mean over the groups that are in the
// batch, which the penalty replaces.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	return b.EqualGroups(), nil, nil
}

// Penalty is t - mean_e R_e: the objective is then the quantile t, for which
// mean_e Phi((t - R_e)/s) = quantile with the normal distribution function Phi and
// the Gauss-optimal bandwidth s = 1.06 sd(R) G^(-1/5), G the groups e that are in
// the batch. Its gradient is that of the implicit function, s included. With one
// group, equal risks or before the step anneal the mean is minimised.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	losses, groups := strategy.LossesOf(r.task, b), b.ByGroup(1)
	risk := make([]float64, len(groups))
	var mean, square float64
	for e, rows := range groups {
		risk[e] = losses.Mean(rows)
		mean += risk[e] / float64(len(groups))
	}
	for _, v := range risk {
		square += (v - mean) * (v - mean)
	}
	n := float64(len(groups))
	gradient := make([]float64, len(b.Logits.Data))
	if len(groups) < 2 || square < 1e-24 || r.anneal.Weight(b.Step) == 0 {
		return 0, nil, strategy.Narrow(gradient), []sdk.Term{{Name: "risk_quantile", Value: mean}}, nil
	}
	deviation := math.Sqrt(square / (n - 1))
	factor := 1.06 * math.Pow(n, -0.2)
	bandwidth := factor * deviation
	t := r.solve(risk, bandwidth)

	// 0 = sum_e phi_e (dt - dR_e - z_e ds), z_e = (t - R_e)/s.
	var density, lever float64
	phi := make([]float64, len(groups))
	for e, v := range risk {
		z := (t - v) / bandwidth
		phi[e] = math.Exp(-z * z / 2)
		density += phi[e]
		lever += phi[e] * z
	}
	for e, rows := range groups {
		slope := (phi[e]+lever*factor*(risk[e]-mean)/((n-1)*deviation))/density - 1/n
		for _, i := range rows {
			losses.AddGradient(i, slope/float64(len(rows)), gradient)
		}
	}
	return t - mean, nil, strategy.Narrow(gradient), []sdk.Term{{Name: "risk_quantile", Value: t}}, nil
}

// solve bisects for the quantile of the density to the last bit.
func (r *rule) solve(risk []float64, bandwidth float64) float64 {
	low, high := risk[0], risk[0]
	for _, v := range risk {
		low, high = min(low, v), max(high, v)
	}
	low, high = low-40*bandwidth, high+40*bandwidth
	for {
		t := low + (high-low)/2
		if t <= low || t >= high {
			return t
		}
		var share float64
		for _, v := range risk {
			share += math.Erfc((v-t)/(bandwidth*math.Sqrt2)) / (2 * float64(len(risk)))
		}
		if share < r.quantile {
			low = t
		} else {
			high = t
		}
	}
}

// Reset has the optimisers start anew when the weight changes.
func (r *rule) Reset(step uint64) bool { return r.anneal.Reset(step) }
