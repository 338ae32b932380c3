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
	Name:     "rectifier",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Angelopoulos, Bates, Fannjiang, Jordan, Zrnic, Prediction-powered inference, Science 2023 (the rectifier of a mean and its variance); by availability pattern as in CRL-MMNAR, EMNLP 2025, arXiv:2509.17228, but fitted to validation rows",
	Text:     "After training, the mean error of the predictions on the validation rows of every availability pattern is taken off the predictions of the pattern. It corrects what is said of a pattern as a whole; within one the order of patients stays.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "min_rows", Type: sdk.Int, Default: int64(30), Min: 1, Max: 1e6,
			Text: "validation rows from which on a pattern speaks for itself; below, its correction is drawn towards the one of all rows, in proportion",
		},
		{Name: "clip", Type: sdk.Float, Default: 0.3, Min: 0, Max: 1, Text: "largest correction"},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, PostHoc: sdk.PostHocScores},
}

type rule struct {
	outputs int
	task    sdk.Task
	minRows float64
	clip    float64
	fitted  bool
	all     offset // of all validation rows
	of      map[uint64]offset
}

// offset is the rectifier of a set of rows: the mean of prediction minus label, for
// every output, and the variance of that mean.
type offset struct{ delta, variance []float64 }

func newRule(c strategy.Config) (strategy.Rule, error) {
	return &rule{task: c.Open.Task, outputs: c.Open.Task.Outputs(), minRows: float64(c.Int("min_rows")), clip: c.Float("clip")}, nil
}

// Fit computes Δ_k = mean (f - y) over the validation rows of every pattern k. A
// pattern of n < min_rows rows has n/min_rows of its own and the rest of all rows'.
func (r *rule) Fit(rows strategy.Held) ([]sdk.Term, error) { //nolint:unparam // the interface has an error
	members := map[uint64][]int{}
	all := make([]int, len(rows.Availability))
	for i, a := range rows.Availability {
		members[a], all[i] = append(members[a], i), i
	}
	whole, _ := r.measure(rows, all)
	r.of = make(map[uint64]offset, len(members))
	for a, at := range members {
		own, known := r.measure(rows, at)
		for c := range own.delta {
			share := min(known[c]/r.minRows, 1)
			own.delta[c] = share*own.delta[c] + (1-share)*whole.delta[c]
			own.variance[c] = share*share*own.variance[c] + (1-share)*(1-share)*whole.variance[c]
		}
		r.of[a] = r.clipped(own)
	}
	r.all, r.fitted = r.clipped(whole), true
	terms := []sdk.Term{{Name: "offset", Value: r.all.delta[0]}, {Name: "offset_se", Value: math.Sqrt(r.all.variance[0])}}
	for _, a := range slices.Sorted(maps.Keys(r.of)) {
		if len(terms) >= mostTerms {
			break
		}
		terms = append(terms, sdk.Term{Name: fmt.Sprintf("offset_pattern_%d", a), Value: r.of[a].delta[0]})
	}
	return terms, nil
}

// mostTerms bounds what is recorded of patterns; many modalities have many.
const mostTerms = 64

// measure is the offset of rows, and how many have a known label, for every output.
func (r *rule) measure(rows strategy.Held, at []int) (offset, []float64) {
	o := offset{make([]float64, r.outputs), make([]float64, r.outputs)}
	known := make([]float64, r.outputs)
	for c := range o.delta {
		var sum, square float64
		for _, i := range at {
			d, ok := r.gap(rows, i, c)
			if !ok {
				continue
			}
			sum, square, known[c] = sum+d, square+d*d, known[c]+1
		}
		n := max(known[c], 1)
		o.delta[c] = sum / n
		if known[c] > 1 {
			o.variance[c] = max(square/n-o.delta[c]*o.delta[c], 0) / (n - 1)
		}
	}
	return o, known
}

