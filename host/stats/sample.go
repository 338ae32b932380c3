package stats

import (
	"fmt"
	"math"
)

// Kind is the kind of a prediction task.
type Kind string

// The task kinds.
const (
	Binary     Kind = "binary"
	Multiclass Kind = "multiclass"
	Multilabel Kind = "multilabel"
)

// Task says how scores and labels are laid out.
type Task struct {
	Kind Kind `json:"kind"`
	// Classes is the number of classes or labels; ignored for Binary.
	Classes int `json:"classes,omitempty"`
}

// Outputs is the number of scores of a row.
func (t Task) Outputs() int {
	if t.Kind == Binary {
		return 1
	}
	return t.Classes
}

// LabelWidth is the number of labels of a row: one class index for Multiclass.
func (t Task) LabelWidth() int {
	if t.Kind == Multilabel {
		return t.Classes
	}
	return 1
}

func (t Task) validate() error {
	switch {
	case t.Kind == Binary:
	case t.Kind != Multiclass && t.Kind != Multilabel:
		return fmt.Errorf("unknown task kind %q", t.Kind)
	case t.Kind == Multiclass && t.Classes < 2:
		return fmt.Errorf("a multiclass task needs at least 2 classes, not %d", t.Classes)
	case t.Kind == Multilabel && t.Classes < 1:
		return fmt.Errorf("a multilabel task needs at least 1 label, not %d", t.Classes)
	}
	return nil
}

// Sample is a set of scored rows. Slices are read, never kept or changed.
type Sample struct {
	// Scores are probabilities, [rows, Outputs] row-major.
	Scores []float64
	// Labels are [rows, LabelWidth] row-major: 0 or 1 for Binary and Multilabel,
	// the class index for Multiclass; NaN is unknown.
	Labels []float64
	// Weights are one a row, or nil for 1 each.
	Weights []float64
	// Truth is P(Y = 1 | do(x)) of every row of a Binary task; nil: not known.
	Truth []float64
}

// rows returns the number of rows, or an error that says what does not fit.
func (s Sample) rows(task Task) (int, error) {
	if err := task.validate(); err != nil {
		return 0, err
	}
	n := len(s.Labels) / task.LabelWidth()
	if n*task.LabelWidth() != len(s.Labels) || n*task.Outputs() != len(s.Scores) {
		return 0, fmt.Errorf("%d scores and %d labels do not fit a %s task with %d outputs", len(s.Scores), len(s.Labels), task.Kind, task.Outputs())
	}
	if s.Weights != nil && len(s.Weights) != n {
		return 0, fmt.Errorf("%d weights for %d rows", len(s.Weights), n)
	}
	if s.Truth != nil && (task.Kind != Binary || len(s.Truth) != n) {
		return 0, fmt.Errorf("%d truths for %d rows of a %s task", len(s.Truth), n, task.Kind)
	}
	for i, p := range s.Truth {
		if !(p >= 0 && p <= 1) {
			return 0, fmt.Errorf("truth of row %d is %v, not a probability", i, p)
		}
	}
	for i, p := range s.Scores {
		if !(p >= 0 && p <= 1) {
			return 0, fmt.Errorf("score %d of row %d is %v, not a probability", i%task.Outputs(), i/task.Outputs(), p)
		}
	}
	for i, y := range s.Labels {
		top := 1.0
		if task.Kind == Multiclass {
			top = float64(task.Classes - 1)
		}
		if !math.IsNaN(y) && (y < 0 || y > top || y != math.Trunc(y)) {
			return 0, fmt.Errorf("label of row %d is %v, outside 0..%v", i/task.LabelWidth(), y, top)
		}
	}
	for i, w := range s.Weights {
		if !(w >= 0) || math.IsInf(w, 1) {
			return 0, fmt.Errorf("weight of row %d is %v, not a finite number of at least 0", i, w)
		}
	}
	return n, nil
}

// label returns the 0/1 label of output c of row i; NaN when unknown.
func (s Sample) label(task Task, i, c int) float64 {
	switch task.Kind {
	case Binary:
		return s.Labels[i]
	case Multilabel:
		return s.Labels[i*task.Classes+c]
	}
	switch y := s.Labels[i]; {
	case math.IsNaN(y):
		return y
	case int(y) == c:
		return 1
	}
	return 0
}

// output copies output c of the given rows as a binary problem.
func (s Sample) output(task Task, rows []int32, c int) (scores, labels []float64) {
	scores, labels = make([]float64, len(rows)), make([]float64, len(rows))
	for j, i := range rows {
		scores[j] = s.Scores[int(i)*task.Outputs()+c]
		labels[j] = s.label(task, int(i), c)
	}
	return scores, labels
}

func (s Sample) weight(i int) float64 {
	if s.Weights == nil {
		return 1
	}
	return s.Weights[i]
}

func sequence(n int) []int32 {
	rows := make([]int32, n)
	for i := range rows {
		rows[i] = int32(i)
	}
	return rows
}

// checkLengths panics on slices that cannot belong together, as gonum does: no
// input of a user gets here unchecked.
func checkLengths(scores, labels, weights []float64) {
	if len(scores) != len(labels) || (weights != nil && len(weights) != len(scores)) {
		panic("stats: scores, labels and weights differ in length")
	}
}

func orOnes(weights []float64, n int) []float64 {
	if weights != nil {
		return weights
	}
	ones := make([]float64, n)
	for i := range ones {
		ones[i] = 1
	}
	return ones
}

func validWeights(weights []float64) bool {
	for _, w := range weights {
		if !(w >= 0) || math.IsInf(w, 1) {
			return false
		}
	}
	return true
}

// validProbabilities reports whether every row with a known label has a label
// of 0 or 1 and a score in [0, 1].
func validProbabilities(scores, labels []float64) bool {
	for i, y := range labels {
		if !math.IsNaN(y) && ((y != 0 && y != 1) || !(scores[i] >= 0 && scores[i] <= 1)) {
			return false
		}
	}
	return true
}
