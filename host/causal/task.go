package causal

import (
	"fmt"
	"math"
)

// The kinds of Task.
const (
	Binary     = "binary"     // one sigmoid logit; label 0 or 1
	Multiclass = "multiclass" // Classes softmax logits; label = class index
	Multilabel = "multilabel" // Classes sigmoid logits; Classes labels a row, NaN = unknown
)

// Task says what is predicted.
type Task struct {
	Kind    string
	Classes int // ignored for Binary
}

// Outputs is the number of logits, and of probabilities, a row.
func (t Task) Outputs() int {
	if t.Kind == Binary {
		return 1
	}
	return t.Classes
}

// LabelWidth is the number of label values a row.
func (t Task) LabelWidth() int {
	if t.Kind == Multilabel {
		return t.Classes
	}
	return 1
}

func (t Task) validate() error {
	switch {
	case t.Kind == Binary:
		return nil
	case t.Kind == Multiclass && t.Classes >= 2, t.Kind == Multilabel && t.Classes >= 1:
		return nil
	case t.Kind == Multiclass, t.Kind == Multilabel:
		return fmt.Errorf("a %s task cannot have %d classes", t.Kind, t.Classes)
	}
	return fmt.Errorf("unknown task kind %q; known are %s, %s and %s", t.Kind, Binary, Multiclass, Multilabel)
}

// checkLabels refuses labels that the task cannot have.
func (t Task) checkLabels(labels []float32) error {
	for i, label := range labels {
		v := float64(label)
		switch {
		case t.Kind == Multilabel && math.IsNaN(v):
		case t.Kind != Multiclass && (v == 0 || v == 1):
		case t.Kind == Multiclass && v == math.Trunc(v) && v >= 0 && v < float64(t.Classes):
		default:
			return fmt.Errorf("label %v of row %d is not a label of a %s task with %d outputs", label, i/t.LabelWidth(), t.Kind, t.Outputs())
		}
	}
	return nil
}

// A row has LabelWidth outcomes: one, or one for each label of a multilabel
// task. The functions below work on outcomes, [rows * LabelWidth], so that every
// loss is written once for all three kinds.

// logTruth returns log p(y) of every outcome; NaN where the label is unknown.
func (t Task) logTruth(logits, labels []float32) []float64 {
	out := make([]float64, len(labels))
	if t.Kind == Multiclass {
		c := t.Classes
		for i, label := range labels {
			row := logits[i*c : (i+1)*c]
			out[i] = float64(row[int(label)]) - logSumExp(row)
		}
		return out
	}
	for i, label := range labels {
		switch z := float64(logits[i]); {
		case label != label:
			out[i] = math.NaN()
		case label == 1:
			out[i] = -softplus(-z)
		default:
			out[i] = -softplus(z)
		}
	}
	return out
}

// addGradient adds to dst, laid out as logits, coefficient times the gradient of
// the cross entropy -log p(y) of every outcome. Unknown outcomes and those with
// coefficient 0 add nothing.
func (t Task) addGradient(dst, logits, labels []float32, coefficient []float64) {
	if t.Kind == Multiclass {
		c := t.Classes
		for i, label := range labels {
			if coefficient[i] == 0 {
				continue
			}
			row := logits[i*c : (i+1)*c]
			norm := logSumExp(row)
			for j, z := range row {
				g := math.Exp(float64(z) - norm)
				if j == int(label) {
					g--
				}
				dst[i*c+j] += float32(coefficient[i] * g)
			}
		}
		return
	}
	for i, label := range labels {
		if label != label || coefficient[i] == 0 {
			continue
		}
		dst[i] += float32(coefficient[i] * (sigmoid(float64(logits[i])) - float64(label)))
	}
}

// rowMeans averages known outcomes within each row; 0 for a row with none.
func (t Task) rowMeans(outcomes []float64) []float64 {
	w := t.LabelWidth()
	out := make([]float64, len(outcomes)/w)
	for i := range out {
		known := 0
		for _, v := range outcomes[i*w : (i+1)*w] {
			if v == v {
				out[i] += v
				known++
			}
		}
		if known > 0 {
			out[i] /= float64(known)
		}
	}
	return out
}

// spread returns the coefficients of the outcomes in sum_i rows_i * (mean over
// the known outcomes of row i); 0 where the label is unknown.
func (t Task) spread(rows []float64, labels []float32) []float64 {
	w := t.LabelWidth()
	out := make([]float64, len(labels))
	for i, v := range rows {
		known := 0
		for _, label := range labels[i*w : (i+1)*w] {
			if label == label {
				known++
			}
		}
		for j, label := range labels[i*w : (i+1)*w] {
			if label == label {
				out[i*w+j] = v / float64(known)
			}
		}
	}
	return out
}

// probabilities writes p to dst, laid out as logits.
func (t Task) probabilities(dst []float64, logits []float32) {
	if t.Kind == Multiclass {
		c := t.Classes
		for i := 0; i < len(logits); i += c {
			row := logits[i : i+c]
			norm := logSumExp(row)
			for j, z := range row {
				dst[i+j] = math.Exp(float64(z) - norm)
			}
		}
		return
	}
	for i, z := range logits {
		dst[i] = sigmoid(float64(z))
	}
}

// crossEntropy returns the cross entropy of every row.
func (t Task) crossEntropy(logits, labels []float32) []float64 {
	out := t.rowMeans(t.logTruth(logits, labels))
	for i := range out {
		out[i] = 0 - out[i]
	}
	return out
}

// addCrossEntropyGradient adds the gradient of sum_i weights_i CE_i.
func (t Task) addCrossEntropyGradient(dst, logits, labels []float32, weights []float64) {
	t.addGradient(dst, logits, labels, t.spread(weights, labels))
}

func softplus(z float64) float64 {
	if z > 0 {
		return z + math.Log1p(math.Exp(-z))
	}
	return math.Log1p(math.Exp(z))
}

func sigmoid(z float64) float64 {
	if z >= 0 {
		return 1 / (1 + math.Exp(-z))
	}
	e := math.Exp(z)
	return e / (1 + e)
}

func logSumExp(row []float32) float64 {
	top := float64(row[0])
	for _, z := range row[1:] {
		top = math.Max(top, float64(z))
	}
	sum := 0.0
	for _, z := range row {
		sum += math.Exp(float64(z) - top)
	}
	return top + math.Log(sum)
}
