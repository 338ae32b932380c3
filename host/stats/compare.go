package stats

import (
	"cmp"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"
)

// Input is everything Compare reads: the test predictions of every cell.
type Input struct {
	Task Task
	// Metric must improve in a direction: see Metric.Better.
	Metric Metric
	// Baseline is the variant that all others are compared to, within the same
	// dataset and backbone.
	Baseline string
	// Seeds are the planned replicates; nil means all that occur in Cells. A cell
	// without one of them is flagged.
	Seeds []int64
	Cells []Cell
	// Tests are those that are done, and no others; nil means the bootstrap. The
	// first paired one decides: it gives the interval and the verdict.
	Tests []Test
	// Correction may be empty: Holm's.
	Correction Correction
	// TestRatio is the number of test rows for every training row, which
	// TestCorrectedT needs; 0 is unknown and leaves that test undefined.
	TestRatio float64
	// Bootstrap may be zero: 2,000 resamples, confidence 0.95.
	Bootstrap Bootstrap
	// Seed keys every random draw. The result does not depend on the order of
	// cells, runs and rows.
	Seed uint64
}

// Cell is dataset × backbone × variant with one run a seed.
type Cell struct {
	Dataset, Backbone, Variant string
	// Trials is the search budget the cell had; unequal budgets are flagged. 0 is
	// unknown.
	Trials int
	// LostTrials are those of the search that gave no result.
	LostTrials int
	Runs       []Run
}

// Run is what one seed of a cell predicted on its test rows.
type Run struct {
	Seed int64
	// Units identify rows across cells; unique within a run.
	Units []int64
	// Clusters are the patients of the rows, or nil when every row is one.
	Clusters []int64
	// Patterns name the modalities a row has; nil or "" means no pattern.
	Patterns []string
	Sample
}

const (
	defaultResamples  = 2000
	defaultConfidence = 0.95
)

// Compare makes the table of all cells: the metric over all test rows, in the
// worst pattern and in every pattern, each as mean over seeds, and the paired
// difference to the baseline. See Table for what the figures mean.
func Compare(in Input) (Table, error) {
	if in.Metric.Better() == Neither {
		return Table{}, fmt.Errorf("compare by metric %q: it has no better direction", in.Metric)
	}
	if in.Bootstrap.Resamples == 0 {
		in.Bootstrap.Resamples = defaultResamples
	}
	if in.Bootstrap.Confidence == 0 {
		in.Bootstrap.Confidence = defaultConfidence
	}
	if in.Tests == nil {
		in.Tests = []Test{TestBootstrap}
	}
	in.Correction = cmp.Or(in.Correction, CorrectHolm)
	if err := checkTests(in.Tests, in.Correction); err != nil {
		return Table{}, fmt.Errorf("compare: %w", err)
	}
	if c := in.Bootstrap.Confidence; !(c > 0 && c < 1) || in.Bootstrap.Resamples < 1 {
		return Table{}, fmt.Errorf("compare with confidence %v and %d resamples: use 0 < confidence < 1 and at least 1 resample", c, in.Bootstrap.Resamples)
	}
	cells, err := in.checked()
	if err != nil {
		return Table{}, err
	}
	if in.Seeds == nil {
		in.Seeds = seedsOf(cells)
	}
	in.Seeds = slices.Sorted(slices.Values(in.Seeds))

	t := newTable(in)
	baselines := map[[2]string]Cell{}
	for _, c := range cells {
		if c.Variant == in.Baseline {
			baselines[[2]string{c.Dataset, c.Backbone}] = c
		}
	}
	t.Rows = make([]Row, len(cells))
	matchings := make([]*matching, len(cells))
	if err := inParallelTry(len(cells), func(i int) (err error) {
		baseline, ok := baselines[[2]string{cells[i].Dataset, cells[i].Backbone}]
		t.Rows[i], matchings[i], err = newRow(in, cells[i], baseline, ok)
		return err
	}); err != nil {
		return Table{}, err
	}
	blocks := newBlocks(t.Rows, matchings)
	if err := inParallelTry(len(blocks), func(i int) error {
		drawn, err := blocks[i].differences(in)
		if err != nil {
			return fmt.Errorf("compare the cells of %s × %s: %w", blocks[i].dataset, blocks[i].backbone, err)
		}
		for v, row := range blocks[i].rows {
			t.Rows[row].compare(in, *matchings[row], drawn[v])
		}
		return nil
	}); err != nil {
		return Table{}, err
	}
	t.noteAbsentCells()
	t.noteFewSeeds()
	t.correct()
	return t, nil
}

