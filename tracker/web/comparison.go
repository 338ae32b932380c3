package web

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"net/http"
	"slices"
	"strings"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// Question is what to compare.
type Question struct {
	Sweep   tracker.Sweep
	Metric  string // "" is the sweep's own
	TestSet string
}

// Comparison is what the program's compare says, with its own words.
type Comparison struct {
	Tables []ComparisonTable
	// Tests are those of the sweep's analysis, joint ones too.
	Tests         []string
	PreRegistered bool
	Notes         []string // why it is not pre-registered
	Caveats       []string // about how the sweep was made
	HiddenBias    string   // what the sensitivities mean
	Joint         string   // what is said over all datasets, as the command prints it
}

// ComparisonTable is the comparison on one dataset.
type ComparisonTable struct {
	Dataset, Metric, Baseline string
	Better                    string // higher, lower
	Seeds                     int
	Confidence                float64
	Correction                string // Holm, BH, uncorrected
	OtherTests                []string
	Tested                    bool // a paired test decides
	Rows                      []ComparisonRow
	Methods                   string // where intervals and p come from
	Power                     string // what the comparisons could find
	Notes                     []string
}

// ComparisonRow is a cell.
type ComparisonRow struct {
	Dataset, Backbone, Variant string
	Baseline                   bool
	Trials                     int
	Seeds                      int
	Overall, Worst             ComparedGroup
	Patterns                   []ComparedGroup
	Flags                      []string
	Marks                      []Mark
	Sensitivity                []Sensitivity
}

// Mark is a refuter that fails in runs that a comparison relies on.
type Mark struct {
	Text    string // beside the row
	Refuter string
	Arm     string // variant, baseline or comparison
	Reason  string
}

// Sensitivity is how much hidden bias would explain a difference.
type Sensitivity struct {
	Name          string
	Estimate, Low float64
}

// HasLimit says whether the limit nearer to no difference is printed too.
func (s Sensitivity) HasLimit() bool { return s.Name == "e_value" }

// ComparedGroup is the metric on a group of test rows: the mean over seeds and the
// paired difference. NaN is a number that is not defined.
type ComparedGroup struct {
	Level         string
	N, Events     int
	Defined       int // seeds
	Mean          float64
	Low, High     float64
	HasDifference bool
	Difference    float64
	DLow, DHigh   float64
	P             float64   // corrected, of the deciding test
	Others        []float64 // corrected, of the other tests
	Improves      bool
	Verdict       string // better, worse, unclear, untested
	Bar           intervalBar
	Shade         int // 0 (worse) … 8 (better), 4 is no difference; -1: there is none
}

// Certain says whether the difference survives the correction.
func (g ComparedGroup) Certain() bool { return g.Verdict == "better" || g.Verdict == "worse" }

// failing is a diagnostic that fails in runs of a cell.
type failing struct {
	Dataset, Backbone, Variant, Diagnostic, Reason string
	Failed, Runs                                   int
}

// doubt is a diagnostic with the cells in which it fails.
type doubt struct {
	Dataset, Diagnostic, Reason string
	Cells                       []failing
}

type comparisonPage struct {
	tracker.Sweep
	Metric   string
	Metrics  []string
	TestSet  string
	TestSets []string
	Problem  string // why there is no comparison
	Waiting  bool   // it is being computed; what is shown, if anything, is older
	Comparison
	Forest    []forest
	Maps      []patternMap
	Subgroups []subgroupMap
	Doubts    []doubt
	Selection *Selection
	Imported  string // where the runs come from; "": they are the sweep's own
	Note      string // what holds of imported runs
	Pairs     []subgroupRow
}

// Reasons are why rows are marked, each reason of the baseline's runs once.
func (t ComparisonTable) Reasons() []string {
	var out []string
	for _, r := range t.Rows {
		for _, m := range r.Marks {
			cell := r.Variant
			if m.Arm == "baseline" {
				cell = t.Baseline
			}
			if line := fmt.Sprintf("%s / %s fails %s: %s", r.Backbone, cell, m.Refuter, m.Reason); !slices.Contains(out, line) {
				out = append(out, line)
			}
		}
	}
	return out
}

