package stats

import (
	"fmt"
	"math"
	"slices"
)

// Table is the result of Compare.
type Table struct {
	Metric Metric `json:"metric"`
	// Better says whether a positive difference is an improvement ("higher") or a
	// deterioration ("lower"). Differences are always variant − baseline.
	Better     Direction `json:"better"`
	Baseline   string    `json:"baseline"`
	Seeds      []int64   `json:"seeds"`
	Confidence float64   `json:"confidence"`
	Resamples  int       `json:"resamples"`
	Seed       uint64    `json:"seed"`
	// Tests are the paired tests that were done, the deciding one first.
	Tests      []Test     `json:"tests"`
	Correction Correction `json:"correction"`
	Rows       []Row      `json:"rows"`
	// Families are the sets of tests whose p-values were corrected together.
	Families []Family `json:"families"`
	// Notes are about the whole table, such as cells that are absent.
	Notes []string `json:"notes,omitempty"`
}

// Family is a set of tests corrected together: those of one kind.
type Family struct {
	Name       string     `json:"name"` // overall, worst_pattern, pattern
	Test       Test       `json:"test"`
	Correction Correction `json:"correction"`
	// Tested is the size of the family; Untested are differences without a
	// p-value, which are no part of it.
	Tested   int    `json:"tested"`
	Untested int    `json:"untested"`
	Text     string `json:"text"`
}

// Row is one cell.
type Row struct {
	Dataset    string `json:"dataset"`
	Backbone   string `json:"backbone"`
	Variant    string `json:"variant"`
	IsBaseline bool   `json:"is_baseline"`
	// Seeds are those with a run, in the order of PerSeed.
	Seeds   []int64 `json:"seeds"`
	Trials  int     `json:"trials,omitempty"`
	Overall Group   `json:"overall"`
	// Worst is the worst pattern of every seed among those with enough events.
	// Its Level is the one that was worst most often, in LevelSeeds seeds.
	Worst      Group   `json:"worst_pattern"`
	LevelSeeds int     `json:"worst_pattern_seeds"`
	Patterns   []Group `json:"patterns"`
	// Matched tells which rows the differences are computed on; nil for the
	// baseline and where there is none.
	Matched *Matched `json:"matched,omitempty"`
	// Flags are reasons for doubt, in words.
	Flags []string `json:"flags,omitempty"`
}

// Group is the metric on a group of test rows.
type Group struct {
	Level string `json:"level,omitempty"` // pattern; empty for all rows
	// N and Events are means over the seeds, rounded.
	N      int `json:"n"`
	Events int `json:"events"`
	// Mean is over the seeds in which the metric is defined, with Student's t
	// interval; one seed has no interval.
	Mean Interval `json:"mean"`
	// PerSeed follows Row.Seeds; null where it is not defined.
	PerSeed []Number `json:"per_seed"`
	Defined int      `json:"defined_seeds"`
	// NA is why no seed has a value; empty when one has.
	NA string `json:"na,omitempty"`
	// Difference to the baseline on matched rows; nil where there is none.
	Difference *Difference `json:"difference,omitempty"`
}

// Difference is variant − baseline, paired by seed and unit.
type Difference struct {
	// Interval is the mean over seeds with the interval of the deciding test: of
	// the two-level bootstrap, of DeLong's normal distribution, of the corrected t;
	// for the tests of ranks and signs, and without a test, Student's t over the
	// seeds. No limits and no P with one seed, for patients alone say nothing about
	// what another training would give; but DeLong's test asks about patients alone.
	Interval
	// P and Adjusted are those of the deciding test, the first of Tests.
	P        Number `json:"p"`
	Adjusted Number `json:"adjusted_p"`
	// Tests follows Table.Tests.
	Tests   []Tested `json:"tests,omitempty"`
	PerSeed []Number `json:"per_seed"` // follows Matched.Seeds
	Seeds   int      `json:"seeds"`
	// Resamples are the bootstrap replicates in which the metric was defined; 0
	// when the bootstrap was not asked for.
	Resamples int `json:"resamples"`
	// Improves says that the estimate lies on the better side of 0.
	Improves bool `json:"improves"`
	// Verdict is better, worse or unclear by Adjusted at the table's confidence,
	// and untested without a P.
	Verdict string `json:"verdict"`
}

// Tested is what a test says about a difference.
type Tested struct {
	Test     Test   `json:"test"`
	P        Number `json:"p"`
	Adjusted Number `json:"adjusted_p"` // within the family of this test
}