// checked validates the cells and returns them in table order: datasets and
// backbones as they first appear, the baseline before the other variants; runs
// by seed, rows by unit.
func (in Input) checked() ([]Cell, error) {
	if err := in.Task.validate(); err != nil {
		return nil, err
	}
	cells := slices.Clone(in.Cells)
	place := map[[2]string]int{}
	seen := map[[3]string]bool{}
	for i, c := range cells {
		key := [2]string{c.Dataset, c.Backbone}
		if _, ok := place[key]; !ok {
			place[key] = len(place)
		}
		if seen[[3]string{c.Dataset, c.Backbone, c.Variant}] {
			return nil, fmt.Errorf("cell %s is given twice", c.name())
		}
		seen[[3]string{c.Dataset, c.Backbone, c.Variant}] = true
		runs := make([]Run, len(c.Runs))
		for j, r := range c.Runs {
			sorted, err := r.byUnit(in.Task)
			if err != nil {
				return nil, fmt.Errorf("cell %s, seed %d: %w", c.name(), r.Seed, err)
			}
			runs[j] = sorted
		}
		slices.SortFunc(runs, func(a, b Run) int { return cmp.Compare(a.Seed, b.Seed) })
		for j := 1; j < len(runs); j++ {
			if runs[j].Seed == runs[j-1].Seed {
				return nil, fmt.Errorf("cell %s has seed %d twice", c.name(), runs[j].Seed)
			}
		}
		cells[i].Runs = runs
	}
	slices.SortStableFunc(cells, func(a, b Cell) int {
		if d := cmp.Compare(place[[2]string{a.Dataset, a.Backbone}], place[[2]string{b.Dataset, b.Backbone}]); d != 0 {
			return d
		}
		first := func(c Cell) int {
			if c.Variant == in.Baseline {
				return 0
			}
			return 1
		}
		return cmp.Compare(first(a), first(b))
	})
	return cells, nil
}

// paired are the tests of every difference, the deciding one first.
func (in Input) paired() []Test {
	return slices.DeleteFunc(slices.Clone(in.Tests), func(t Test) bool { return !t.Paired() })
}

// deciding is the test that gives intervals and verdicts; "" without a paired one.
func (in Input) deciding() Test {
	for _, t := range in.Tests {
		if t.Paired() {
			return t
		}
	}
	return ""
}

func (c Cell) name() string { return c.Dataset + " × " + c.Backbone + " × " + c.Variant }

func (c Cell) seeds() []int64 {
	seeds := make([]int64, len(c.Runs))
	for i, r := range c.Runs {
		seeds[i] = r.Seed
	}
	return seeds
}

// byUnit returns a valid copy of the run, sorted by unit, with clusters and
// patterns filled in.
func (r Run) byUnit(task Task) (Run, error) {
	n, err := r.rows(task)
	if err != nil {
		return Run{}, err
	}
	clusters, patterns := r.Clusters, r.Patterns
	if clusters == nil {
		clusters = r.Units
	}
	if patterns == nil {
		patterns = make([]string, n)
	}
	if len(r.Units) != n || len(clusters) != n || len(patterns) != n {
		return Run{}, fmt.Errorf("%d units, %d clusters and %d patterns for %d rows", len(r.Units), len(clusters), len(patterns), n)
	}
	order := sequence(n)
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(r.Units[a], r.Units[b]) })
	for k := 1; k < n; k++ {
		if r.Units[order[k]] == r.Units[order[k-1]] {
			return Run{}, fmt.Errorf("unit %d has two predictions", r.Units[order[k]])
		}
	}
	sorted := Run{Seed: r.Seed, Sample: r.take(task, order)}
	for _, i := range order {
		sorted.Units = append(sorted.Units, r.Units[i])
		sorted.Clusters = append(sorted.Clusters, clusters[i])
		sorted.Patterns = append(sorted.Patterns, patterns[i])
	}
	return sorted, nil
}

// take copies the given rows; the copy has weights.
func (s Sample) take(task Task, rows []int32) Sample {
	var out Sample
	for _, i := range rows {
		out.Scores = append(out.Scores, s.Scores[int(i)*task.Outputs():(int(i)+1)*task.Outputs()]...)
		out.Labels = append(out.Labels, s.Labels[int(i)*task.LabelWidth():(int(i)+1)*task.LabelWidth()]...)
		out.Weights = append(out.Weights, s.weight(int(i)))
		if s.Truth != nil {
			out.Truth = append(out.Truth, s.Truth[i])
		}
	}
	return out
}

func seedsOf(cells []Cell) []int64 {
	var seeds []int64
	for _, c := range cells {
		for _, r := range c.Runs {
			if !slices.Contains(seeds, r.Seed) {
				seeds = append(seeds, r.Seed)
			}
		}
	}
	return seeds
}

// inParallel calls f(0..n-1) on all processors; every call has its own streams,
// so the schedule does not matter.
func inParallel(n int, f func(i int)) {
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, runtime.GOMAXPROCS(0)) {
		wg.Go(func() {
			for i := range next {
				f(i)
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// inParallelTry is inParallel for calls that may fail; the answer is the error of the
// first that does, in order.
func inParallelTry(n int, f func(i int) error) error {
	errs := make([]error, n)
	inParallel(n, func(i int) { errs[i] = f(i) })
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// sameFloat is equality in which NaN, the unknown label, equals NaN.
func sameFloat(a, b float64) bool { return a == b || (math.IsNaN(a) && math.IsNaN(b)) }
