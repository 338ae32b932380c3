package nn

import (
	"encoding/binary"
	"fmt"
	"math"
)

// Running are the statistics of a BatchNorm that inference uses: the mean and the
// unbiased variance of every column, averaged over the batches of training.
type Running struct {
	Mean, Variance []float32
	// Momentum is the share of the last batch.
	Momentum float64
}

// NewRunning returns the statistics before any batch: mean 0, variance 1,
// momentum 0.1.
func NewRunning(width int) *Running {
	r := &Running{Mean: make([]float32, width), Variance: make([]float32, width), Momentum: 0.1}
	for i := range r.Variance {
		r.Variance[i] = 1
	}
	return r
}

// State returns the statistics, exactly: a State of a model may contain it.
func (r *Running) State() []byte {
	b := make([]byte, 0, 8*len(r.Mean))
	for _, values := range [][]float32{r.Mean, r.Variance} {
		for _, v := range values {
			b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
		}
	}
	return b
}

// SetState takes what State returned for the same width.
func (r *Running) SetState(state []byte) error {
	if want := 4 * (len(r.Mean) + len(r.Variance)); len(state) != want {
		return fmt.Errorf("read running statistics: %d bytes, want %d", len(state), want)
	}
	for _, values := range [][]float32{r.Mean, r.Variance} {
		for i := range values {
			values[i] = math.Float32frombits(binary.LittleEndian.Uint32(state))
			state = state[4:]
		}
	}
	return nil
}

// update takes in the moments of a batch. The variance of one row is unknown and
// leaves the running one as it is.
func (r *Running) update(mean, variance []float64, rows int) {
	if rows == 0 {
		return
	}
	for j, m := range mean {
		r.Mean[j] = float32((1-r.Momentum)*float64(r.Mean[j]) + r.Momentum*m)
	}
	if rows == 1 {
		return
	}
	unbiased := float64(rows) / float64(rows-1)
	for j, v := range variance {
		r.Variance[j] = float32((1-r.Momentum)*float64(r.Variance[j]) + r.Momentum*v*unbiased)
	}
}

// BatchNorm standardises every column of x [B, C], multiplies by g and adds b,
// both [1, C] (Ioffe and Szegedy, ICML 2015, algorithms 1 and 2). In training the
// moments are those of the batch, and running is updated by the forward pass;
// else they are those of running, which the gradient does not go through.
func (t *Tape) BatchNorm(x, g, b *Var, running *Running, train bool) *Var {
	checkShape("batch norm", "the gain", g, 1, x.Cols)
	checkShape("batch norm", "the bias", b, 1, x.Cols)
	checkLength("batch norm", "running means", len(running.Mean), x.Cols)
	checkLength("batch norm", "running variances", len(running.Variance), x.Cols)
	var mean, variance []float64
	if train {
		mean, variance = t.columnMoments(x)
		running.update(mean, variance, x.Rows)
	} else {
		mean, variance = t.widened(running.Mean), t.widened(running.Variance)
	}
	inverse := t.inverseRoots(variance, normEpsilon)
	hat := t.arena.alloc(len(x.Value))
	standardise(hat, x, mean, inverse)
	out := t.op(x.Rows, x.Cols, record{a: x, b: g, c: b, values: hat, wide: inverse, flag: train, run: func(t *Tape, r *record) {
		out, x, g, b, hat, inverse, train := r.out, r.a, r.b, r.c, r.values, r.wide, r.flag
		for i := range x.Rows {
			dy, h := out.gradRow(i), hat[i*x.Cols:(i+1)*x.Cols]
			if g.Grad != nil {
				addProduct(g.Grad, dy, h)
			}
			if b.Grad != nil {
				addTo(b.Grad, dy)
			}
		}
		if x.Grad == nil {
			return
		}
		dhat := t.arena.alloc(len(hat))
		for i := range x.Rows {
			times(dhat[i*x.Cols:(i+1)*x.Cols], out.gradRow(i), g.Value)
		}
		if train {
			t.standardiseGradient(x.Grad, dhat, hat, inverse, x.Rows)
			return
		}
		for i := range x.Rows {
			d := x.gradRow(i)
			for j, v := range dhat[i*x.Cols : (i+1)*x.Cols] {
				d[j] += v * float32(inverse[j])
			}
		}
	}})
	for i := range x.Rows {
		copy(out.row(i), b.Value)
		addProduct(out.row(i), hat[i*x.Cols:(i+1)*x.Cols], g.Value)
	}
	return out
}

func (t *Tape) widened(x []float32) []float64 {
	y := t.wide.alloc(len(x))
	for i, v := range x {
		y[i] = float64(v)
	}
	return y
}

// BatchNorm is a layer with gain and bias [1, width] and running statistics, which
// are state and not parameters: whoever saves the model saves them too.
type BatchNorm struct {
	Gain, Bias *Param
	*Running
}

// NewBatchNorm makes the parameters name.gain, one, and name.bias, zero.
func NewBatchNorm(ps *Params, name string, width int) *BatchNorm {
	return &BatchNorm{
		Gain:    ps.noDecay(name+".gain", width, Ones),
		Bias:    ps.noDecay(name+".bias", width, Zeros),
		Running: NewRunning(width),
	}
}

// Apply maps x [B, width] to [B, width].
func (l *BatchNorm) Apply(t *Tape, x *Var, train bool) *Var {
	return t.BatchNorm(x, t.Param(l.Gain), t.Param(l.Bias), l.Running, train)
}
