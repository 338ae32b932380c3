package stats

import (
	"fmt"
	"math"
	"slices"
)

// MinEvents is the number of events, and of non-events, below which metrics are
// not computed: with fewer an AUROC is noise that looks like a finding.
const MinEvents = 10

// Report is what Evaluate measured on one set of rows.
type Report struct {
	// N is the number of rows with a known label and a positive weight.
	N int
	// Events and NonEvents count rows, not weights. Multiclass: Events is the
	// size of the smallest class and NonEvents that of all but the largest.
	// Multilabel: the sums over labels.
	Events, NonEvents int
	// Values holds the metrics that are defined.
	Values map[Metric]float64
	// Undefined gives the reason for every metric that is not in Values.
	Undefined map[Metric]string
	// LeftOut lists the labels of a multilabel task that have too few events or
	// non-events; the metrics are means over the others.
	LeftOut []int
}

// Evaluate measures all metrics on a sample. Below MinEvents events or
// non-events (of every class, for Multiclass; of a label, for Multilabel, which
// is then left out) nothing is computed and the report says why. The error is
// about input that is not a sample of the task.
func Evaluate(task Task, s Sample) (Report, error) {
	n, err := s.rows(task)
	if err != nil {
		return Report{}, err
	}
	return evaluate(task, s, sequence(n), s.Metrics())
}

// EvaluateGroups measures all metrics for every level of a grouping, e.g. the
// availability pattern. levels has one entry a row; rows with an empty level
// belong to no group.
func EvaluateGroups(task Task, s Sample, levels []string) (map[string]Report, error) {
	n, err := s.rows(task)
	if err != nil {
		return nil, err
	}
	if len(levels) != n {
		return nil, fmt.Errorf("%d levels for %d rows", len(levels), n)
	}
	reports := map[string]Report{}
	for level, rows := range byLevel(levels, sequence(n)) {
		if reports[level], err = evaluate(task, s, rows, s.Metrics()); err != nil {
			return nil, fmt.Errorf("evaluate level %q: %w", level, err)
		}
	}
	return reports, nil
}

// Worst returns the level whose metric is worst among those where it is defined
// (ties: the first by name), and false when there is none.
func Worst(reports map[string]Report, metric Metric) (level string, value float64, ok bool) {
	for _, name := range sortedKeys(reports) {
		v, defined := reports[name].Values[metric]
		if defined && (!ok || metric.Better().worse(v, value)) {
			level, value, ok = name, v, true
		}
	}
	if !ok {
		return "", math.NaN(), false
	}
	return level, value, true
}

func evaluate(task Task, s Sample, rows []int32, metrics []Metric) (Report, error) {
	r := Report{Values: map[Metric]float64{}, Undefined: map[Metric]string{}}
	outputs, reason := r.count(task, s, rows)
	weights := orOnes(s.Weights, len(s.Labels)/task.LabelWidth())
	var problems []*problem
	if reason == "" {
		problems = newProblems(task, s, rows, outputs)
	}
	for _, p := range problems {
		p.fixed = weights
	}
	for _, m := range metrics {
		if reason != "" {
			r.Undefined[m] = reason
			continue
		}
		e, err := whole(m, task, s, rows)
		if e == nil && err == nil {
			e, err = newMacro(m, problems)
		}
		if err != nil {
			return Report{}, err
		}
		if v := e.value(weights); math.IsNaN(v) {
			r.Undefined[m] = "not defined on these scores"
		} else {
			r.Values[m] = v
		}
	}
	return r, nil
}

// count fills the counts and returns the outputs that can be measured, or the
// reason why nothing can.
func (r *Report) count(task Task, s Sample, rows []int32) (outputs []int, reason string) {
	events := make([]int, task.Outputs())
	known := make([]int, task.Outputs())
	for _, i := range rows {
		if s.weight(int(i)) == 0 {
			continue
		}
		labelled := false
		for c := range events {
			if y := s.label(task, int(i), c); !math.IsNaN(y) {
				labelled = true
				known[c]++
				events[c] += int(y)
			}
		}
		if labelled {
			r.N++
		}
	}
	switch task.Kind {
	case Multiclass:
		r.Events, r.NonEvents = slices.Min(events), r.N-slices.Max(events)
		if r.Events < MinEvents {
			return nil, fmt.Sprintf("%d events in the smallest class, fewer than %d", r.Events, MinEvents)
		}
		for c := range events {
			outputs = append(outputs, c)
		}
		return outputs, ""
	case Binary:
		r.Events, r.NonEvents = events[0], known[0]-events[0]
		switch {
		case r.Events < MinEvents:
			return nil, fmt.Sprintf("%d events, fewer than %d", r.Events, MinEvents)
		case r.NonEvents < MinEvents:
			return nil, fmt.Sprintf("%d non-events, fewer than %d", r.NonEvents, MinEvents)
		}
		return []int{0}, ""
	}
	for c := range events {
		r.Events += events[c]
		r.NonEvents += known[c] - events[c]
		if events[c] < MinEvents || known[c]-events[c] < MinEvents {
			r.LeftOut = append(r.LeftOut, c)
		} else {
			outputs = append(outputs, c)
		}
	}
	if len(outputs) == 0 {
		return nil, fmt.Sprintf("no label has %d events and %d non-events", MinEvents, MinEvents)
	}
	return outputs, ""
}

// MacroAUROC is the unweighted mean over classes of the one-vs-rest AUROC.
// scores is [rows, classes] row-major, labels are class indices. It is NaN when
// a class is missing.
func MacroAUROC(scores, labels, weights []float64, classes int) float64 {
	if len(scores) != len(labels)*classes {
		panic("stats: scores and labels differ in length")
	}
	column := make([]float64, len(labels))
	is := make([]float64, len(labels))
	var sum float64
	for c := range classes {
		for i, y := range labels {
			column[i], is[i] = scores[i*classes+c], 0
			switch {
			case math.IsNaN(y):
				is[i] = y
			case y == float64(c):
				is[i] = 1
			}
		}
		sum += AUROC(column, is, weights)
	}
	return sum / float64(classes)
}

// byLevel groups rows by their level; the empty level is no group.
func byLevel(levels []string, rows []int32) map[string][]int32 {
	groups := map[string][]int32{}
	for _, i := range rows {
		if l := levels[i]; l != "" {
			groups[l] = append(groups[l], i)
		}
	}
	return groups
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
