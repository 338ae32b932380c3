package stats

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/deconfound/deconfound/sdk/rng"
)

// newRow measures one cell and matches it with its baseline; the matching is nil
// where there is none to compare it to.
func newRow(in Input, c, baseline Cell, hasBaseline bool) (Row, *matching, error) {
	row := Row{
		Dataset: c.Dataset, Backbone: c.Backbone, Variant: c.Variant,
		IsBaseline: c.Variant == in.Baseline, Seeds: c.seeds(), Trials: c.Trials,
	}
	if err := row.measure(in, c); err != nil {
		return Row{}, nil, fmt.Errorf("measure cell %s: %w", c.name(), err)
	}
	row.flagRuns(in, c)
	if c.LostTrials > 0 {
		row.flag("%d of %d trials of the search gave no result: tuned with less than planned", c.LostTrials, c.Trials)
	}
	if row.IsBaseline {
		return row, nil, nil
	}
	if !hasBaseline {
		row.flag("no baseline %q for this dataset and backbone", in.Baseline)
		return row, nil, nil
	}
	if baseline.Trials != c.Trials && baseline.Trials != 0 && c.Trials != 0 {
		row.flag("unequal budget: %d trials, baseline %d", c.Trials, baseline.Trials)
	}
	m := match(in.Task, baseline, c)
	row.Matched = &m.Matched
	row.flagMatch(in)
	if len(m.Matched.Seeds) == 0 {
		row.flag("no matched run: no difference")
		return row, nil, nil
	}
	return row, &m, nil
}

func (r *Row) flag(format string, args ...any) {
	r.Flags = append(r.Flags, fmt.Sprintf(format, args...))
}

func (r *Row) flagRuns(in Input, c Cell) {
	switch len(c.Runs) {
	case 0:
		r.flag("no runs")
		return
	case 1:
		r.flag("1 seed: no CI")
	}
	var missing []int64
	for _, s := range in.Seeds {
		if !slices.Contains(r.Seeds, s) {
			missing = append(missing, s)
		}
	}
	if len(missing) > 0 {
		r.flag("missing runs: seeds %s", join(missing))
	}
}

func (r *Row) flagMatch(in Input) {
	if s := r.Matched.UnmatchedSeeds; len(s) > 0 {
		r.flag("unequal seeds: %s not in both arms, left out of the difference", join(s))
	}
	if n := r.Matched.UnmatchedUnits; n > 0 {
		r.flag("%d units not in both arms, left out of the difference", n)
	}
	if n := r.Matched.Conflicting; n > 0 {
		r.flag("%d units whose label, pattern, patient or weight differ between the arms, left out of the difference", n)
	}
	if len(r.Matched.Seeds) == 1 && len(r.Seeds) > 1 && in.deciding() != TestDeLong {
		r.flag("1 matched seed: no CI of the difference")
	}
}

func join(seeds []int64) string {
	words := make([]string, len(seeds))
	for i, s := range seeds {
		words[i] = fmt.Sprint(s)
	}
	return strings.Join(words, ", ")
}

// measure fills Overall, Worst and Patterns from all rows of the cell.
func (r *Row) measure(in Input, c Cell) error {
	overall := make([]Report, len(c.Runs))
	patterns := map[string][]Report{}
	worst := make([]Report, len(c.Runs))
	times := map[string]int{}
	for s, run := range c.Runs {
		report := func(rows []int32) (Report, error) {
			return evaluate(in.Task, run.Sample, rows, []Metric{in.Metric})
		}
		var err error
		if overall[s], err = report(sequence(len(run.Units))); err != nil {
			return err
		}
		level := map[string]Report{}
		for name, rows := range byLevel(run.Patterns, sequence(len(run.Units))) {
			if level[name], err = report(rows); err != nil {
				return err
			}
			if patterns[name] == nil {
				patterns[name] = make([]Report, len(c.Runs))
			}
			patterns[name][s] = level[name]
		}
		if name, _, ok := Worst(level, in.Metric); ok {
			worst[s] = level[name]
			times[name]++
		}
	}
	confidence := in.Bootstrap.Confidence
	r.Overall = newGroup("", in.Metric, overall, confidence)
	for name, reports := range patterns {
		r.Patterns = append(r.Patterns, newGroup(name, in.Metric, reports, confidence))
	}
	slices.SortFunc(r.Patterns, func(a, b Group) int {
		return cmp.Or(cmp.Compare(b.N, a.N), strings.Compare(a.Level, b.Level))
	})
	for _, name := range sortedKeys(times) {
		if times[name] > r.LevelSeeds {
			r.Worst.Level, r.LevelSeeds = name, times[name]
		}
	}
	r.Worst = newGroup(r.Worst.Level, in.Metric, worst, confidence)
	if r.LevelSeeds == 0 {
		r.Worst.NA = fmt.Sprintf("no pattern has %d events and %d non-events", MinEvents, MinEvents)
	}
	return nil
}

