package main

import (
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "dfr",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Kirichenko, Izmailov, Wilson, Last layer re-training is sufficient for robustness to spurious correlations, ICLR 2023 (section 4, DFR on validation rows)",
	Text:     "Training is plain. Then the backbone is kept, and a logistic regression on h with an L1 penalty is fitted to validation rows that are balanced over groups, and predicts. It replaces the head, so it is not combined with missingness or the dual branch.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "regularisation", Type: sdk.Float, Default: 0.1, Min: 1e-3, Max: 10, Log: true,
			Text: "weight of the L1 norm of the coefficients, of columns with variance 1, against the mean loss",
		},
		{Name: "refits", Type: sdk.Int, Default: int64(10), Min: 1, Max: 100, Text: "balanced draws, each fitted; the mean of their coefficients predicts"},
		{
			Name: "min_rows", Type: sdk.Int, Default: int64(10), Min: 1, Max: 1e6,
			Text: "validation rows from which on a group is one that the others are cut down to; of a smaller one all rows are taken",
		},
		{
			Name: "groups", Type: sdk.String, Default: "pattern_label", Values: []string{"pattern", "pattern_label", "environment"},
			Text: "what a group is: availability pattern (rare ones merged), pattern and label, or environment",
		},
	},
	Capabilities: sdk.Capabilities{
		Deterministic: true, PostHoc: sdk.PostHocRepresentation, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass},
	},
}

type rule struct {
	task           sdk.Task
	width          int
	regularisation float64
	refits         int
	minRows        int
	seed           uint64
	head           []float64 // weights [width, outputs] and intercepts [outputs]; nil before a fit
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	if c.Open.Width < 1 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the representation has width %d", c.Open.Width)
	}
	return &rule{
		task: c.Open.Task, width: c.Open.Width, seed: c.Open.Seed,
		regularisation: c.Float("regularisation"), refits: c.Int("refits"), minRows: c.Int("min_rows"),
	}, nil
}

// Fit minimises
//
//	mean_i CE(W' x_i + b, y_i) + regularisation |W|_1
//
// over balanced draws of the rows, x the columns of h with mean 0 and variance 1
// among all of them, and keeps the mean of W and b in terms of h.
func (r *rule) Fit(rows strategy.Held) ([]sdk.Term, error) { //nolint:unparam // the interface has an error
	mean, scale := r.moments(rows.H)
	outputs := r.task.Outputs()
	r.head = make([]float64, (r.width+1)*outputs)
	var start []float64
	var size, used float64
	for refit := range r.refits {
		at := r.balanced(rows, rng.Stream(r.seed, "balance", refit))
		p := newProblem(r.task, r.width, r.regularisation)
		for _, i := range at {
			for j, v := range rows.H.Data[i*r.width : (i+1)*r.width] {
				p.x = append(p.x, (float64(v)-mean[j])*scale[j])
			}
			p.labels = append(p.labels, int(rows.Labels[i]))
		}
		start = p.solve(start)
		size += float64(len(at)) / float64(r.refits)
		for j := range r.width {
			for c := range outputs {
				w := start[j*outputs+c] / float64(r.refits)
				if w != 0 {
					used += 1 / float64(outputs)
				}
				r.head[j*outputs+c] += w * scale[j]
				r.head[r.width*outputs+c] -= w * scale[j] * mean[j]
			}
		}
		for c := range outputs {
			r.head[r.width*outputs+c] += start[r.width*outputs+c] / float64(r.refits)
		}
	}
	return []sdk.Term{{Name: "balanced_rows", Value: size}, {Name: "columns", Value: used / float64(r.refits)}}, nil
}

// moments are mean and 1 over the standard deviation of every column of h; 0 for
// one that does not vary.
func (r *rule) moments(h sdk.Tensor) (mean, scale []float64) {
	mean, scale = make([]float64, r.width), make([]float64, r.width)
	n := float64(h.Shape[0])
	for i, v := range h.Data {
		mean[i%r.width] += float64(v) / n
	}
	for i, v := range h.Data {
		d := float64(v) - mean[i%r.width]
		scale[i%r.width] += d * d / n
	}
	for j, v := range scale {
		scale[j] = 0
		if v > 1e-12*(1+mean[j]*mean[j]) {
			scale[j] = 1 / math.Sqrt(v)
		}
	}
	return mean, scale
}

// balanced draws as many rows of every group as the smallest has that is not below
// min_rows, without replacement; of a smaller group it takes all.
func (r *rule) balanced(rows strategy.Held, random *rand.Rand) []int {
	members := map[int32][]int{}
	for i := range rows.Availability {
		g := int32(0)
		if rows.Groups != nil {
			g = rows.Groups[i]
		}
		members[g] = append(members[g], i)
	}
	size, largest := math.MaxInt, 0
	for _, at := range members {
		largest = max(largest, len(at))
		if len(at) >= r.minRows {
			size = min(size, len(at))
		}
	}
	size = min(size, largest)
	var out []int
	for _, g := range slices.Sorted(maps.Keys(members)) {
		at := members[g]
		if len(at) <= size {
			out = append(out, at...)
			continue
		}
		for _, k := range random.Perm(len(at))[:size] {
			out = append(out, at[k])
		}
	}
	return out
}

// Adjust answers what the new head predicts of h, whatever the old one did.
func (r *rule) Adjust(rows strategy.Held) ([]float32, []sdk.Term, error) { //nolint:unparam // the interface has more
	if r.head == nil {
		return nil, nil, sdk.Errorf(sdk.CodeBadRequest, "adjust before a fit")
	}
	outputs := r.task.Outputs()
	out := make([]float32, 0, len(rows.Predictions.Data))
	logits := make([]float64, outputs)
	for i := range rows.Availability {
		copy(logits, r.head[r.width*outputs:])
		for j, v := range rows.H.Data[i*r.width : (i+1)*r.width] {
			for c := range logits {
				logits[c] += float64(v) * r.head[j*outputs+c]
			}
		}
		probabilities(logits)
		for _, p := range logits {
			out = append(out, float32(p))
		}
	}
	return out, nil, nil
}

// State is the new head as little-endian float64; nothing before a fit.
func (r *rule) State() ([]byte, error) { //nolint:unparam // the interface has more
	var out []byte
	for _, v := range r.head {
		out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
	}
	return out, nil
}

// SetState restores it. An error changes nothing.
func (r *rule) SetState(data []byte) error {
	if len(data) == 0 {
		r.head = nil
		return nil
	}
	if want := 8 * (r.width + 1) * r.task.Outputs(); len(data) != want {
		return fmt.Errorf("a head of %d bytes, want %d", len(data), want)
	}
	r.head = make([]float64, len(data)/8)
	for i := range r.head {
		r.head[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
	}
	return nil
}
