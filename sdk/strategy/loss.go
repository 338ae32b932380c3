package strategy

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
)

// Losses are the cross-entropies of the rows of a batch as functions of its
// logits, in float64: binary with one sigmoid logit, multiclass with a softmax,
// multilabel the mean over the known labels of a row (0 without any).
type Losses struct {
	Rows, Outputs int
	// Value is the loss of each row, [Rows].
	Value []float64
	// Gradient is the one of every row's own loss with respect to its logits,
	// prediction minus label, [Rows * Outputs]; divided by the number of known
	// labels in a multilabel task.
	Gradient []float64

	softmax bool
	slope   []float64 // p of the softmax, else the second derivative of each logit
}

// LossesOf computes the losses of a batch.
func LossesOf(task sdk.Task, b Batch) *Losses {
	rows, outputs := len(b.Rows), task.Outputs()
	l := &Losses{
		Rows: rows, Outputs: outputs, softmax: task.Kind == sdk.Multiclass,
		Value: make([]float64, rows), Gradient: make([]float64, rows*outputs), slope: make([]float64, rows*outputs),
	}
	for i := range rows {
		z := b.Logits.Data[i*outputs : (i+1)*outputs]
		g, s := l.Gradient[i*outputs:(i+1)*outputs], l.slope[i*outputs:(i+1)*outputs]
		if l.softmax {
			l.Value[i] = softmaxLoss(z, int(b.Labels[i]), g, s)
		} else {
			l.Value[i] = sigmoidLoss(z, b.Labels[i*outputs:(i+1)*outputs], g, s)
		}
	}
	return l
}

func softmaxLoss(z []float32, class int, gradient, p []float64) float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, float64(v))
	}
	var sum float64
	for _, v := range z {
		sum += math.Exp(float64(v) - top)
	}
	norm := top + math.Log(sum)
	for j, v := range z {
		p[j] = math.Exp(float64(v) - norm)
		gradient[j] = p[j]
	}
	gradient[class]--
	return norm - float64(z[class])
}

func sigmoidLoss(z, labels []float32, gradient, slope []float64) float64 {
	known := 0.0
	for _, y := range labels {
		if y == y {
			known++
		}
	}
	var sum float64
	for j, y := range labels {
		if y != y {
			continue
		}
		v := float64(z[j])
		p := 1 / (1 + math.Exp(-v))
		sum += max(v, 0) - v*float64(y) + math.Log1p(math.Exp(-math.Abs(v)))
		gradient[j] = (p - float64(y)) / known
		slope[j] = p * (1 - p) / known
	}
	return sum / max(known, 1)
}

// Curvature adds factor times the product of v, [Outputs], with the matrix of
// second derivatives of the loss of row i to into, [Outputs].
func (l *Losses) Curvature(i int, factor float64, v, into []float64) {
	s := l.slope[i*l.Outputs : (i+1)*l.Outputs]
	var mean float64
	if l.softmax {
		for j, p := range s {
			mean += p * v[j]
		}
	}
	for j := range s {
		into[j] += factor * s[j] * (v[j] - mean)
	}
}

// Mean is the mean loss over rows of the batch, and 0 of none.
func (l *Losses) Mean(rows []int) float64 {
	var sum float64
	for _, i := range rows {
		sum += l.Value[i]
	}
	return sum / float64(max(len(rows), 1))
}

// AddGradient adds factor times the gradient of the loss of row i to into,
// [Rows * Outputs].
func (l *Losses) AddGradient(i int, factor float64, into []float64) {
	for j := i * l.Outputs; j < (i+1)*l.Outputs; j++ {
		into[j] += factor * l.Gradient[j]
	}
}

// Narrow rounds values to float32, as answers are.
func Narrow(values []float64) []float32 {
	out := make([]float32, len(values))
	for i, v := range values {
		out[i] = float32(v)
	}
	return out
}
