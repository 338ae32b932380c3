package main

import (
	"encoding/binary"
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "hsic",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Gretton, Bousquet, Smola, Schoelkopf, Measuring statistical dependence with Hilbert-Schmidt norms, ALT 2005 (equation 9); normalised as in Kornblith et al., Similarity of neural network representations revisited, ICML 2019",
	Text:     "Penalises the dependence of h on the group, which is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 1.0, Min: 1e-1, Max: 1e1, Log: true,
			Text: "weight of the penalty",
		},
		{
			Name: "normalised", Type: sdk.Bool, Default: true,
			Text: "divides by the self-dependences (CKA, from 0 to 1), so that the weight means the same for every h",
		},
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct {
	weight     float64
	normalised bool
	bandwidth  float64 // the median of the batch before, 0 if there was none
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	return &rule{weight: c.Float("weight"), normalised: c.Bool("normalised")}, nil
}

// Penalty is weight * tr(K H L H)/(n-1)^2, or divided by the roots of the same of
// K with itself and L with itself. K is exp(-|h_i - h_j|^2/m), L is 1 for rows of
// one group, H centres. m is the median squared distance of the rows of the batch
// before, so that it is a constant. The first batch has no penalty.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	n, width := len(b.Rows), b.H.Shape[1]
	distance := distances(b.H.Data, n, width)
	m := r.bandwidth
	r.bandwidth = median(distance, n)
	gradient := make([]float64, len(b.H.Data))
	if n < 3 || m == 0 {
		return 0, strategy.Narrow(gradient), nil, []sdk.Term{{Name: "dependence", Value: 0}}, nil
	}
	kernel, groups := make([]float64, n*n), make([]float64, n*n)
	for i := range n {
		for j := range n {
			kernel[i*n+j] = math.Exp(-distance[i*n+j] / m)
			if b.Groups == nil || b.Groups[i] == b.Groups[j] {
				groups[i*n+j] = 1
			}
		}
	}
	k, l := centred(kernel, n), centred(groups, n)
	var kl, kk, ll float64
	for i, v := range k {
		kl += v * l[i]
		kk += v * v
		ll += l[i] * l[i]
	}
	value, toL, toK := kl/float64((n-1)*(n-1)), 1/float64((n-1)*(n-1)), 0.0
	if r.normalised {
		norm := math.Sqrt(kk * ll)
		if norm < 1e-12 {
			return 0, strategy.Narrow(gradient), nil, []sdk.Term{{Name: "dependence", Value: 0}}, nil
		}
		value, toL, toK = kl/norm, 1/norm, kl/(norm*kk)
	}
	for i := range n {
		for j := range n {
			slope := -4 / m * r.weight * kernel[i*n+j] * (toL*l[i*n+j] - toK*k[i*n+j])
			for c := range width {
				gradient[i*width+c] += slope * (float64(b.H.Data[i*width+c]) - float64(b.H.Data[j*width+c]))
			}
		}
	}
	return r.weight * value, strategy.Narrow(gradient), nil, []sdk.Term{{Name: "dependence", Value: value}}, nil
}

// distances are the squared distances of rows, [n, n].
func distances(h []float32, n, width int) []float64 {
	out := make([]float64, n*n)
	for i := range n {
		for j := range i {
			var sum float64
			for c := range width {
				off := float64(h[i*width+c]) - float64(h[j*width+c])
				sum += off * off
			}
			out[i*n+j], out[j*n+i] = sum, sum
		}
	}
	return out
}

// median is the one of the distances of different rows, and 0 of one row.
func median(distance []float64, n int) float64 {
	var values []float64
	for i := range n {
		values = append(values, distance[i*n:i*n+i]...)
	}
	if len(values) == 0 {
		return 0
	}
	slices.Sort(values)
	return (values[(len(values)-1)/2] + values[len(values)/2]) / 2
}

// centred is H x H of a symmetric x [n, n].
func centred(x []float64, n int) []float64 {
	mean, all := make([]float64, n), 0.0
	for i := range n {
		for _, v := range x[i*n : (i+1)*n] {
			mean[i] += v / float64(n)
		}
		all += mean[i] / float64(n)
	}
	out := make([]float64, n*n)
	for i := range n {
		for j := range n {
			out[i*n+j] = x[i*n+j] - mean[i] - mean[j] + all
		}
	}
	return out
}

// State is the bandwidth.
func (r *rule) State() ([]byte, error) { //nolint:unparam // the interface has an error
	return binary.LittleEndian.AppendUint64(nil, math.Float64bits(r.bandwidth)), nil
}

// SetState restores it.
func (r *rule) SetState(data []byte) error {
	if len(data) != 8 {
		return fmt.Errorf("state has %d bytes, want 8", len(data))
	}
	r.bandwidth = math.Float64frombits(binary.LittleEndian.Uint64(data))
	return nil
}
