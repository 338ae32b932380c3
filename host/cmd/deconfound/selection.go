package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/host/train"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/web"
)

// selectionAudit tells what each selection rule would have chosen among the
// trials of a sweep's search, from what is stored of them.
type selectionAudit struct {
	Sweep  string       `json:"sweep"`
	Metric stats.Metric `json:"metric"` // of the test sets
	// Rule is the one that the sweep used.
	Rule     string          `json:"rule"`
	TestSets []string        `json:"test_sets"`
	Rules    []selectionRule `json:"rules"`
	Cells    []auditedCell   `json:"cells"`
	Notes    []string        `json:"notes,omitempty"`
}

// selectionRule ranks trials by one stored metric.
type selectionRule struct {
	Name string `json:"name"`
	// Oracle rules look at test rows: a bound on what any rule can reach, never to
	// be used.
	Oracle bool `json:"oracle"`
	// Used says that it is the sweep's own.
	Used bool `json:"used"`

	metric tracker.Metric
	better stats.Direction
}

// auditedCell is a cell whose search has results.
type auditedCell struct {
	Cell   sweeps.Cell `json:"cell"`
	Trials int         `json:"trials"` // that are done
	// Replicated is the trial that the replicates repeat; nil without replicates.
	Replicated *int            `json:"replicated_trial"`
	Choices    []auditedChoice `json:"choices"` // follows selectionAudit.Rules
}

// auditedChoice is the trial that a rule chooses; Trial is -1 if it can choose
// none, because its metric is defined in no trial.
type auditedChoice struct {
	Trial int      `json:"trial"`
	Value number   `json:"value"`
	Tests []number `json:"tests"` // follows selectionAudit.TestSets
}

// errNothingSelected says that there is nothing to audit.
var errNothingSelected = errors.New("nothing was selected")

func (a *app) auditSelection(ctx context.Context, request comparison) error {
	store, err := a.tracker(ctx)
	if err != nil {
		return err
	}
	audit, err := auditSelection(ctx, store, request)
	if err != nil {
		return err
	}
	return a.print(audit, func(w io.Writer) { printSelectionAudit(w, audit) })
}

func auditSelection(ctx context.Context, store *tracker.Store, request comparison) (selectionAudit, error) {
	sweep, err := store.Sweep(ctx, "", request.sweep)
	if err != nil {
		return selectionAudit{}, err
	}
	plan, err := sweeps.StoredPlan(sweep)
	if err != nil {
		return selectionAudit{}, err
	}
	own, err := sweeps.ParseSelection(plan.Metric.Name)
	if err != nil {
		return selectionAudit{}, err
	}
	audit := selectionAudit{Sweep: sweep.Name, Metric: stats.Metric(own.Name), Rule: plan.Metric.Select}
	if request.metric != "" {
		if audit.Metric, err = stats.ParseMetric(request.metric); err != nil {
			return selectionAudit{}, withExit(exitUsage, err)
		}
		if !slices.Contains(stats.Metrics(), audit.Metric) || audit.Metric.Better() == stats.Neither {
			return selectionAudit{}, withExit(exitUsage, fmt.Errorf("--metric %s: trials are ranked by metrics that are stored with every run and have a better direction", audit.Metric))
		}
	}
	if !slices.ContainsFunc(plan.Cells, func(c sweeps.CellPlan) bool { return c.Searched }) {
		return selectionAudit{}, fmt.Errorf("sweep %s has no search: %w", sweep.Name, errNothingSelected)
	}
	audit.TestSets = append([]string{"test"}, plan.Cells[0].Base().Shifts...)
	if audit.Rules, err = selectionRules(plan.Metric.Select, audit.Metric, audit.TestSets); err != nil {
		return selectionAudit{}, err
	}

	planned := true
	filter := tracker.RunFilter{SweepID: sweep.ID, States: []tracker.State{tracker.Done}, Planned: &planned}
	runs, err := store.Runs(ctx, filter)
	if err != nil {
		return selectionAudit{}, err
	}
	filter.Phase = tracker.Search
	var metrics []tracker.Metric
	for _, r := range audit.Rules {
		metrics = append(metrics, r.metric)
	}
	values, err := store.Results(ctx, filter, metrics...)
	if err != nil {
		return selectionAudit{}, err
	}
	for _, c := range plan.Cells {
		if c.Searched {
			audit.addCell(c.Cell, runs, values)
		}
	}
	if len(audit.Cells) == 0 {
		return selectionAudit{}, fmt.Errorf("sweep %s has no finished trial yet: %w", sweep.Name, errNothingSelected)
	}
	filter.States = []tracker.State{tracker.Pruned}
	pruned, err := store.Runs(ctx, filter)
	if err != nil {
		return selectionAudit{}, err
	}
	if len(pruned) > 0 {
		audit.Notes = append(audit.Notes, fmt.Sprintf("%d trials were ended early by the search and have no test scores; no rule can choose them", len(pruned)))
	}
	audit.Notes = append(audit.Notes, "the values are of the trials themselves, one training each with the seed of the search")
	if slices.ContainsFunc(audit.Cells, func(c auditedCell) bool {
		return slices.ContainsFunc(c.Choices, func(x auditedChoice) bool { return x.Trial < 0 })
	}) {
		audit.Notes = append(audit.Notes, "a rule without a trial has no value in any: weights by inverse propensity need covariates, and a worst pattern one with enough events")
	}
	return audit, nil
}

