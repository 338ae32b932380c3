package main

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/tracker/shown"
)

func printComparison(w io.Writer, c compared, patterns bool) {
	for i, table := range c.Tables {
		if i > 0 {
			fmt.Fprintln(w)
		}
		data := ""
		if len(c.Tables) > 1 && len(table.Rows) > 0 {
			data = ", dataset " + table.Rows[0].Dataset
		}
		fmt.Fprintf(w, "%s%s, test set %s, %s (%s is better), %d seeds; differences are variant - %s\n\n",
			c.Sweep, data, c.Test, table.Metric, table.Better, len(table.Seeds), table.Baseline)
		printSummary(w, table, c.Doubts)
		if len(c.Shifted) > 0 {
			fmt.Fprintln(w)
			printShifted(w, c, table)
		}
		if patterns {
			fmt.Fprintln(w)
			printPatterns(w, table)
		}
		fmt.Fprintln(w)
		printMethods(w, table)
		if e := c.powerOf(table); e != nil {
			printReached(w, *e)
		}
		for _, row := range table.Rows {
			for _, flag := range row.Flags {
				fmt.Fprintf(w, "! %s/%s/%s: %s\n", row.Dataset, row.Backbone, row.Variant, flag)
			}
		}
		for _, note := range table.Notes {
			fmt.Fprintf(w, "! %s\n", note)
		}
		printDoubts(w, table, c.Doubts)
	}
	if len(c.Doubts) > 0 {
		fmt.Fprintln(w, hiddenBias)
	}
	if c.Joint != nil {
		fmt.Fprintln(w)
		printJoint(w, *c.Joint, c.Tables[0])
	}
	if len(c.Curves) > 0 {
		fmt.Fprintln(w)
		printCurves(w, c.Curves)
	}
	for _, caveat := range c.Caveats {
		fmt.Fprintf(w, "! %s\n", caveat)
	}
	for _, note := range c.Notes {
		fmt.Fprintf(w, "! not pre-registered: %s\n", note)
	}
}

// corrected is how a p-value was adjusted, for headings.
func corrected(c stats.Correction) string {
	switch c {
	case stats.CorrectBH:
		return "BH"
	case stats.CorrectNone:
		return "uncorrected"
	}
	return "Holm"
}

// testNames are the tests in headings and sentences.
var testNames = map[stats.Test]string{
	stats.TestBootstrap: "bootstrap", stats.TestPermutation: "sign flip", stats.TestWilcoxon: "Wilcoxon",
	stats.TestDeLong: "DeLong", stats.TestCorrectedT: "corrected t",
}

// printMethods says where intervals and p-values come from.
func printMethods(w io.Writer, table stats.Table) {
	interval := "Student's t over the seeds too"
	deciding := stats.Test("")
	if len(table.Tests) > 0 {
		deciding = table.Tests[0]
	}
	switch deciding {
	case stats.TestBootstrap:
		interval = fmt.Sprintf("%d bootstrap resamples of seeds and patients", table.Resamples)
	case stats.TestDeLong:
		interval = "DeLong's, of patients alone, trainings as given"
	case stats.TestCorrectedT:
		interval = "Nadeau and Bengio's corrected t over the seeds"
	}
	fmt.Fprintf(w, "Intervals: of a mean, Student's t over the seeds; of a difference, %s.\n", interval)
	if deciding == "" {
		fmt.Fprintln(w, "The analysis of the sweep asks for no paired test: no difference is tested.")
	}
	if deciding == stats.TestPermutation || deciding == stats.TestWilcoxon {
		n := len(table.Seeds)
		fmt.Fprintf(w, "%s knows the seeds alone: it is about other trainings, tested on the same patients, and with %d seeds p is at least %s.\n",
			testNames[deciding], n, decimal(math.Exp2(float64(1-n))))
	}
	for _, f := range table.Families {
		if f.Test == deciding {
			fmt.Fprintf(w, "%s: %s\n", f.Name, f.Text)
		}
		if f.Test == stats.TestDeLong && f.Name == "overall" && f.Tested == 0 {
			fmt.Fprintln(w, "DeLong tests AUROCs of binary tasks on rows of equal weight, and there are none here.")
		}
	}
	var others []string
	for _, t := range table.Tests[min(1, len(table.Tests)):] {
		name := testNames[t]
		if t == stats.TestDeLong {
			name += " (patients alone, trainings as given)"
		}
		others = append(others, name)
	}
	if len(others) > 0 {
		fmt.Fprintf(w, "The %s decides. Beside it, each corrected alike in families of its own: %s.\n", testNames[deciding], strings.Join(others, ", "))
	}
}