// Matched counts the rows of the paired part, over all seeds.
type Matched struct {
	Seeds []int64 `json:"seeds"`
	Units int     `json:"units"`
	// UnmatchedSeeds are in one arm only.
	UnmatchedSeeds []int64 `json:"unmatched_seeds,omitempty"`
	// UnmatchedUnits are in one arm only, in seeds that both have.
	UnmatchedUnits int `json:"unmatched_units"`
	// Conflicting units differ in label, pattern, patient or weight.
	Conflicting int `json:"conflicting_units"`
}

func newTable(in Input) Table {
	return Table{
		Metric: in.Metric, Better: in.Metric.Better(), Baseline: in.Baseline, Seeds: in.Seeds,
		Confidence: in.Bootstrap.Confidence, Resamples: in.Bootstrap.Resamples, Seed: in.Seed,
		Tests: in.paired(), Correction: in.Correction,
	}
}

// noteAbsentCells names the cells that complete the cross product of what is
// there: a variant that was compared on some backbones only.
func (t *Table) noteAbsentCells() {
	var places [][2]string
	var variants []string
	have := map[[3]string]bool{}
	for _, r := range t.Rows {
		if place := [2]string{r.Dataset, r.Backbone}; !slices.Contains(places, place) {
			places = append(places, place)
		}
		if !slices.Contains(variants, r.Variant) {
			variants = append(variants, r.Variant)
		}
		have[[3]string{r.Dataset, r.Backbone, r.Variant}] = true
	}
	for _, p := range places {
		for _, v := range variants {
			if !have[[3]string{p[0], p[1], v}] {
				t.Notes = append(t.Notes, "no cell "+Cell{Dataset: p[0], Backbone: p[1], Variant: v}.name())
			}
		}
	}
}

// fewSeeds is the number of matched seeds below which the note of noteFewSeeds
// is due.
const fewSeeds = 5

func (t *Table) noteFewSeeds() {
	for _, r := range t.Rows {
		if r.Matched != nil && len(r.Matched.Seeds) > 1 && len(r.Matched.Seeds) < fewSeeds {
			t.Notes = append(t.Notes, fmt.Sprintf("fewer than %d matched seeds: so few show only large differences, for the spread between trainings is hardly known; add seeds", fewSeeds))
			return
		}
	}
}

// correct fills Adjusted and Verdict, family by family.
func (t *Table) correct() {
	overall, worst, patterns := []*Difference{}, []*Difference{}, []*Difference{}
	for i := range t.Rows {
		if t.Rows[i].IsBaseline {
			continue
		}
		overall = append(overall, t.Rows[i].Overall.Difference)
		worst = append(worst, t.Rows[i].Worst.Difference)
		for _, g := range t.Rows[i].Patterns {
			patterns = append(patterns, g.Difference)
		}
	}
	for k := range t.Tests {
		t.Families = append(t.Families,
			t.correctFamily(k, "overall", "the overall differences of all non-baseline cells of the table", overall),
			t.correctFamily(k, "worst_pattern", "the worst-pattern differences of all non-baseline cells of the table", worst),
			t.correctFamily(k, "pattern", "the differences of all patterns of all non-baseline cells of the table", patterns),
		)
	}
	for _, d := range slices.Concat(overall, worst, patterns) {
		if d == nil {
			continue
		}
		d.P, d.Adjusted = Number(math.NaN()), Number(math.NaN())
		if len(d.Tests) > 0 {
			d.P, d.Adjusted = d.Tests[0].P, d.Tests[0].Adjusted
		}
		d.Verdict = d.verdict(1 - t.Confidence)
	}
}

// correctFamily corrects the k-th test of the differences.
func (t *Table) correctFamily(k int, name, text string, family []*Difference) Family {
	p := make([]float64, len(family))
	f := Family{Name: name, Test: t.Tests[k], Correction: t.Correction}
	for i, d := range family {
		p[i] = math.NaN()
		if d != nil {
			p[i] = float64(d.Tests[k].P)
		}
		if math.IsNaN(p[i]) {
			f.Untested++
		} else {
			f.Tested++
		}
	}
	f.Text = t.Correction.text(text, f.Tested)
	if f.Untested > 0 {
		f.Text += fmt.Sprintf("; %d differences could not be tested and are not counted", f.Untested)
	}
	for i, adjusted := range t.Correction.adjust(p) {
		if family[i] != nil {
			family[i].Tests[k].Adjusted = Number(adjusted)
		}
	}
	return f
}

func (d *Difference) verdict(level float64) string {
	switch {
	case !d.Adjusted.Defined():
		return "untested"
	case float64(d.Adjusted) >= level || d.Estimate == 0:
		return "unclear"
	case d.Improves:
		return "better"
	}
	return "worse"
}