// gap is prediction minus label of an output of a row; not ok if it is unknown.
func (r *rule) gap(rows strategy.Held, i, c int) (gap float64, ok bool) {
	y := float64(rows.Labels[i*len(rows.Labels)/len(rows.Availability)])
	switch r.task.Kind {
	case sdk.Multilabel:
		y = float64(rows.Labels[i*r.outputs+c])
	case sdk.Multiclass:
		if int(y) == c {
			y = 1
		} else {
			y = 0
		}
	}
	return float64(rows.Predictions.Data[i*r.outputs+c]) - y, y == y
}

func (r *rule) clipped(o offset) offset {
	for c, d := range o.delta {
		o.delta[c] = max(-r.clip, min(d, r.clip))
	}
	return o
}

// Adjust answers f - Δ_k, kept from 0 to 1; in a multiclass task divided by its sum.
// A pattern that no validation row has gets the offset of all. Its terms are the
// estimates that the correction is for, of the first output, mean f - Δ by pattern,
// with their standard errors sqrt(var Δ + var f / n).
func (r *rule) Adjust(rows strategy.Held) ([]float32, []sdk.Term, error) {
	if !r.fitted {
		return nil, nil, sdk.Errorf(sdk.CodeBadRequest, "adjust before a fit")
	}
	out := make([]float32, len(rows.Predictions.Data))
	moments := map[uint64]*[3]float64{} // n, sum and sum of squares of f
	for i, a := range rows.Availability {
		delta := r.offset(a).delta
		f, to := rows.Predictions.Data[i*r.outputs:(i+1)*r.outputs], out[i*r.outputs:(i+1)*r.outputs]
		var sum float64
		for c, p := range f {
			v := max(0, min(float64(p)-delta[c], 1))
			to[c], sum = float32(v), sum+v
		}
		if r.task.Kind == sdk.Multiclass {
			for c, v := range to {
				to[c] = float32(float64(v) / sum)
			}
			if sum == 0 {
				copy(to, f)
			}
		}
		m := moments[a]
		if m == nil {
			m = &[3]float64{}
			moments[a] = m
		}
		p := float64(f[0])
		m[0], m[1], m[2] = m[0]+1, m[1]+p, m[2]+p*p
	}
	var terms []sdk.Term
	for _, a := range slices.Sorted(maps.Keys(moments)) {
		if len(terms) >= mostTerms {
			break
		}
		m, o := moments[a], r.offset(a)
		mean := m[1] / m[0]
		variance := o.variance[0]
		if m[0] > 1 {
			variance += max(m[2]/m[0]-mean*mean, 0) / (m[0] - 1)
		}
		terms = append(terms,
			sdk.Term{Name: fmt.Sprintf("mean_pattern_%d", a), Value: mean - o.delta[0]},
			sdk.Term{Name: fmt.Sprintf("mean_se_pattern_%d", a), Value: math.Sqrt(variance)})
	}
	return out, terms, nil
}

func (r *rule) offset(a uint64) offset {
	if o, ok := r.of[a]; ok {
		return o
	}
	return r.all
}

// State is the offsets: of all rows, then by pattern, as little-endian float64 after
// the pattern.
func (r *rule) State() ([]byte, error) { //nolint:unparam // the interface has more
	if !r.fitted {
		return nil, nil
	}
	var out []byte
	put := func(o offset) {
		for _, values := range [][]float64{o.delta, o.variance} {
			for _, v := range values {
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
		r.fitted, r.all, r.of = false, offset{}, nil
		return nil
	}
	size := 16 * r.outputs
	if len(data) < size || (len(data)-size)%(size+8) != 0 {
		return fmt.Errorf("%d bytes of offsets of %d outputs", len(data), r.outputs)
	}
	next := func() uint64 {
		v := binary.LittleEndian.Uint64(data)
		data = data[8:]
		return v
	}
	get := func() offset {
		o := offset{make([]float64, r.outputs), make([]float64, r.outputs)}
		for _, values := range [][]float64{o.delta, o.variance} {
			for c := range values {
				values[c] = math.Float64frombits(next())
			}
		}
		return o
	}
	r.fitted, r.all, r.of = true, get(), map[uint64]offset{}
	for len(data) > 0 {
		a := next()
		r.of[a] = get()
	}
	return nil
}
