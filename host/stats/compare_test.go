package stats

import (
	"encoding/json"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

var fiveSeeds = []int64{0, 1, 2, 3, 4}

func input(metric Metric) Input {
	return Input{
		Task: binary, Metric: metric, Baseline: "erm", Seed: 1, Bootstrap: Bootstrap{Resamples: 200},
		Cells: simulate(11, 500, fiveSeeds, map[string]float64{"erm": 2, "good": 0.2, "same": 2, "zbad": 12}),
	}
}

func compare(t *testing.T, in Input) Table {
	t.Helper()
	table, err := Compare(in)
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func (t Table) row(variant string) *Row {
	for i := range t.Rows {
		if t.Rows[i].Variant == variant {
			return &t.Rows[i]
		}
	}
	return nil
}

// The difference is variant minus baseline: an improvement is positive for
// AUROC and negative for Brier, and the table says which.
func TestCompare_SignAndVerdict(t *testing.T) {
	for metric, sign := range map[Metric]float64{MetricAUROC: 1, MetricAUPRC: 1, MetricBrier: -1, MetricLogLoss: -1} {
		table := compare(t, input(metric))
		if want := map[float64]Direction{1: Higher, -1: Lower}[sign]; table.Better != want {
			t.Errorf("%s: better is %s, want %s", metric, table.Better, want)
		}
		for _, g := range []struct {
			variant, verdict string
			direction        float64
		}{{"good", "better", 1}, {"zbad", "worse", -1}} {
			row := table.row(g.variant)
			for _, d := range []*Difference{row.Overall.Difference, row.Worst.Difference} {
				if d.Verdict != g.verdict || d.Improves != (g.direction > 0) || float64(d.Estimate)*sign*g.direction <= 0 {
					t.Errorf("%s of %s: difference %v is %q, improves %v; want %q", metric, g.variant, d.Estimate, d.Verdict, d.Improves, g.verdict)
				}
				if d.Low > d.Estimate || d.High < d.Estimate || d.Low*d.High <= 0 {
					t.Errorf("%s of %s: interval %v to %v around %v", metric, g.variant, d.Low, d.High, d.Estimate)
				}
			}
		}
		if d := table.row("same").Overall.Difference; d.Verdict != "unclear" {
			t.Errorf("%s: a variant like the baseline is %q (p %v)", metric, d.Verdict, d.Adjusted)
		}
	}
}

func TestCompare_Figures(t *testing.T) {
	in := input(MetricAUROC)
	table := compare(t, in)
	if got := []string{table.Rows[0].Variant, table.Rows[1].Variant, table.Rows[2].Variant, table.Rows[3].Variant}; !slices.Equal(got, []string{"erm", "good", "same", "zbad"}) {
		t.Errorf("rows %v", got)
	}
	if !table.Rows[0].IsBaseline || table.Rows[0].Overall.Difference != nil || table.Rows[0].Matched != nil {
		t.Error("the baseline is compared to itself")
	}
	base, good := in.Cells[0], in.Cells[1]
	var values, differences, worsts, worstDifferences []float64
	worstNames := map[string]int{}
	for s := range fiveSeeds {
		a, b := base.Runs[s], good.Runs[s]
		values = append(values, AUROC(b.Scores, b.Labels, nil))
		differences = append(differences, values[s]-AUROC(a.Scores, a.Labels, nil))
		worst := func(r Run) (string, float64) {
			reports, err := EvaluateGroups(binary, r.Sample, r.Patterns)
			if err != nil {
				t.Fatal(err)
			}
			name, v, _ := Worst(reports, MetricAUROC)
			return name, v
		}
		name, w := worst(b)
		_, v := worst(a)
		worstNames[name]++
		worsts, worstDifferences = append(worsts, w), append(worstDifferences, w-v)
	}
	row := table.row("good")
	if want := MeanInterval(values, 0.95); row.Overall.Mean != want {
		t.Errorf("overall %v, want %v", row.Overall.Mean, want)
	}
	if want := MeanInterval(worsts, 0.95); row.Worst.Mean != want || worstNames[row.Worst.Level] != row.LevelSeeds {
		t.Errorf("worst %v of %q in %d seeds, want %v, %v", row.Worst.Mean, row.Worst.Level, row.LevelSeeds, want, worstNames)
	}
	d, w := row.Overall.Difference, row.Worst.Difference
	for s := range fiveSeeds {
		near(t, "per seed", float64(d.PerSeed[s]), differences[s], 1e-12)
		near(t, "worst per seed", float64(w.PerSeed[s]), worstDifferences[s], 1e-12)
	}
	near(t, "difference", float64(d.Estimate), float64(MeanInterval(differences, 0.95).Estimate), 1e-12)
	near(t, "worst difference", float64(w.Estimate), float64(MeanInterval(worstDifferences, 0.95).Estimate), 1e-12)
	if d.Seeds != 5 || d.Resamples != 200 || row.Matched.Units != 2500 || len(row.Flags) != 0 {
		t.Errorf("seeds %d, resamples %d, matched %+v, flags %q", d.Seeds, d.Resamples, row.Matched, row.Flags)
	}
	total := 0
	for _, p := range row.Patterns {
		total += p.N
		if p.Defined != 5 || p.NA != "" || p.Difference == nil || p.Events == 0 || p.Events >= p.N {
			t.Errorf("pattern %+v", p)
		}
	}
	if row.Overall.N != 500 || total < 499 || total > 501 {
		t.Errorf("n = %d, patterns %d; want 500", row.Overall.N, total)
	}
}

func TestCompare_HolmFamilies(t *testing.T) {
	table := compare(t, input(MetricAUROC))
	if len(table.Families) != 3 {
		t.Fatalf("families %+v", table.Families)
	}
	for i, want := range []Family{{Name: "overall", Tested: 3}, {Name: "worst_pattern", Tested: 3}, {Name: "pattern", Tested: 9}} {
		got := table.Families[i]
		if got.Name != want.Name || got.Tested != want.Tested || got.Correction != "holm" || !strings.Contains(got.Text, "all non-baseline cells") {
			t.Errorf("family %+v, want %+v", got, want)
		}
	}
	var raw, adjusted []float64
	for _, r := range table.Rows[1:] {
		raw = append(raw, float64(r.Overall.Difference.P))
		adjusted = append(adjusted, float64(r.Overall.Difference.Adjusted))
	}
	if !slices.Equal(Holm(raw), adjusted) {
		t.Errorf("adjusted %v of %v, want %v", adjusted, raw, Holm(raw))
	}
}

// A verdict is by the adjusted p-value, never by the raw one.
func TestDifference_verdict(t *testing.T) {
	nan := Number(math.NaN())
	for _, test := range []struct {
		estimate, p, adjusted Number
		improves              bool
		want                  string
	}{
		{0.1, 0.01, 0.2, true, "unclear"}, {0.1, 0.01, 0.04, true, "better"}, {-0.1, 0.01, 0.04, false, "worse"},
		{0.1, 0.01, 0.05, true, "unclear"}, {0, 0.01, 0.01, false, "unclear"}, {0.1, nan, nan, true, "untested"},
	} {
		d := Difference{Interval: Interval{Estimate: test.estimate}, P: test.p, Adjusted: test.adjusted, Improves: test.improves}
		if got := d.verdict(0.05); got != test.want {
			t.Errorf("%+v: got %q", test, got)
		}
	}
}

// The order of cells, runs and rows is an accident of a query.
func TestCompare_OrderDoesNotMatter(t *testing.T) {
	in := input(MetricAUROC)
	want := compare(t, in)
	r := rand.New(rand.NewPCG(3, 3))
	for i := range in.Cells {
		for j, run := range in.Cells[i].Runs {
			order := sequence(len(run.Units))
			r.Shuffle(len(order), func(a, b int) { order[a], order[b] = order[b], order[a] })
			shuffled := Run{Seed: run.Seed, Sample: run.take(binary, order)}
			for _, k := range order {
				shuffled.Units = append(shuffled.Units, run.Units[k])
				shuffled.Clusters = append(shuffled.Clusters, run.Clusters[k])
				shuffled.Patterns = append(shuffled.Patterns, run.Patterns[k])
			}
			in.Cells[i].Runs[j] = shuffled
		}
		slices.Reverse(in.Cells[i].Runs)
	}
	in.Cells[0], in.Cells[2], in.Cells[3] = in.Cells[3], in.Cells[0], in.Cells[2]
	got := compare(t, in)
	for _, row := range want.Rows {
		if !reflect.DeepEqual(&row, got.row(row.Variant)) {
			t.Errorf("%s: got %+v, want %+v", row.Variant, got.row(row.Variant), row)
		}
	}
	if got.Rows[0].Variant != "erm" {
		t.Errorf("first row is %q, want the baseline", got.Rows[0].Variant)
	}
	in.Seed++
	if reflect.DeepEqual(compare(t, in).Rows, got.Rows) {
		t.Error("another seed gives the same bootstrap")
	}
}

func TestCompare_MatchesBySeedAndUnit(t *testing.T) {
	in := input(MetricAUROC)
	clean := compare(t, in)
	good := &in.Cells[1]
	drop := func(r Run, n int) Run {
		r.Units, r.Clusters, r.Patterns = r.Units[n:], r.Clusters[n:], r.Patterns[n:]
		r.Scores, r.Labels = r.Scores[n:], r.Labels[n:]
		return r
	}
	good.Runs = slices.Clone(good.Runs)
	good.Runs[1] = drop(good.Runs[1], 7)
	good.Runs[2].Labels = slices.Clone(good.Runs[2].Labels)
	good.Runs[2].Labels[0] = 1 - good.Runs[2].Labels[0]
	good.Runs[2].Patterns = slices.Clone(good.Runs[2].Patterns)
	good.Runs[2].Patterns[5] = "elsewhere"
	good.Runs[2].Clusters = slices.Clone(good.Runs[2].Clusters)
	good.Runs[2].Clusters[9] = 12345
	good.Runs[2].Weights = orOnes(nil, 500)
	good.Runs[2].Weights[11] = 2
	good.Runs = append(good.Runs[:4:4], simulateRun(11, 500, 9, "good", 0.2)) // seed 9 for seed 4
	good.Trials = 16

	table := compare(t, in)
	row := table.row("good")
	m := row.Matched
	if !slices.Equal(m.Seeds, []int64{0, 1, 2, 3}) || !slices.Equal(m.UnmatchedSeeds, []int64{4, 9}) ||
		m.Units != 2000-7-4 || m.UnmatchedUnits != 7 || m.Conflicting != 4 {
		t.Errorf("matched %+v", m)
	}
	for _, want := range []string{
		"missing runs: seeds 4", "unequal seeds: 4, 9 not in both arms", "7 units not in both arms",
		"4 units whose label, pattern, patient or weight differ", "unequal budget: 16 trials, baseline 8",
	} {
		if !slices.ContainsFunc(row.Flags, func(f string) bool { return strings.Contains(f, want) }) {
			t.Errorf("no flag %q in %q", want, row.Flags)
		}
	}
	near(t, "untouched seed", float64(row.Overall.Difference.PerSeed[0]), float64(clean.row("good").Overall.Difference.PerSeed[0]), 1e-15)
	a, b := drop(in.Cells[0].Runs[1], 7), good.Runs[1]
	near(t, "seed with 7 units fewer", float64(row.Overall.Difference.PerSeed[1]), AUROC(b.Scores, b.Labels, nil)-AUROC(a.Scores, a.Labels, nil), 1e-12)
	if len(row.Seeds) != 5 || row.Overall.Defined != 5 {
		t.Errorf("the mean leaves out runs: %+v", row.Overall)
	}
	if !slices.ContainsFunc(table.Notes, func(n string) bool { return strings.Contains(n, "fewer than 5 matched seeds") }) {
		t.Errorf("no note about 4 seeds in %q", table.Notes)
	}
}

func TestCompare_OneSeedHasNoInterval(t *testing.T) {
	in := input(MetricAUROC)
	in.Cells = simulate(11, 500, []int64{3}, map[string]float64{"erm": 2, "good": 0.2})
	table := compare(t, in)
	row := table.row("good")
	if !slices.Contains(row.Flags, "1 seed: no CI") || row.Overall.Mean.Low.Defined() || !row.Overall.Mean.Estimate.Defined() {
		t.Errorf("flags %q, mean %+v", row.Flags, row.Overall.Mean)
	}
	d := row.Overall.Difference
	if !d.Estimate.Defined() || d.Low.Defined() || d.High.Defined() || d.P.Defined() || d.Adjusted.Defined() || d.Verdict != "untested" {
		t.Errorf("difference %+v", d)
	}
	if f := table.Families[0]; f.Tested != 0 || f.Untested != 1 || !strings.Contains(f.Text, "1 differences could not be tested") {
		t.Errorf("family %+v", f)
	}
	two := input(MetricAUROC)
	two.Cells[1].Runs = two.Cells[1].Runs[:1]
	two.Cells[1].Runs = append(two.Cells[1].Runs, simulateRun(11, 500, 9, "good", 0.2))
	if row := compare(t, two).row("good"); !slices.Contains(row.Flags, "1 matched seed: no CI of the difference") || row.Overall.Difference.P.Defined() {
		t.Errorf("one matched seed of two: flags %q", row.Flags)
	}
}

func TestCompare_PatternsWithFewEvents(t *testing.T) {
	in := input(MetricAUROC)
	for c := range in.Cells {
		for s, r := range in.Cells[c].Runs {
			patterns, rare := slices.Clone(r.Patterns), 0
			for i, y := range r.Labels {
				if events := 9 + s; y == 1 && rare < events { // seed 0 has 9 events, the others 10 and more
					patterns[i], rare = "rare", rare+1
				}
				if i > 450 && y == 0 {
					patterns[i] = "rare"
				}
				if i < 10 {
					patterns[i] = "tiny"
				}
			}
			in.Cells[c].Runs[s].Patterns = patterns
		}
	}
	row := compare(t, in).row("good")
	byName := map[string]Group{}
	for _, g := range row.Patterns {
		byName[g.Level] = g
	}
	if g := byName["tiny"]; g.Defined != 0 || !strings.Contains(g.NA, "fewer than 10") || g.N != 10 || g.Mean.Estimate.Defined() || g.Difference != nil {
		t.Errorf("tiny: %+v", g)
	}
	if g := byName["rare"]; g.Defined == 0 || g.Defined == 5 || g.NA != "" || g.PerSeed[0].Defined() || g.Difference.Seeds != g.Defined {
		t.Errorf("rare: %+v", g)
	}
	if row.Worst.Level == "tiny" {
		t.Error("the worst pattern has no events")
	}
	for c := range in.Cells {
		for s := range in.Cells[c].Runs {
			in.Cells[c].Runs[s].Patterns = nil
		}
	}
	row = compare(t, in).row("good")
	if len(row.Patterns) != 0 || row.Worst.NA != "no pattern has 10 events and 10 non-events" || row.Worst.Difference != nil || row.Worst.Level != "" {
		t.Errorf("without patterns: %+v", row.Worst)
	}
}

func TestCompare_MissingRunsAndCells(t *testing.T) {
	in := input(MetricAUROC)
	in.Seeds = []int64{5, 4, 3, 2, 1, 0}
	in.Cells[2].Runs = nil
	in.Cells = append(in.Cells, Cell{Dataset: "d", Backbone: "other", Variant: "good", Runs: in.Cells[1].Runs})
	table := compare(t, in)
	if row := table.row("same"); !slices.Contains(row.Flags, "no runs") || row.Overall.NA != "no runs" || row.Overall.Difference != nil {
		t.Errorf("cell without runs: %+v", row)
	}
	if row := table.row("good"); !slices.Contains(row.Flags, "missing runs: seeds 5") {
		t.Errorf("flags %q", row.Flags)
	}
	other := table.Rows[4]
	if other.Backbone != "other" || other.Overall.Difference != nil || !slices.Contains(other.Flags, `no baseline "erm" for this dataset and backbone`) {
		t.Errorf("cell without baseline: %+v", other)
	}
	if !slices.Contains(table.Notes, "no cell d × other × erm") || !slices.Contains(table.Notes, "no cell d × other × zbad") {
		t.Errorf("notes %q", table.Notes)
	}
	if f := table.Families[0]; f.Tested != 2 || f.Untested != 2 {
		t.Errorf("family %+v", f)
	}
	if _, err := json.Marshal(table); err != nil {
		t.Errorf("the table has no JSON: %v", err)
	}
}

func TestCompare_Multiclass(t *testing.T) {
	task := Task{Kind: Multiclass, Classes: 3}
	in := Input{Task: task, Metric: MetricAUROC, Baseline: "erm", Bootstrap: Bootstrap{Resamples: 50}}
	for v, variant := range []string{"erm", "good"} {
		c := Cell{Dataset: "d", Backbone: "b", Variant: variant}
		for s := range int64(3) {
			r := Run{Seed: s}
			data := rand.New(rand.NewPCG(1, uint64(s)))
			for i := range 300 {
				class := data.IntN(3)
				p := [3]float64{1, 1, 1}
				for k := range p {
					p[k] += 2 * data.Float64()
				}
				p[class] += 0.3 + 2*float64(v)
				sum := p[0] + p[1] + p[2]
				r.Scores = append(r.Scores, p[0]/sum, p[1]/sum, p[2]/sum)
				r.Labels = append(r.Labels, float64(class))
				r.Units = append(r.Units, int64(i))
			}
			c.Runs = append(c.Runs, r)
		}
		in.Cells = append(in.Cells, c)
	}
	for _, metric := range []Metric{MetricAUROC, MetricBrier, MetricECE, MetricBalancedAccuracy} {
		in.Metric = metric
		row := compare(t, in).row("good")
		run := in.Cells[1].Runs[0]
		r, err := Evaluate(task, run.Sample)
		if err != nil {
			t.Fatal(err)
		}
		near(t, string(metric), float64(row.Overall.PerSeed[0]), r.Values[metric], 1e-12)
		if metric != MetricECE && row.Overall.Difference.Verdict != "better" {
			t.Errorf("%s: %+v", metric, row.Overall.Difference)
		}
	}
}

func TestCompare_RefusesBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*Input)
		want   string
	}{
		"metric":     {func(in *Input) { in.Metric = MetricCalibrationSlope }, "no better direction"},
		"task":       {func(in *Input) { in.Task = Task{} }, "unknown task kind"},
		"confidence": {func(in *Input) { in.Bootstrap.Confidence = 95 }, "confidence 95"},
		"resamples":  {func(in *Input) { in.Bootstrap.Resamples = -1 }, "-1 resamples"},
		"cell twice": {func(in *Input) { in.Cells[1].Variant = "erm" }, "d × b × erm is given twice"},
		"seed twice": {func(in *Input) { in.Cells[1].Runs[1].Seed = 0 }, "good has seed 0 twice"},
		"unit twice": {func(in *Input) { in.Cells[1].Runs[1].Units[1] = in.Cells[1].Runs[1].Units[0] }, "seed 1: unit 0 has two predictions"},
		"units":      {func(in *Input) { in.Cells[1].Runs[1].Units = nil }, "0 units"},
		"score":      {func(in *Input) { in.Cells[1].Runs[1].Scores[4] = 2 }, "not a probability"},
	} {
		in := input(MetricAUROC)
		c.change(&in)
		if _, err := Compare(in); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: error %v, want %q", name, err, c.want)
		}
	}
}