// selectionRules are those that the stored metrics allow: the metric and the log
// loss, over all validation rows and in the worst pattern, the metric of validation
// rows that are weighted by the inverse propensity of their availability, and, as
// oracles, the metric on every test set.
func selectionRules(used string, metric stats.Metric, testSets []string) ([]selectionRule, error) {
	var rules []selectionRule
	add := func(s sweeps.Selection, oracle bool) {
		r := selectionRule{
			Name: s.String(), Oracle: oracle, Used: s.String() == used,
			metric: s.Metric(), better: stats.Metric(s.Name).Better(),
		}
		if !slices.ContainsFunc(rules, func(o selectionRule) bool { return o.Name == r.Name }) {
			rules = append(rules, r)
		}
	}
	own, err := sweeps.ParseSelection(used)
	if err != nil {
		return nil, err
	}
	add(own, false)
	for _, name := range []string{string(metric), string(stats.MetricLogLoss)} {
		for _, worst := range []string{"", "pattern"} {
			add(sweeps.Selection{Name: name, Split: "val", Worst: worst}, false)
		}
	}
	rules = append(rules, selectionRule{
		Name: fmt.Sprintf("val/%s@ipw", metric), better: metric.Better(),
		metric: tracker.Metric{Name: string(metric), Split: "val", Group: train.InverseGroup},
	})
	for _, set := range testSets {
		add(sweeps.Selection{Name: string(metric), Split: set}, true)
	}
	return rules, nil
}

// addCell applies every rule to the trials of a cell, as the sweep does: trials
// without a value cannot win, ties go to the lower number.
func (a *selectionAudit) addCell(cell sweeps.Cell, runs []tracker.Run, values map[int64]map[tracker.Metric]float64) {
	c := auditedCell{Cell: cell}
	var trials []tracker.Run
	for _, r := range runs {
		if (sweeps.Cell{Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant}) != cell {
			continue
		}
		if r.Phase == tracker.Search {
			trials = append(trials, r)
		} else if c.Replicated == nil {
			c.Replicated = &r.Trial
		}
	}
	if len(trials) == 0 {
		return
	}
	c.Trials = len(trials)
	slices.SortFunc(trials, func(x, y tracker.Run) int { return x.Trial - y.Trial })
	value := func(r tracker.Run, m tracker.Metric) float64 {
		if v, ok := values[r.ID][m]; ok {
			return v
		}
		return math.NaN()
	}
	for _, rule := range a.Rules {
		choice := auditedChoice{Trial: -1, Value: number(math.NaN())}
		var best tracker.Run
		for _, r := range trials {
			v := value(r, rule.metric)
			if math.IsNaN(v) || choice.Trial >= 0 && !beats(rule.better, v, float64(choice.Value)) {
				continue
			}
			choice.Trial, choice.Value, best = r.Trial, number(v), r
		}
		for _, set := range a.TestSets {
			v := math.NaN()
			if choice.Trial >= 0 {
				v = value(best, tracker.Metric{Name: string(a.Metric), Split: set})
			}
			choice.Tests = append(choice.Tests, number(v))
		}
		if rule.Used && c.Replicated != nil && choice.Trial != *c.Replicated {
			a.Notes = append(a.Notes, fmt.Sprintf("%s/%s/%s: the rule of the sweep chooses trial %d, its replicates repeat trial %d", cell.Dataset, cell.Backbone, cell.Variant, choice.Trial, *c.Replicated))
		}
		c.Choices = append(c.Choices, choice)
	}
	a.Cells = append(a.Cells, c)
}

