package causal

import (
	"math"
	"math/rand/v2"

	"github.com/deconfound/deconfound/sdk/nn"
)

// classifier is Linear-ReLU-Dropout-Linear, or one Linear without hidden layer,
// on inputs side by side.
type classifier struct {
	task    Task
	first   *nn.Linear
	second  *nn.Linear // nil without hidden layer
	dropout float64
}

func newClassifier(ps *nn.Params, name string, cfg Config, in int, r *rand.Rand) *classifier {
	c := &classifier{task: cfg.Task, dropout: cfg.Dropout}
	out := cfg.Task.Outputs()
	if cfg.Hidden == 0 {
		c.first = nn.NewLinear(ps, name+".1", in, out, r)
		return c
	}
	c.first = nn.NewLinear(ps, name+".1", in, cfg.Hidden, r)
	c.second = nn.NewLinear(ps, name+".2", cfg.Hidden, out, r)
	return c
}

// apply returns logits; r is nil when predicting.
func (c *classifier) apply(t *nn.Tape, r *rand.Rand, inputs ...*nn.Var) *nn.Var {
	x := inputs[0]
	if len(inputs) > 1 {
		x = t.Concat(inputs...)
	}
	x = c.first.Apply(t, x)
	if c.second == nil {
		return x
	}
	return c.second.Apply(t, t.Dropout(t.ReLU(x), c.dropout, r))
}

// partial returns what inputs contribute to the first layer, [rows, hidden]:
// inputs take the columns from offset on. The sum over all inputs, with the bias
// once, is the layer's output; so a classifier is evaluated on all pairs of a
// row and a context for the price of the sum.
func (c *classifier) partial(t *nn.Tape, offset int, bias bool, inputs ...*nn.Var) *nn.Var {
	x := inputs[0]
	if len(inputs) > 1 {
		x = t.Concat(inputs...)
	}
	width := c.first.Weight.Cols
	w := t.Const(x.Cols, width, c.first.Weight.Value[offset*width:(offset+x.Cols)*width])
	var b *nn.Var
	if bias {
		b = t.Const(1, width, c.first.Bias.Value)
	}
	return t.Linear(x, w, b)
}

// mixture is an average of probabilities over contexts.
type mixture struct {
	mean     []float64 // [rows * Outputs]
	variance float64   // over the contexts, mean over rows and outputs
}

// mix averages p over contexts: row i sees context k with weight weights[k], or
// weights[i*K+k] if there are K weights for every row. base and contexts are
// partial sums of the first layer.
func (c *classifier) mix(base, contexts *nn.Var, weights []float64) mixture {
	outputs, n := c.task.Outputs(), contexts.Rows
	m := mixture{mean: make([]float64, base.Rows*outputs)}
	logits := make([]float32, outputs)
	p := make([]float64, outputs)
	square := make([]float64, outputs)
	for i := range base.Rows {
		own := weights
		if len(weights) > n {
			own = weights[i*n : (i+1)*n]
		}
		mean := m.mean[i*outputs : (i+1)*outputs]
		clear(square)
		row := base.Value[i*base.Cols : (i+1)*base.Cols]
		for k, w := range own {
			if w == 0 {
				continue
			}
			c.finish(logits, row, contexts.Value[k*base.Cols:(k+1)*base.Cols])
			c.task.probabilities(p, logits)
			for j, v := range p {
				mean[j] += w * v
				square[j] += w * v * v
			}
		}
		for j, v := range mean {
			m.variance += max(0, square[j]-v*v)
		}
	}
	m.variance /= float64(len(m.mean))
	return m
}

// distance is the mean over rows and outputs of sum_k weights_k |p_k - reference|,
// where p_k is the probability in context k.
func (c *classifier) distance(base, contexts *nn.Var, weights, reference []float64) float64 {
	outputs := c.task.Outputs()
	logits := make([]float32, outputs)
	p := make([]float64, outputs)
	sum := 0.0
	for i := range base.Rows {
		row := base.Value[i*base.Cols : (i+1)*base.Cols]
		for k, w := range weights {
			c.finish(logits, row, contexts.Value[k*base.Cols:(k+1)*base.Cols])
			c.task.probabilities(p, logits)
			for j, v := range p {
				sum += w * math.Abs(v-reference[i*outputs+j])
			}
		}
	}
	return sum / float64(len(reference))
}

// finish computes the logits of one row from two parts of its first layer.
func (c *classifier) finish(logits, a, b []float32) {
	b = b[:len(a)]
	if c.second == nil {
		for j, v := range a {
			logits[j] = v + b[j]
		}
		return
	}
	copy(logits, c.second.Bias.Value)
	w, outputs := c.second.Weight.Value, len(logits)
	if outputs == 1 {
		sum := logits[0]
		for j, v := range a {
			sum += max(v+b[j], 0) * w[j]
		}
		logits[0] = sum
		return
	}
	for j, v := range a {
		x := v + b[j]
		if x <= 0 {
			continue
		}
		for o, u := range w[j*outputs : (j+1)*outputs] {
			logits[o] += x * u
		}
	}
}