// Sensitivities are the names of the columns of hidden bias; nil where there are none.
func (t ComparisonTable) Sensitivities() []Sensitivity {
	for _, r := range t.Rows {
		if len(r.Sensitivity) > 0 {
			return r.Sensitivity
		}
	}
	return nil
}

// forest is the plot of a table: its rows have bars on one scale.
type forest struct {
	ComparisonTable
	Axis []tick
	Zero string
}

// patternMap is the differences by pattern.
type patternMap struct {
	Dataset  string
	Columns  []ComparisonRow // those that are no baseline
	Patterns []patternRow
	Left     int // patterns in which nothing could be computed
}

type patternRow struct {
	Name      string
	N, Events int
	Cells     []ComparedGroup
}

func (s *Server) comparisonPage(w http.ResponseWriter, r *http.Request) error {
	ctx := r.Context()
	id, err := number(r)
	if err != nil {
		return err
	}
	if s.config.Compare == nil {
		return notFound("comparisons are not part of this server")
	}
	var page comparisonPage
	if page.Sweep, err = s.config.Store.SweepByID(ctx, id); err != nil {
		return err
	}
	page.Imported = page.Sweep.Imported()
	choices, err := s.metricChoices(ctx, page.Sweep)
	if err != nil {
		return err
	}
	for _, c := range choices {
		set := c.Split
		if set == "test" {
			set = "id"
		}
		if c.Split != "train" && c.Split != "val" && !slices.Contains(page.TestSets, set) {
			page.TestSets = append(page.TestSets, set)
		}
		if (c.Split == "test" || c.Split == "") && (page.Imported != "" || s.config.Comparable == nil || s.config.Comparable(c.Name)) {
			page.Metrics = append(page.Metrics, c.Name)
		}
	}
	q := r.URL.Query()
	page.TestSet, page.Metric = "id", q.Get("metric")
	if page.Imported != "" && len(page.TestSets) > 0 && !slices.Contains(page.TestSets, "id") {
		page.TestSet = page.TestSets[0]
	}
	if t := q.Get("test"); slices.Contains(page.TestSets, t) {
		page.TestSet = t
	}
	if !slices.Contains(page.Metrics, page.Metric) {
		page.Metric = ""
	}
	chosen := metricChoice{Name: cmp.Or(page.Metric, sweepMetric(page.Spec)), Split: page.TestSet}
	if chosen.Split == "id" {
		chosen.Split = "test"
	}
	if len(page.Metrics) > 0 && !slices.Contains(page.Metrics, chosen.Name) {
		chosen.Name = page.Metrics[0]
	}
	if i := slices.IndexFunc(choices, func(c metricChoice) bool { return c.Key() == chosen.Key() }); i >= 0 {
		chosen = choices[i]
	}
	switch {
	case page.Imported != "":
		page.Metric, page.Note = chosen.Name, tracker.ImportedNote
		if page.Baseline == "" {
			page.Problem = "the import named no baseline; import it again with --baseline"
		} else if page.Pairs, err = s.paired(ctx, page.Sweep, chosen, `grp = ''`); err != nil {
			return err
		} else if len(page.Pairs) == 0 {
			page.Problem = "no seed has a run of the baseline and one of another variant with this metric"
		}
	case len(choices) == 0:
		page.Problem = "no replicate of this sweep is done yet"
	default:
		q := Question{page.Sweep, page.Metric, page.TestSet}
		answer, err := s.compare(ctx, q)
		if err != nil {
			return err
		}
		page.Comparison, page.Problem, page.Waiting = answer.Comparison, answer.problem, answer.waiting
		q.Metric = chosen.Name
		if page.Selection, err = s.selection(ctx, q); err != nil {
			s.log.Info("audit of the selection failed", "sweep", page.Name, "error", err)
		}
	}
	if page.Subgroups, err = s.subgroups(ctx, page.Sweep, chosen); err != nil {
		return err
	}
	if page.Metric == "" && len(page.Tables) == 0 {
		page.Metric = chosen.Name
	}
	failures, err := remember(s, fmt.Sprint("failing ", id), func() ([]failing, error) { return s.failing(ctx, page.Sweep) })
	if err != nil {
		return err
	}
	page.Doubts = doubts(failures)
	for _, t := range page.Tables {
		if page.Metric == "" {
			page.Metric = t.Metric
		}
		page.Forest = append(page.Forest, newForest(t))
		page.Maps = append(page.Maps, newPatternMap(t))
	}
	return s.render(w, r, "comparison", "Compare "+page.Name, page)
}

