package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "recalibration",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Platt, Probabilistic outputs for support vector machines, 1999; Guo, Pleiss, Sun, Weinberger, On calibration of modern neural networks, ICML 2017 (temperature scaling, equation 9); with a bias in every class: Alexandari, Kundaje, Shrikumar, ICML 2020",
	Text:     "After training, the predictions of every availability pattern are calibrated on its validation rows: l' = a l + b on the logits, with a and b of a pattern drawn towards those of all rows, and these towards a = 1 and b = 0.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "form", Type: sdk.String, Default: "platt", Values: []string{"platt", "temperature"},
			Text: "platt: slope and intercept; temperature: the slope 1/T alone",
		},
		{
			Name: "min_rows", Type: sdk.Int, Default: int64(100), Min: 2, Max: 1e6,
			Text: "validation rows below which a pattern is calibrated as all rows are",
		},
		{
			Name: "shrinkage", Type: sdk.Float, Default: 10.0, Min: 1e-3, Max: 1e6, Log: true,
			Text: "weight of the squared distance to what a pattern is drawn towards, against the sum of the losses of its rows",
		},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, PostHoc: sdk.PostHocScores},
}

type rule struct {
	task      sdk.Task
	minRows   int
	shrinkage float64
	intercept bool
	fitted    bool
	all       []curve // of all rows: one, or one for each label
	of        map[uint64][]curve
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	return &rule{
		task: c.Open.Task, minRows: c.Int("min_rows"), shrinkage: c.Float("shrinkage"), intercept: c.String("form") == "platt",
	}, nil
}

// Fit minimises, first over all validation rows with θ_0 = (1, 0), then over those of
// every pattern with enough of them and θ_0 of all,
//
//	Σ_i CE(a l_i + b, y_i) + shrinkage/2 |θ - θ_0|²,  θ = (a, b), a ≥ 0.01
//
// with l the logit of the prediction, of a multiclass task its logarithms and b one
// for each class. The labels of a multilabel task have a curve each.
func (r *rule) Fit(rows strategy.Held) ([]sdk.Term, error) { //nolint:unparam // the interface has an error
	members := map[uint64][]int{}
	everyone := make([]int, len(rows.Availability))
	for i, a := range rows.Availability {
		members[a], everyone[i] = append(members[a], i), i
	}
	curves := 1
	if r.task.Kind == sdk.Multilabel {
		curves = r.task.Classes
	}
	r.fitted, r.all, r.of = true, make([]curve, curves), map[uint64][]curve{}
	for c := range r.all {
		r.all[c] = r.fit(rows, everyone, c, identity(r.biases()))
	}
	for a, at := range members {
		if len(at) < r.minRows {
			continue
		}
		own := make([]curve, curves)
		for c := range own {
			own[c] = r.fit(rows, at, c, r.all[c])
		}
		r.of[a] = own
	}
	return []sdk.Term{{Name: "slope", Value: r.all[0][0]}, {Name: "patterns", Value: float64(len(r.of))}}, nil
}

// biases is the number of intercepts of a curve.
func (r *rule) biases() int {
	if r.task.Kind == sdk.Multiclass {
		return r.task.Classes
	}
	return 1
}

// fit fits the curve of label c to rows whose label is known.
func (r *rule) fit(rows strategy.Held, at []int, c int, towards curve) curve {
	p := problem{towards: towards, shrinkage: r.shrinkage, intercept: r.intercept}
	outputs, width := r.task.Outputs(), r.task.LabelWidth()
	for _, i := range at {
		y := rows.Labels[i*width+c]
		if y != y {
			continue
		}
		p.labels = append(p.labels, int(y))
		p.logits = append(p.logits, r.logits(rows.Predictions.Data[i*outputs:(i+1)*outputs], c)...)
	}
	return p.solve()
}

// logits are those of a row that a curve is applied to.
func (r *rule) logits(p []float32, c int) []float64 {
	if r.task.Kind == sdk.Multiclass {
		out := make([]float64, len(p))
		for j, v := range p {
			out[j] = math.Log(bounded(v))
		}
		return out
	}
	v := bounded(p[c])
	return []float64{math.Log(v / (1 - v))}
}

// bounded keeps a probability where its logit is finite.
func bounded(p float32) float64 {
	const least = 1e-7
	return max(least, min(float64(p), 1-least))
}

// Adjust applies the curve of the row's pattern, or of all rows.
func (r *rule) Adjust(rows strategy.Held) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has more
	if !r.fitted {
		return nil, nil, sdk.Errorf(sdk.CodeBadRequest, "adjust before a fit")
	}
	outputs := r.task.Outputs()
	out := make([]float32, 0, len(rows.Predictions.Data))
	for i, a := range rows.Availability {
		curves, ok := r.of[a]
		if !ok {
			curves = r.all
		}
		for c, curve := range curves {
			for _, p := range curve.probabilities(r.logits(rows.Predictions.Data[i*outputs:(i+1)*outputs], c)) {
				out = append(out, float32(p))
			}
		}
	}
	return out, nil, nil
}

// State is the curves of all rows, then by pattern, as little-endian float64 after
// the pattern.
func (r *rule) State() ([]byte, error) { //nolint:unparam // the interface has more
	if !r.fitted {
		return nil, nil
	}
	var out []byte
	put := func(curves []curve) {
		for _, c := range curves {
			for _, v := range c {
				out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
			}
		}
	}
	put(r.all)
	for _, a := range slices.Sorted(maps.Keys(r.of)) {
		out = binary.LittleEndian.AppendUint64(out, a)
		put(r.of[a])
	}
	return out, nil
}

// SetState restores it. An error changes nothing.
func (r *rule) SetState(data []byte) error {
	if len(data) == 0 {
		r.fitted, r.all, r.of = false, nil, nil
		return nil
	}
	curves := 1
	if r.task.Kind == sdk.Multilabel {
		curves = r.task.Classes
	}
	size := 8 * curves * (1 + r.biases())
	if len(data) < size || (len(data)-size)%(size+8) != 0 {
		return fmt.Errorf("%d bytes of calibration curves of %d bytes", len(data), size)
	}
	next := func() uint64 {
		v := binary.LittleEndian.Uint64(data)
		data = data[8:]
		return v
	}
	get := func() []curve {
		out := make([]curve, curves)
		for i := range out {
			out[i] = make(curve, 1+r.biases())
			for j := range out[i] {
				out[i][j] = math.Float64frombits(next())
			}
		}
		return out
	}
	r.fitted, r.all, r.of = true, get(), map[uint64][]curve{}
	for len(data) > 0 {
		a := next()
		r.of[a] = get()
	}
	return nil
}
