package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "fishr",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Rame, Dancette, Cord, Fishr: invariant gradient variances for out-of-distribution generalization, ICML 2022 (equation 4; moving average, appendix B)",
	Text:     "Penalises how far the variance of the per-row gradients of a linear classifier on h differs between groups. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 1000.0, Min: 1e1, Max: 1e4, Log: true,
			Text: "weight of the penalty, from the step anneal on; 0 before",
		},
		strategy.AnnealHyperparameter(1500),
		{
			Name: "ema", Type: sdk.Float, Default: 0.95, Min: 0, Max: 0.99,
			Text: "share that the moving average of the variances keeps of its past",
		},
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	task   sdk.Task
	ema    float64
	anneal strategy.Anneal
	// past holds the moving average of the variances of every group, zero before
	// the first batch that has it: [groups, features].
	past [][]float64
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	sizes, err := c.GroupSizes()
	if err != nil {
		return nil, err
	}
	r := &rule{task: c.Open.Task, ema: c.Float("ema"), anneal: strategy.NewAnneal(c, 0)}
	for range sizes {
		r.past = append(r.past, make([]float64, c.Open.Task.Outputs()*(c.Open.Width+1)))
	}
	return r, nil
}

// Penalty is weight * mean_e mean_k (x_ek - mean_e x_ek)^2 over the groups e with
// at least two rows in the batch. v_ek is the variance, divided by n, of feature k
// of the rows' gradients (p - y) outer [h; 1], which are those of a linear
// classifier on h, whatever the head is; x_e = (ema past_e + (1-ema) v_e)/(1-ema)
// joins it to batches before, which are constants, such that the gradient with
// respect to v_e does not depend on ema.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	losses := strategy.LossesOf(r.task, b)
	width, outputs := b.H.Shape[1], losses.Outputs
	features := outputs * (width + 1)
	slopes := make([]float64, len(b.Rows)*features)
	for i := range b.Rows {
		for c := range outputs {
			g, into := losses.Gradient[i*outputs+c], slopes[i*features+c*(width+1):]
			for j, v := range b.H.Data[i*width : (i+1)*width] {
				into[j] = g * float64(v)
			}
			into[width] = g
		}
	}
	groups := b.ByGroup(2)
	means, smooth := make([][]float64, len(groups)), make([][]float64, len(groups))
	centre := make([]float64, features)
	for e, rows := range groups {
		group := 0
		if b.Groups != nil {
			group = int(b.Groups[rows[0]])
		}
		means[e], smooth[e] = r.observe(group, slopes, rows)
		for k, v := range smooth[e] {
			centre[k] += v / float64(len(groups))
		}
	}

	weight := r.anneal.Weight(b.Step)
	var penalty float64
	dh, dlogits := make([]float64, len(b.H.Data)), make([]float64, len(b.Logits.Data))
	dresidual := make([]float64, outputs)
	for e, rows := range groups {
		scale := 1 / float64(len(groups)*features)
		for k, v := range smooth[e] {
			penalty += scale * (v - centre[k]) * (v - centre[k])
		}
		for _, i := range rows {
			clear(dresidual)
			h := b.H.Data[i*width : (i+1)*width]
			for k := range features {
				d := weight * scale * 2 * (smooth[e][k] - centre[k]) * 2 * (slopes[i*features+k] - means[e][k]) / float64(len(rows))
				c, j := k/(width+1), k%(width+1)
				if j == width {
					dresidual[c] += d
					continue
				}
				dresidual[c] += d * float64(h[j])
				dh[i*width+j] += d * losses.Gradient[i*outputs+c]
			}
			losses.Curvature(i, 1, dresidual, dlogits[i*outputs:(i+1)*outputs])
		}
	}
	terms := []sdk.Term{{Name: "fishr", Value: penalty}}
	return weight * penalty, strategy.Narrow(dh), strategy.Narrow(dlogits), terms, nil
}

// observe takes the gradients of a group's rows into its moving average. It
// returns their mean and the variance joined to the past.
func (r *rule) observe(group int, slopes []float64, rows []int) (mean, smooth []float64) {
	past := r.past[group]
	mean, smooth = make([]float64, len(past)), make([]float64, len(past))
	n := float64(len(rows))
	for _, i := range rows {
		for k := range mean {
			mean[k] += slopes[i*len(past)+k] / n
		}
	}
	for _, i := range rows {
		for k, m := range mean {
			off := slopes[i*len(past)+k] - m
			smooth[k] += off * off / n
		}
	}
	for k, v := range smooth {
		past[k] = r.ema*past[k] + (1-r.ema)*v
		smooth[k] = past[k] / (1 - r.ema)
	}
	return mean, smooth
}

// State is the moving averages as little-endian float64.
func (r *rule) State() ([]byte, error) { //nolint:unparam // the interface has an error
	var out []byte
	for _, past := range r.past {
		for _, v := range past {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	return out, nil
}

// SetState restores the moving averages.
func (r *rule) SetState(data []byte) error {
	if want := 8 * len(r.past) * len(r.past[0]); len(data) != want {
		return fmt.Errorf("state has %d bytes, want %d", len(data), want)
	}
	for _, past := range r.past {
		for k := range past {
			past[k] = math.Float64frombits(binary.LittleEndian.Uint64(data))
			data = data[8:]
		}
	}
	return nil
}

// Reset has the optimisers start anew when the weight changes.
func (r *rule) Reset(step uint64) bool { return r.anneal.Reset(step) }