func printSummary(w io.Writer, table stats.Table, list []doubt) {
	interval := fmt.Sprintf("%g %% CI", math.Round(1e4*table.Confidence)/100)
	p := fmt.Sprintf("p (%s)", corrected(table.Correction))
	header := []any{"backbone", "variant", string(table.Metric), interval, "difference", interval}
	if len(table.Tests) > 0 {
		header = append(header, p)
	}
	for _, test := range table.Tests[min(1, len(table.Tests)):] {
		header = append(header, "p "+testNames[test])
	}
	header = append(header, "worst pattern", "difference")
	if len(table.Tests) > 0 {
		header = append(header, p)
	}
	marked := slices.ContainsFunc(list, func(d doubt) bool { return len(d.Marks) > 0 })
	if marked {
		header = append(header, "fails refuters")
	}
	t := newTable(w, 2, header...)
	last := ""
	for _, row := range table.Rows {
		if last != "" && row.Backbone != last {
			t.AppendSeparator()
		}
		last = row.Backbone
		overall, overallCI := mean(row.Overall)
		worst, _ := mean(row.Worst)
		d, dCI, _ := difference(row.Overall)
		wd, _, wp := difference(row.Worst)
		cells := []any{row.Backbone, row.Variant, overall, overallCI, d, dCI}
		for k := range table.Tests {
			cells = append(cells, adjusted(row.Overall, k))
		}
		cells = append(cells, worst, wd)
		if len(table.Tests) > 0 {
			cells = append(cells, wp)
		}
		if marked {
			cells = append(cells, marksOf(list, row))
		}
		t.AppendRow(cells)
	}
	t.Render()
}

// hiddenBias explains the table of printDoubts.
const hiddenBias = `E-value: the risk ratio that something unmeasured would need both with who was
tested and with which model does better; Γ: by how much it would have to change
the odds, within a patient, that the variant does better. 1 is none: the
difference may be chance. Gain from the mask alone: the difference of AUROCs on an
outcome that only the pattern decides.`

// doubtOf finds what stands against a row.
func doubtOf(list []doubt, row stats.Row) doubt {
	k := slices.IndexFunc(list, func(d doubt) bool {
		return d.Dataset == row.Dataset && d.Backbone == row.Backbone && d.Variant == row.Variant
	})
	if k < 0 {
		return doubt{}
	}
	return list[k]
}

func marksOf(list []doubt, row stats.Row) string {
	var names []string
	for _, m := range doubtOf(list, row).Marks {
		names = append(names, m.short())
	}
	return strings.Join(names, "\n")
}

// printDoubts prints why rows are marked, each reason of the baseline's runs once,
// and what it would take to explain the differences.
func printDoubts(w io.Writer, table stats.Table, list []doubt) {
	said := map[string]bool{}
	for _, row := range table.Rows {
		for _, m := range doubtOf(list, row).Marks {
			cell := row.Variant
			if m.Arm == "baseline" {
				cell = table.Baseline
			}
			line := fmt.Sprintf("! %s/%s/%s fails %s: %s\n", row.Dataset, row.Backbone, cell, m.Refuter, m.Reason)
			if !said[line] {
				said[line] = true
				fmt.Fprint(w, line)
			}
		}
	}
	t := newTable(w, 2, "backbone", "variant", "E-value", "of the limit", "Γ", "gain from the mask alone")
	for _, row := range table.Rows {
		cells := []any{row.Backbone, row.Variant}
		for _, f := range doubtOf(list, row).Sensitivity {
			cells = append(cells, decimal(float64(f.Estimate)))
			if f.Name == "e_value" {
				cells = append(cells, decimal(float64(f.Low)))
			}
		}
		if len(cells) > 2 {
			t.AppendRow(cells)
		}
	}
	if t.Length() == 0 {
		return
	}
	fmt.Fprintln(w, "\nHow much hidden bias would explain the differences in squared error")
	t.Render()
}

// adjusted prints the adjusted p-value of the k-th test.
func adjusted(g stats.Group, k int) string {
	if g.Difference == nil {
		return ""
	}
	return probability(g.Difference.Tests[k].Adjusted)
}