// newGroup sums up one report a seed; a zero Report is a seed without rows of
// the group.
func newGroup(level string, metric Metric, reports []Report, confidence float64) Group {
	g := Group{Level: level}
	values := make([]float64, len(reports))
	var n, events float64
	for s, r := range reports {
		v, ok := r.Values[metric]
		if ok {
			g.Defined++
		} else {
			v = math.NaN()
			g.NA = cmp.Or(g.NA, r.Undefined[metric], "no rows")
		}
		values[s] = v
		n += float64(r.N)
		events += float64(r.Events)
	}
	if g.Defined > 0 {
		g.NA = ""
	}
	if len(reports) > 0 {
		g.N = int(math.Round(n / float64(len(reports))))
		g.Events = int(math.Round(events / float64(len(reports))))
	} else {
		g.NA = "no runs"
	}
	g.Mean, g.PerSeed = MeanInterval(values, confidence), numbers(values)
	return g
}

// compare fills the differences of Overall, Worst and Patterns from those that were
// drawn.
func (r *Row) compare(in Input, m matching, drawn map[string]drawnDifference) {
	worse := in.Metric.Better().worse
	difference := func(target int, level string) *Difference {
		of := drawn[level]
		d := &Difference{Interval: MeanInterval(of.perSeed, in.Bootstrap.Confidence), PerSeed: numbers(of.perSeed)}
		if !d.Estimate.Defined() {
			return nil
		}
		d.Seeds, d.Improves = len(finite(of.perSeed)), worse(0, float64(d.Estimate))
		for _, test := range in.paired() {
			d.Tests = append(d.Tests, r.test(in, test, target, d, of.Replicated, m))
		}
		return d
	}
	r.Overall.Difference, r.Worst.Difference = difference(targetOverall, allRows), difference(targetWorst, worstPattern)
	for i := range r.Patterns {
		r.Patterns[i].Difference = difference(targetPattern+i, r.Patterns[i].Level)
	}
}

// test does one test of the difference of a target, and sets the interval of the
// difference if it is the deciding one.
func (r *Row) test(in Input, test Test, target int, d *Difference, replicated Replicated, m matching) Tested {
	none := Number(math.NaN())
	limits, p := d.Interval, math.NaN()
	differences := make([]float64, len(d.PerSeed))
	for i, v := range d.PerSeed {
		differences[i] = float64(v)
	}
	switch {
	case test == TestDeLong:
		limits.Low, limits.High = none, none
		if pairs := r.delongPairs(in, target, m); pairs != nil {
			var variance float64
			_, variance, p = DeLongSeeds(pairs)
			half := distuv.UnitNormal.Quantile(0.5+in.Bootstrap.Confidence/2) * math.Sqrt(variance)
			limits.Low, limits.High = limits.Estimate-Number(half), limits.Estimate+Number(half)
		}
	case d.Seeds < 2:
	case test == TestBootstrap:
		limits, p = replicated.Interval, float64(replicated.P)
		d.Resamples = replicated.Resamples
	case test == TestPermutation:
		p = SignFlip(differences, in.Bootstrap.Resamples, rng.Stream(in.Seed, "sign flip", r.Dataset, r.Backbone, r.Variant, target))
	case test == TestWilcoxon:
		_, p = Wilcoxon(differences)
	case test == TestCorrectedT:
		ratio := in.TestRatio
		if ratio == 0 {
			ratio = math.NaN()
		}
		limits, p = CorrectedT(differences, ratio, in.Bootstrap.Confidence)
	}
	if test == in.deciding() {
		d.Interval = limits
	}
	return Tested{Test: test, P: Number(p), Adjusted: none}
}

// delongPairs are the rows of a target in every seed in which it has enough
// events; nil where DeLong's test does not apply.
func (r *Row) delongPairs(in Input, target int, m matching) []Paired {
	if in.Metric != MetricAUROC || in.Task.Kind != Binary || target == targetWorst {
		return nil
	}
	var out []Paired
	for _, s := range m.seeds {
		rows := sequence(len(s.clusters))
		if target >= targetPattern {
			rows = byLevel(s.patterns, rows)[r.Patterns[target-targetPattern].Level]
		}
		var count Report
		if _, reason := count.count(in.Task, s.baseline, rows); reason != "" {
			continue
		}
		p := Paired{Baseline: s.baseline.take(in.Task, rows), Variant: s.variant.take(in.Task, rows).Scores}
		for _, i := range rows {
			p.Clusters = append(p.Clusters, s.clusters[i])
		}
		out = append(out, p)
	}
	return out
}
