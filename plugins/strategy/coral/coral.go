package main

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "coral",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Sun, Saenko, Deep CORAL: correlation alignment for deep domain adaptation, ECCV 2016 Workshops (equation 1); means and averaging as in DomainBed, Gulrajani, Lopez-Paz, ICLR 2021",
	Text:     "Penalises the distance of the means and covariances of h between groups. A group is an availability pattern or an environment.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 1.0, Min: 1e-1, Max: 1e1, Log: true,
			Text: "weight of the penalty",
		},
		strategy.EnvironmentHyperparameter(),
	},
	Capabilities: sdk.Capabilities{Deterministic: true},
}

type rule struct{ weight float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	if _, err := c.GroupSizes(); err != nil {
		return nil, err
	}
	return &rule{weight: c.Float("weight")}, nil
}

// moments are those of h in a group.
type moments struct {
	rows       []int
	centred    []float64 // [rows, width]
	mean       []float64 // [width]
	covariance []float64 // [width, width], divided by rows-1
}

func momentsOf(h []float32, width int, rows []int) moments {
	m := moments{
		rows: rows, centred: make([]float64, len(rows)*width),
		mean: make([]float64, width), covariance: make([]float64, width*width),
	}
	for _, i := range rows {
		for j, v := range h[i*width : (i+1)*width] {
			m.mean[j] += float64(v) / float64(len(rows))
		}
	}
	for k, i := range rows {
		x := m.centred[k*width : (k+1)*width]
		for j, v := range h[i*width : (i+1)*width] {
			x[j] = float64(v) - m.mean[j]
		}
		for a, va := range x {
			for b, vb := range x {
				m.covariance[a*width+b] += va * vb / float64(len(rows)-1)
			}
		}
	}
	return m
}

// Penalty is weight times the mean, over pairs of groups with at least two rows in
// the batch, of mean_d (mu_i - mu_j)^2 + mean_dd' (C_i - C_j)^2.
func (r *rule) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) { //nolint:unparam // the interface has an error
	width := b.H.Shape[1]
	var groups []moments
	for _, rows := range b.ByGroup(2) {
		groups = append(groups, momentsOf(b.H.Data, width, rows))
	}
	pairs := float64(max(len(groups)*(len(groups)-1)/2, 1))
	var penalty float64
	gradient := make([]float64, len(b.H.Data))
	dmean, dcovariance := make([]float64, width), make([]float64, width*width)
	for i, own := range groups {
		clear(dmean)
		clear(dcovariance)
		for j, other := range groups {
			for k := range dmean {
				off := own.mean[k] - other.mean[k]
				dmean[k] += 2 * off / (float64(width) * pairs)
				if j > i {
					penalty += off * off / (float64(width) * pairs)
				}
			}
			for k := range dcovariance {
				off := own.covariance[k] - other.covariance[k]
				dcovariance[k] += 2 * off / (float64(width*width) * pairs)
				if j > i {
					penalty += off * off / (float64(width*width) * pairs)
				}
			}
		}
		own.addGradient(dmean, dcovariance, r.weight, gradient)
	}
	return r.weight * penalty, strategy.Narrow(gradient), nil, []sdk.Term{{Name: "coral", Value: penalty}}, nil
}

// addGradient adds weight times the gradient with respect to h, given the one with
// respect to the mean and the covariance, to into.
func (m moments) addGradient(dmean, dcovariance []float64, weight float64, into []float64) {
	width := len(dmean)
	for k, i := range m.rows {
		x := m.centred[k*width : (k+1)*width]
		for a := range dmean {
			// The covariance is symmetric, and columns of x have mean zero.
			var sum float64
			for b, v := range x {
				sum += dcovariance[a*width+b] * v
			}
			into[i*width+a] += weight * (dmean[a]/float64(len(m.rows)) + 2*sum/float64(len(m.rows)-1))
		}
	}
}
