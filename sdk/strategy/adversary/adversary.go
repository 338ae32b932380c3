package adversary

import (
	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy"
	"github.com/deconfound/deconfound/sdk/strategy/network"
)

// Hyperparameters of the adversary, with the defaults of DomainBed.
func Hyperparameters() []sdk.Hyperparameter {
	return []sdk.Hyperparameter{
		{
			Name: "weight", Type: sdk.Float, Default: 1.0, Min: 1e-2, Max: 1e2, Log: true,
			Text: "weight of the adversary's loss in the objective of the model",
		},
		{Name: "hidden", Type: sdk.Int, Default: int64(256), Min: 1, Max: 4096, Text: "width of the adversary's hidden layers"},
		{Name: "depth", Type: sdk.Int, Default: int64(3), Min: 1, Max: 8, Text: "linear layers of the adversary"},
		{Name: "steps", Type: sdk.Int, Default: int64(1), Min: 1, Max: 8, Text: "steps of the adversary for each of the model"},
		{Name: "beta1", Type: sdk.Float, Default: 0.5, Min: 0, Max: 0.99, Text: "beta1 of the adversary's Adam; its learning rate is the model's"},
		{Name: "weight_decay", Type: sdk.Float, Default: 0.0, Min: 0, Max: 1, Text: "weight decay of the adversary"},
		strategy.EnvironmentHyperparameter(),
	}
}

// Adversary is a rule with a classifier of groups, an MLP on h. Its parameters
// are part of the session's state.
type Adversary struct {
	*network.Network
	weight float64
	steps  int
	mlp    *nn.MLP
	labels *nn.Embedding // of classes, nil unless conditional
	tape   *nn.Tape
}

// New makes the rule. A conditional adversary also sees the label, as an embedding
// that is added to h, and weighs classes alike: it then asks for independence
// within classes, which is right where availability depends on the label.
func New(c strategy.Config, conditional bool) (*Adversary, error) {
	sizes, err := c.GroupSizes()
	if err != nil {
		return nil, err
	}
	if c.Open.Width < 1 {
		return nil, sdk.Errorf(sdk.CodeBadRequest, "the representation has width %d", c.Open.Width)
	}
	widths := []int{c.Open.Width}
	for range c.Int("depth") - 1 {
		widths = append(widths, c.Int("hidden"))
	}
	widths = append(widths, len(sizes))
	a := &Adversary{weight: c.Float("weight"), steps: c.Int("steps"), tape: nn.NewTape()}
	a.Network, err = network.New(c.Open.Optimizer, c.Float("beta1"), c.Float("weight_decay"), func(ps *nn.Params) {
		r := rng.Stream(c.Open.Seed, "adversary")
		a.mlp = nn.NewMLP(ps, "adversary", widths, nil, 0, r)
		if conditional {
			a.labels = nn.NewEmbedding(ps, "labels", max(c.Open.Task.Classes, 2), c.Open.Width, r)
		}
	})
	return a, err
}

// Penalty is -weight times the adversary's cross-entropy, so that the model
// maximises what the adversary minimises. Both gradients are taken at the same
// parameters; then the adversary takes its steps.
func (a *Adversary) Penalty(b strategy.Batch) (float64, []float32, []float32, []sdk.Term, error) {
	loss, correct := a.loss(b)
	dh := make([]float32, len(b.H.Data))
	for i, g := range a.gradient(loss) {
		dh[i] = float32(-a.weight * float64(g))
	}
	for step := range a.steps {
		if step > 0 {
			again, _ := a.loss(b)
			a.gradient(again)
		}
		if err := a.Step(); err != nil {
			return 0, nil, nil, nil, err
		}
	}
	terms := []sdk.Term{{Name: "adversary_loss", Value: loss.value}, {Name: "adversary_accuracy", Value: correct}}
	return -a.weight * loss.value, dh, nil, terms, nil
}

// loss is a cross-entropy on the tape.
type loss struct {
	h, rows *nn.Var
	share   []float32 // of each row, sums to 1
	value   float64
}

// loss computes the adversary's cross-entropy and how often it is right.
func (a *Adversary) loss(b strategy.Batch) (loss, float64) {
	a.tape.Reset()
	a.Params.ZeroGrad()
	l := loss{h: a.tape.Leaf(len(b.Rows), b.H.Shape[1], b.H.Data), share: a.shares(b)}
	x := l.h
	if a.labels != nil {
		classes := make([]int32, len(b.Labels))
		for i, y := range b.Labels {
			classes[i] = int32(y)
		}
		x = a.tape.Add(x, a.labels.Apply(a.tape, classes))
	}
	logits := a.mlp.Apply(a.tape, x, nil)
	l.rows = a.tape.CrossEntropy(logits, b.Groups)
	right := 0.0
	for i, v := range l.rows.Value {
		l.value += float64(l.share[i]) * float64(v)
		best := 0
		for j, z := range logits.Value[i*logits.Cols : (i+1)*logits.Cols] {
			if z > logits.Value[i*logits.Cols+best] {
				best = j
			}
		}
		if best == int(b.Groups[i]) {
			right++
		}
	}
	return l, right / float64(len(b.Rows))
}

// gradient goes back through the tape and returns the gradient with respect to h.
func (a *Adversary) gradient(l loss) []float32 {
	copy(l.rows.Grad, l.share)
	a.tape.Backward()
	return l.h.Grad
}

// shares are equal over rows, or, of a conditional adversary, over the classes in
// the batch.
func (a *Adversary) shares(b strategy.Batch) []float32 {
	out := make([]float32, len(b.Rows))
	count := map[float32]float64{}
	if a.labels != nil {
		for _, y := range b.Labels {
			count[y]++
		}
	}
	for i := range out {
		if a.labels == nil {
			out[i] = float32(1 / float64(len(out)))
		} else {
			out[i] = float32(1 / (count[b.Labels[i]] * float64(len(count))))
		}
	}
	return out
}