// failing reads the diagnostics that fail in replicates, by cell; refuters are the
// marks of the comparison.
func (s *Server) failing(ctx context.Context, sweep tracker.Sweep) ([]failing, error) {
	const query = `select dataset, backbone, variant, diagnostic, coalesce(min(detail->>'reason') filter (where verdict = 'fail'), ''),
			count(*) filter (where verdict = 'fail'), count(*)
		from diagnostics where owner = $1 and sweep = $2 and phase = 'replicate' and planned and not starts_with(diagnostic, 'refuter/')
		group by 1, 2, 3, 4 having bool_or(verdict = 'fail') order by 1, 2, 3, 4`
	rows, err := s.config.Store.Pool().Query(ctx, query, sweep.Owner, sweep.Name)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[failing])
}

// doubts gathers the cells of a diagnostic, those in most cells first.
func doubts(list []failing) []doubt {
	var out []doubt
	for _, m := range list {
		i := slices.IndexFunc(out, func(d doubt) bool { return d.Dataset == m.Dataset && d.Diagnostic == m.Diagnostic })
		if i < 0 {
			i = len(out)
			out = append(out, doubt{Dataset: m.Dataset, Diagnostic: m.Diagnostic, Reason: m.Reason})
		}
		out[i].Cells = append(out[i].Cells, m)
	}
	slices.SortStableFunc(out, func(a, b doubt) int { return len(b.Cells) - len(a.Cells) })
	return out
}

func newForest(t ComparisonTable) forest {
	all := []float64{0}
	for _, r := range t.Rows {
		if r.Overall.HasDifference {
			all = append(all, r.Overall.Difference, r.Overall.DLow, r.Overall.DHigh)
		}
	}
	s := newScale(all...)
	f := forest{ComparisonTable: t, Zero: px(s.at(0))}
	f.Rows = slices.Clone(t.Rows)
	for i := range f.Rows {
		if g := &f.Rows[i].Overall; g.HasDifference {
			g.Bar = newIntervalBar(s, g.Difference, g.DLow, g.DHigh)
		}
	}
	for _, v := range s.ticks(4) {
		f.Axis = append(f.Axis, tick{px(s.at(v)), strings.Replace(tickText(v), "-", "−", 1)})
	}
	return f
}

func newPatternMap(t ComparisonTable) patternMap {
	m := patternMap{Dataset: t.Dataset}
	largest := 0.0
	var names []string
	for _, r := range t.Rows {
		if !r.Baseline {
			m.Columns = append(m.Columns, r)
		}
		for _, g := range r.Patterns {
			if !slices.Contains(names, g.Level) {
				names = append(names, g.Level)
			}
			if g.HasDifference && !math.IsNaN(g.Difference) {
				largest = max(largest, math.Abs(g.Difference))
			}
		}
	}
	for _, name := range names {
		row, some := patternRow{Name: name}, false
		for _, c := range m.Columns {
			cell := ComparedGroup{Shade: -1, Difference: math.NaN(), P: math.NaN()}
			for _, g := range c.Patterns {
				if g.Level != name {
					continue
				}
				cell = g
				cell.Shade = -1
				row.N, row.Events = g.N, g.Events
				some = some || g.Defined > 0
				if g.HasDifference && !math.IsNaN(g.Difference) && largest > 0 {
					gain := math.Abs(g.Difference) / largest * 4
					if !g.Improves {
						gain = -gain
					}
					cell.Shade = int(math.Round(4 + gain))
				}
			}
			row.Cells = append(row.Cells, cell)
		}
		if !some {
			m.Left++
			continue
		}
		m.Patterns = append(m.Patterns, row)
	}
	slices.SortStableFunc(m.Patterns, func(a, b patternRow) int { return b.N - a.N })
	return m
}