// beats reports whether a is better than b.
func beats(d stats.Direction, a, b float64) bool {
	if d == stats.Lower {
		return a < b
	}
	return a > b
}

func printSelectionAudit(w io.Writer, a selectionAudit) {
	fmt.Fprintf(w, "%s\n\n", a.text())
	choices, means := a.choices(), a.means()
	t := newTable(w, choices.Words, anySlice(choices.Head)...)
	for i, row := range choices.Rows {
		if i > 0 && !slices.Equal(row[:3], choices.Rows[i-1][:3]) {
			t.AppendSeparator()
		}
		t.AppendRow(anySlice(row))
	}
	t.Render()
	means.Title += "\n" // an empty line, as above
	writeAuditTable(w, means)
	for _, note := range a.Notes {
		fmt.Fprintf(w, "! %s\n", note)
	}
}

func anySlice(texts []string) []any {
	out := make([]any, len(texts))
	for i, t := range texts {
		out[i] = t
	}
	return out
}

// text says what the audit is about.
func (a selectionAudit) text() string {
	return fmt.Sprintf("%s: which trial each selection rule chooses, and its %s (%s is better); the sweep chose by %s", a.Sweep, a.Metric, a.Metric.Better(), a.Rule)
}

// onTestSets heads the columns of the test sets.
func (a selectionAudit) onTestSets() []string {
	var out []string
	for _, set := range a.TestSets {
		out = append(out, fmt.Sprintf("%s on %s", a.Metric, set))
	}
	return out
}

// choices is what every rule chooses in every cell.
func (a selectionAudit) choices() web.AuditTable {
	t := web.AuditTable{Title: "Choices", Words: 4, Head: append([]string{"dataset", "backbone", "variant", "rule", "trial", "value"}, a.onTestSets()...)}
	for _, c := range a.Cells {
		for k, choice := range c.Choices {
			trial := "none"
			if choice.Trial >= 0 {
				trial = fmt.Sprintf("%d", choice.Trial)
			}
			row := []string{c.Cell.Dataset, c.Cell.Backbone, c.Cell.Variant, a.Rules[k].label(), trial, decimal(float64(choice.Value))}
			for _, v := range choice.Tests {
				row = append(row, decimal(float64(v)))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// means are over the cells.
func (a selectionAudit) means() web.AuditTable {
	t := web.AuditTable{
		Title: fmt.Sprintf("Mean over the %d cells", len(a.Cells)), Words: 1, Head: append([]string{"rule", "same trial as the sweep"}, a.onTestSets()...),
		Note: "An oracle looks at the test rows: it bounds what a rule can reach and must not be used.\nipw weights validation rows by the inverse propensity of what they miss, given the covariates.",
	}
	used := slices.IndexFunc(a.Rules, func(r selectionRule) bool { return r.Used })
	for k, rule := range a.Rules {
		same := 0
		sums := make([]float64, len(a.TestSets))
		for _, c := range a.Cells {
			if c.Choices[k].Trial == c.Choices[used].Trial {
				same++
			}
			for i, v := range c.Choices[k].Tests {
				sums[i] += float64(v)
			}
		}
		row := []string{rule.label(), fmt.Sprintf("%d of %d", same, len(a.Cells))}
		for _, sum := range sums {
			row = append(row, decimal(sum/float64(len(a.Cells))))
		}
		t.Rows = append(t.Rows, row)
	}
	return t
}

// label is the rule with what has to be known of it.
func (r selectionRule) label() string {
	switch {
	case r.Used:
		return r.Name + " (used)"
	case r.Oracle:
		return r.Name + " (oracle, not usable)"
	}
	return r.Name
}
