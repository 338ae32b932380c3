package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:    sdk.KindStrategy,
	Name:    "groupdro",
	Version: "1.0.0",
	Licence: "Apache-2.0",
	Citation: "Sagawa, Koh, Hashimoto, Liang, Distributionally robust neural networks for group shifts, ICLR 2020 " +
		"(algorithm 1; group adjustment, equation 5)",
	Text: "Minimises the risk of the worst group: group weights q grow exponentially with the group's risk.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "eta", Type: sdk.Float, Default: 0.01, Min: 1e-4, Max: 1, Log: true,
			Text: "step size of the group weights",
		},
		{
			Name: "adjustment", Type: sdk.Float, Default: 0.0, Min: 0, Max: 10,
			Text: "C of the generalisation adjustment C/sqrt(n_g); 0 is plain GroupDRO",
		},
		{
			Name: "groups", Type: sdk.String, Default: "pattern", Values: []string{"pattern", "pattern_label", "environment"},
			Text: "what a group is: availability pattern, pattern and label, or environment",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	eta   float64
	bonus []float64 // C/sqrt(n_g) of every group
	q     []float64 // sums to 1
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	groups := int32(0)
	for _, g := range c.Open.Groups {
		groups = max(groups, g+1)
	}
	if groups == 0 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "groupdro needs groups of training rows, and there are none")
	}
	size := make([]float64, groups)
	for _, g := range c.Open.Groups {
		size[g]++
	}
	r := &rule{eta: c.Float("eta"), bonus: make([]float64, groups), q: make([]float64, groups)}
	present := 0.0
	for _, n := range size {
		if n > 0 {
			present++
		}
	}
	for g, n := range size {
		if n > 0 {
			r.bonus[g] = c.Float("adjustment") / math.Sqrt(n)
			r.q[g] = 1 / present
		}
	}
	return r, nil
}

// Weights updates q by the group risks of the batch and returns q_g/n_g for the
// rows of group g, n_g counted in the batch: their weighted mean loss is
// Σ q_g R_g over the groups that are there. Groups absent from the batch keep
// their weight relative to each other.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	count, risk := make([]float64, len(r.q)), make([]float64, len(r.q))
	for i, g := range b.Groups {
		count[g]++
		risk[g] += float64(b.RowLoss[i])
	}
	var total float64
	for g := range r.q {
		if count[g] > 0 {
			risk[g] /= count[g]
			r.q[g] *= math.Exp(r.eta * (risk[g] + r.bonus[g]))
		}
		total += r.q[g]
	}
	worst := math.Inf(-1)
	for g := range r.q {
		r.q[g] /= total
		if count[g] > 0 {
			worst = max(worst, risk[g])
		}
	}
	weights := make([]float32, len(b.Groups))
	for i, g := range b.Groups {
		weights[i] = float32(r.q[g] / count[g] * float64(len(b.Groups)))
	}
	var largest float64
	for _, q := range r.q {
		largest = max(largest, q)
	}
	return weights, []sdk.Term{{Name: "worst_group_risk", Value: worst}, {Name: "largest_group_weight", Value: largest}}, nil
}

// State is q as little-endian float64.
func (r *rule) State() ([]byte, error) {
	return binary.Append(nil, binary.LittleEndian, r.q)
}

// SetState restores q.
func (r *rule) SetState(data []byte) error {
	if len(data) != 8*len(r.q) {
		return fmt.Errorf("state has %d bytes, %d groups need %d", len(data), len(r.q), 8*len(r.q))
	}
	_, err := binary.Decode(data, binary.LittleEndian, r.q)
	return err
}
