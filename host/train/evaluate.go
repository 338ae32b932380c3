package train

import (
	"context"
	"fmt"
	"maps"
	"math"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/stats"
)

// PatternGroup is the group whose levels are availability patterns.
const PatternGroup = "pattern"

// validate measures the validation rows, adds the values to those of the epoch
// and keeps the state if the epoch is the best candidate so far.
func (r *Run) validate(ctx context.Context, values Values) error {
	s, err := r.predict(ctx, r.data.Split.Validation, nil)
	if err != nil {
		return fmt.Errorf("score validation rows: %w", err)
	}
	if err := r.measureValidation(values, s); err != nil {
		return err
	}
	if !r.optional.last() || !r.head.Settled(r.headEpoch()) {
		return nil
	}
	value, defined := values[r.cfg.Select.Metric()]
	if !defined {
		value = math.NaN()
	}
	if !r.cfg.Select.better(value, r.best.Value) {
		r.stale++
		r.ended = r.cfg.Patience > 0 && r.stale >= r.cfg.Patience && r.best.Epoch >= 0
		return nil
	}
	backbone, err := snapshotBackbone(ctx, r.backbone)
	if err != nil {
		return err
	}
	head, err := r.head.Snapshot()
	if err != nil {
		return fmt.Errorf("snapshot head: %w", err)
	}
	r.best = best{Epoch: r.epoch, Value: value, Backbone: backbone, Head: head}
	r.stale = 0
	return nil
}

// measureValidation adds the metrics of the scored validation rows.
func (r *Run) measureValidation(values Values, s scores) error {
	rows := r.data.Split.Validation
	if err := r.measure(values, dataset.TestSet{Name: "val", Rows: rows}, gather(r.availability, rows, 1), s, []string{PatternGroup}); err != nil || !r.cfg.Select.Observed {
		return err
	}
	sample := stats.Sample{Scores: widen(s.Observed), Labels: widen(gather(r.labels, rows, r.labelWidth))}
	report, err := stats.Evaluate(stats.Task{Kind: stats.Kind(r.task.Kind), Classes: r.task.Classes}, sample)
	if err != nil {
		return fmt.Errorf("measure val without adjustment: %w", err)
	}
	values.add("val", observedGroup, "", sample.Metrics(), report)
	return nil
}

// measure adds the metrics of scored rows to values: all rows together, the
// worst pattern, and every level of the given groups. n and events are always
// there; a metric that is not defined (too few events) is NaN, never a guess.
// Where the set has a truth, the errors against it are among them. availability is
// what the rows were scored with.
func (r *Run) measure(values Values, set dataset.TestSet, availability []uint64, s scores, groups []string) error {
	split, rows := set.Name, set.Rows
	task := stats.Task{Kind: stats.Kind(r.task.Kind), Classes: r.task.Classes}
	sample := stats.Sample{
		Scores:  widen(s.Do),
		Labels:  widen(gather(r.labels, rows, r.labelWidth)),
		Weights: widen(set.Weights),
		Truth:   set.Truth,
	}
	report, err := stats.Evaluate(task, sample)
	if err != nil {
		return fmt.Errorf("measure %s: %w", split, err)
	}
	values.add(split, "", "", sample.Metrics(), report)
	values[Metric{Name: "interventional_gap", Split: split}] = meanGap(s)
	maps.Copy(values, s.Terms.values(split))

	for _, group := range groups {
		levels := r.levels(group, rows, availability)
		reports, err := stats.EvaluateGroups(task, sample, levels)
		if err != nil {
			return fmt.Errorf("measure %s by %s: %w", split, group, err)
		}
		for level, report := range reports {
			values.add(split, group, level, sample.Metrics(), report)
		}
		if group != PatternGroup {
			continue
		}
		for _, metric := range sample.Metrics() {
			if metric.Better() == stats.Neither {
				continue
			}
			if _, worst, ok := stats.Worst(reports, metric); ok {
				values[Metric{Name: string(metric), Split: split, Group: "worst_" + group}] = worst
			}
		}
	}
	return nil
}

// add records one report.
func (v Values) add(split, group, level string, metrics []stats.Metric, report stats.Report) {
	metric := Metric{Split: split, Group: group, Level: level}
	set := func(name string, value float64) {
		metric.Name = name
		v[metric] = value
	}
	set("n", float64(report.N))
	set("events", float64(report.Events))
	for _, name := range metrics {
		if value, defined := report.Values[name]; defined {
			set(string(name), value)
		} else {
			set(string(name), math.NaN())
		}
	}
}

// levels returns the level of every row in a group, "" for rows without one.
func (r *Run) levels(group string, rows []int32, availability []uint64) []string {
	out := make([]string, len(rows))
	if group == PatternGroup {
		for i, a := range availability {
			out[i] = r.data.Store.PatternName(a)
		}
		return out
	}
	column, _ := r.data.Store.Group(group)
	for i, row := range rows {
		if code := column.Values[row]; code >= 0 {
			out[i] = column.Levels[code]
		}
	}
	return out
}

// meanGap is the interventional gap, mean |p(y|do x) - p(y|x)|: how far the
// adjustment moves the predictions. 0 everywhere means it does nothing.
func meanGap(s scores) float64 {
	if len(s.Do) == 0 {
		return 0
	}
	var sum float64
	for i := range s.Do {
		sum += math.Abs(float64(s.Do[i]) - float64(s.Observed[i]))
	}
	return sum / float64(len(s.Do))
}

func widen(values []float32) []float64 {
	if values == nil {
		return nil
	}
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}