// printJoint prints what was asked for over all datasets and backbones.
func printJoint(w io.Writer, j stats.Joint, table stats.Table) {
	fmt.Fprintf(w, "Over %d blocks of dataset and backbone\n\n", len(j.Blocks))
	interval := fmt.Sprintf("%g %% CI", math.Round(1e4*table.Confidence)/100)
	header := []any{"variant"}
	if j.Friedman != nil {
		header = append(header, "mean rank")
	}
	if j.IQM != nil {
		header = append(header, "IQM", interval)
	}
	if j.Improvement != nil {
		header = append(header, "P(better than "+table.Baseline+")", interval)
	}
	t := newTable(w, 1, header...)
	for v, variant := range j.Variants {
		cells := []any{variant}
		if j.Friedman != nil {
			rank := "n/a"
			if v < len(j.Friedman.Ranks) {
				rank = decimal(float64(j.Friedman.Ranks[v]))
			}
			cells = append(cells, rank)
		}
		if j.IQM != nil {
			cells = append(cells, decimal(float64(j.IQM[v].Estimate)), bounds(j.IQM[v]))
		}
		if j.Improvement != nil && variant != table.Baseline {
			cells = append(cells, decimal(float64(j.Improvement[v].Estimate)), bounds(j.Improvement[v]))
		}
		t.AppendRow(cells)
	}
	t.Render()
	if f := j.Friedman; f != nil && f.P.Defined() {
		by := "F of Iman and Davenport"
		if f.Exact {
			by = "exact"
		}
		fmt.Fprintf(w, "Friedman over %d blocks: p %s (%s); by Nemenyi, mean ranks differ at %g %% if they are %s apart\n",
			f.Blocks, probability(f.P), by, math.Round(1e4*(1-table.Confidence))/100, decimal(float64(f.Critical)))
	}
	for _, note := range j.Notes {
		fmt.Fprintf(w, "! %s\n", note)
	}
}

// printCurves prints the net benefit, a column a threshold.
func printCurves(w io.Writer, curves []decisionCurve) {
	header := []any{"dataset", "backbone", "net benefit of"}
	for _, p := range curves[0].Points {
		header = append(header, fmt.Sprintf("risk >= %g", p.Threshold))
	}
	t := newTable(w, 3, header...)
	last := ""
	row := func(c decisionCurve, name string, value func(stats.Benefit) stats.Number) {
		cells := []any{c.Dataset, c.Backbone, name}
		for _, p := range c.Points {
			cells = append(cells, fourDecimals(float64(value(p))))
		}
		t.AppendRow(cells)
	}
	for _, c := range curves {
		if place := c.Dataset + "/" + c.Backbone; place != last {
			if last != "" {
				t.AppendSeparator()
			}
			last = place
			row(c, "(treat all)", func(p stats.Benefit) stats.Number { return p.All })
		}
		row(c, c.Variant, func(p stats.Benefit) stats.Number { return p.Model })
	}
	t.Render()
	fmt.Fprintln(w, "Net benefit: share of true positives, less false positives at the odds of the threshold; means over the seeds, untested. To treat nobody has 0.")
}

// printPatterns prints the patterns in which some cell has a value; the others
// are summed up in a line.
func printPatterns(w io.Writer, table stats.Table) {
	header := []any{"pattern", "backbone", "variant", "n", "events", "seeds", string(table.Metric), "difference"}
	if len(table.Tests) > 0 {
		header = append(header, fmt.Sprintf("p (%s)", corrected(table.Correction)))
	}
	t := newTable(w, 3, header...)
	var levels []string
	defined, some := map[string]bool{}, false
	for _, row := range table.Rows {
		for _, g := range row.Patterns {
			if !slices.Contains(levels, g.Level) {
				levels = append(levels, g.Level)
			}
			defined[g.Level] = defined[g.Level] || g.Defined > 0
		}
	}
	first := true
	for _, level := range levels {
		if !defined[level] {
			continue
		}
		if !first {
			t.AppendSeparator()
		}
		first = false
		for _, row := range table.Rows {
			for _, g := range row.Patterns {
				if g.Level != level {
					continue
				}
				value, _ := mean(g)
				d, _, p := difference(g)
				some = some || g.Defined < len(row.Seeds)
				cells := []any{level, row.Backbone, row.Variant, g.N, g.Events, fmt.Sprintf("%d of %d", g.Defined, len(row.Seeds)), value, d}
				if len(table.Tests) > 0 {
					cells = append(cells, p)
				}
				t.AppendRow(cells)
			}
		}
	}
	t.Render()
	if some {
		fmt.Fprintf(w, "n and events are means over all seeds; the metric is that of the seeds in which a pattern has %d events and %d non-events, and one seed gives no p\n", stats.MinEvents, stats.MinEvents)
	}
	left := 0
	for _, ok := range defined {
		if !ok {
			left++
		}
	}
	if left > 0 {
		fmt.Fprintf(w, "%d more patterns have fewer than %d events or non-events in every seed: not computed\n", left, stats.MinEvents)
	}
}

func mean(g stats.Group) (value, interval string) {
	return decimal(float64(g.Mean.Estimate)), bounds(g.Mean)
}

// difference prints the paired difference, or nothing for the baseline itself.
func difference(g stats.Group) (value, interval, p string) {
	if g.Difference == nil {
		return "", "", ""
	}
	return signed(float64(g.Difference.Estimate)), bounds(g.Difference.Interval), probability(g.Difference.Adjusted)
}

// probability prints a p-value, which is never 0.
func probability(p stats.Number) string { return shown.Probability(float64(p)) }

func bounds(i stats.Interval) string { return shown.Bounds(float64(i.Low), float64(i.High)) }
