package web

import (
	"cmp"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// upset is the plot of availability patterns (Lex et al., IEEE TVCG 2014), one a
// row: which modalities it has, how many rows it is, and the metric there. It is
// made of the results that the run stored.
type upset struct {
	Modalities []upsetModality
	Head       []string // of the columns behind the bar
	Rows       []upsetRow
	Left       int // rarer patterns that are not shown
}

// maxPatterns bounds the rows of a plot of patterns.
const maxPatterns = 40

type upsetModality struct {
	Name  string
	Count string // of rows that have it
	Share string // of all
}

type upsetRow struct {
	Name        string
	Has         []bool // by modality
	First, Last int    // modalities between which the dots are joined; -1: none
	N           string
	Width       string   // of the bar, of 100
	Values      []string // follows upset.Head
}

// newUpset is nil without patterns.
func newUpset(results map[tracker.Metric]float64, split, metric string) *upset {
	value := func(name, level string) float64 {
		if v, ok := results[tracker.Metric{Name: name, Split: split, Group: "pattern", Level: level}]; ok {
			return v
		}
		return math.NaN()
	}
	var levels []string
	for m := range results {
		if m.Split == split && m.Group == "pattern" && m.Name == "n" {
			levels = append(levels, m.Level)
		}
	}
	if len(levels) == 0 {
		return nil
	}
	slices.SortFunc(levels, func(a, b string) int {
		return cmp.Or(cmp.Compare(value("n", b), value("n", a)), cmp.Compare(a, b))
	})
	u := drawUpset(levels, func(level string) (float64, []string) {
		return value("n", level), []string{whole(value("events", level)), shown.Decimal(value(metric, level))}
	})
	u.Head = []string{"Events", metric}
	return u
}

// drawUpset draws levels, the most frequent first; of answers the rows of one and
// what stands behind its bar. nil without levels.
func drawUpset(levels []string, of func(level string) (n float64, values []string)) *upset {
	if len(levels) == 0 {
		return nil
	}
	// The longest names come first, so that modalities stand in the dataset's order.
	named := slices.Clone(levels)
	slices.SortStableFunc(named, func(a, b string) int { return strings.Count(b, "+") - strings.Count(a, "+") })
	var names []string
	for _, level := range named {
		for _, name := range modalitiesOf(level) {
			if !slices.Contains(names, name) {
				names = append(names, name)
			}
		}
	}
	u := &upset{}
	most, _ := of(levels[0])
	total := 0.0
	counts := make([]float64, len(names))
	for _, level := range levels {
		n, values := of(level)
		total += n
		row := upsetRow{Name: level, Has: make([]bool, len(names)), N: whole(n), Width: px(100 * n / math.Max(most, 1)), Values: values}
		for _, name := range modalitiesOf(level) {
			k := slices.Index(names, name)
			row.Has[k] = true
			counts[k] += n
		}
		row.First, row.Last = slices.Index(row.Has, true), len(names)-1
		for row.Last > max(row.First, 0) && !row.Has[row.Last] {
			row.Last--
		}
		if len(u.Rows) == maxPatterns {
			u.Left++
			continue
		}
		u.Rows = append(u.Rows, row)
	}
	for k, name := range names {
		u.Modalities = append(u.Modalities, upsetModality{name, whole(counts[k]), shown.Decimal(counts[k] / total)})
	}
	return u
}

// modalitiesOf are the modalities of a pattern's name.
func modalitiesOf(level string) []string {
	if level == "none" {
		return nil
	}
	return strings.Split(level, "+")
}

// Joined says whether the line that joins a row's dots crosses the k-th column:
// none, all, up or down.
func (r upsetRow) Joined(k int) string {
	switch {
	case r.First < 0 || r.First == r.Last || k < r.First || k > r.Last:
		return ""
	case k == r.First:
		return "from"
	case k == r.Last:
		return "to"
	}
	return "through"
}

// whole prints a count.
func whole(v float64) string {
	if math.IsNaN(v) {
		return "–"
	}
	return shown.Decimals(v, 0)
}
