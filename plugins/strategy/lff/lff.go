package main

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
	"github.com/deconfound/deconfound/sdk/strategy/network"
)

var info = sdk.Info{
	Kind:     sdk.KindStrategy,
	Name:     "lff",
	Version:  "1.0.0",
	Licence:  "Apache-2.0",
	Citation: "Nam, Cha, Ahn, Lee, Shin, Learning from failure: training debiased classifier from biased classifier, NeurIPS 2020 (equations 4 to 6, algorithm 1); smoothed losses as in its code",
	Text:     "A biased classifier on h, which h does not learn from, is trained to follow what is easy; rows at which it fails weigh more. Unlike in the paper it shares the encoder. It knows no groups.",
	Hyperparameters: []sdk.Hyperparameter{
		{
			Name: "q", Type: sdk.Float, Default: 0.7, Min: 0.05, Max: 0.95,
			Text: "how much the biased classifier prefers what is easy (generalised cross-entropy)",
		},
		{
			Name: "smoothing", Type: sdk.Float, Default: 0.7, Min: 0, Max: 0.99,
			Text: "share that the smoothed loss of a row keeps of its past",
		},
		{Name: "hidden", Type: sdk.Int, Default: int64(64), Min: 1, Max: 4096, Text: "width of the biased classifier's hidden layer"},
	},
	Capabilities: sdk.Capabilities{Deterministic: true, Tasks: []sdk.TaskKind{sdk.Binary, sdk.Multiclass}},
}

type rule struct {
	*network.Network
	q, smoothing float64
	mlp          *nn.MLP
	tape         *nn.Tape
	labels       []float32 // of all training rows
	// biased and debiased are the smoothed losses of all training rows, 0 before a
	// row was seen.
	biased, debiased []float64
}

func newRule(c strategy.Config) (strategy.Rule, error) {
	if c.Open.Width < 1 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the representation has width %d", c.Open.Width)
	}
	n := len(c.Open.Availability)
	r := &rule{
		q: c.Float("q"), smoothing: c.Float("smoothing"), tape: nn.NewTape(),
		labels: append([]float32(nil), c.Open.Labels...), biased: make([]float64, n), debiased: make([]float64, n),
	}
	var err error
	r.Network, err = network.New(c.Open.Optimizer, 0.9, c.Open.Optimizer.WeightDecay, func(ps *nn.Params) {
		r.mlp = nn.NewMLP(ps, "biased", []int{c.Open.Width, c.Int("hidden"), max(c.Open.Task.Classes, 2)}, nil, 0, rng.Stream(c.Open.Seed, "biased"))
	})
	return r, err
}

// Weights are b/(b+d): b and d the smoothed cross-entropies of the biased
// classifier and of the model, each divided by its largest among the training rows
// of the class. Then the biased classifier takes a step of its generalised
// cross-entropy. The host divides by the sum of weights, the paper by the number
// of rows.
func (r *rule) Weights(b strategy.Batch) ([]float32, []sdk.Term, error) {
	r.tape.Reset()
	r.Params.ZeroGrad()
	classes := make([]int32, len(b.Labels))
	for i, y := range b.Labels {
		classes[i] = int32(y)
	}
	logits := r.mlp.Apply(r.tape, r.tape.Const(len(b.Rows), b.H.Shape[1], b.H.Data), nil)
	loss := r.tape.CrossEntropy(logits, classes)
	for i, row := range b.Rows {
		r.biased[row] = r.smoothing*r.biased[row] + (1-r.smoothing)*float64(loss.Value[i])
		r.debiased[row] = r.smoothing*r.debiased[row] + (1-r.smoothing)*float64(b.RowLoss[i])
	}
	largest := map[float32][2]float64{}
	for row, y := range r.labels {
		m := largest[y]
		largest[y] = [2]float64{max(m[0], r.biased[row]), max(m[1], r.debiased[row])}
	}
	weights := make([]float32, len(b.Rows))
	var mean, sum float64
	for i, row := range b.Rows {
		m := largest[b.Labels[i]]
		failed, own := r.biased[row]/max(m[0], 1e-30), r.debiased[row]/max(m[1], 1e-30)
		w := failed / (failed + own + 1e-8)
		weights[i] = float32(w)
		mean += w / float64(len(b.Rows))
		sum += float64(weights[i])
	}
	if sum == 0 {
		weights = nil // the biased classifier fails nowhere
	}

	// The tape goes back from both losses; only the second has a gradient.
	r.tape.BackwardFrom(r.tape.WeightedMean(r.tape.GCE(logits, classes, r.q), nil))
	if err := r.Step(); err != nil {
		return nil, nil, err
	}
	return weights, []sdk.Term{{Name: "mean_weight", Value: mean}}, nil
}

// State is the smoothed losses as little-endian float64 and the biased classifier.
func (r *rule) State() ([]byte, error) {
	var out []byte
	for _, losses := range [][]float64{r.biased, r.debiased} {
		for _, v := range losses {
			out = binary.LittleEndian.AppendUint64(out, math.Float64bits(v))
		}
	}
	state, err := r.Network.State()
	return append(out, state...), err
}

// SetState restores them. An error changes nothing.
func (r *rule) SetState(data []byte) error {
	size := 8 * (len(r.biased) + len(r.debiased))
	if len(data) < size {
		return fmt.Errorf("state has %d bytes, the losses alone need %d", len(data), size)
	}
	if err := r.Network.SetState(data[size:]); err != nil {
		return err
	}
	for _, losses := range [][]float64{r.biased, r.debiased} {
		for i := range losses {
			losses[i] = math.Float64frombits(binary.LittleEndian.Uint64(data))
			data = data[8:]
		}
	}
	return nil
}
