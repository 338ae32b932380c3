package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/web"
)

// webComparison is what compare prints, for the pages.
func webComparison(ctx context.Context, store *tracker.Store, q web.Question) (web.Comparison, error) {
	// Names are unique within an owner alone, and compare goes by names.
	named, err := store.Sweep(ctx, "", q.Sweep.Name)
	if err != nil {
		return web.Comparison{}, err
	}
	if named.ID != q.Sweep.ID {
		return web.Comparison{}, fmt.Errorf("%s and %s both have a sweep %s; it can be compared by a server of its owner", named.Owner, q.Sweep.Owner, q.Sweep.Name)
	}
	c, err := compareSweep(ctx, store, webRequest(q))
	if err != nil {
		return web.Comparison{}, err
	}
	return pageOf(c), nil
}

// webKept is what compare has printed before, if nothing has changed since.
func webKept(ctx context.Context, store *tracker.Store, q web.Question) (web.Comparison, bool, error) {
	c, ok, err := keptComparison(ctx, store, q.Sweep, webRequest(q))
	if !ok || err != nil {
		return web.Comparison{}, false, err
	}
	return pageOf(c), true, nil
}

func webRequest(q web.Question) comparison {
	return comparison{sweep: q.Sweep.Name, metric: q.Metric, test: q.TestSet, resamples: defaultResamples}
}

// pageOf takes the figures over as they are: the pages print them with the same
// functions as printComparison.
func pageOf(c compared) web.Comparison {
	out := web.Comparison{Tests: c.Tests, PreRegistered: c.PreRegistered, Notes: c.Notes, Caveats: c.Caveats, HiddenBias: hiddenBias}
	for _, t := range c.Tables {
		table := webTable(t, c.Doubts)
		if e := c.powerOf(t); e != nil {
			var text strings.Builder
			printReached(&text, *e)
			table.Power = text.String()
		}
		out.Tables = append(out.Tables, table)
	}
	if c.Joint != nil {
		var text strings.Builder
		printJoint(&text, *c.Joint, c.Tables[0])
		out.Joint = text.String()
	}
	return out
}

func webTable(t stats.Table, list []doubt) web.ComparisonTable {
	var methods strings.Builder
	printMethods(&methods, t)
	out := web.ComparisonTable{
		Metric: string(t.Metric), Baseline: t.Baseline, Better: string(t.Better), Seeds: len(t.Seeds), Confidence: t.Confidence,
		Correction: corrected(t.Correction), Tested: len(t.Tests) > 0, Methods: methods.String(), Notes: t.Notes,
	}
	for _, test := range t.Tests[min(1, len(t.Tests)):] {
		out.OtherTests = append(out.OtherTests, testNames[test])
	}
	for _, r := range t.Rows {
		row := web.ComparisonRow{
			Dataset: r.Dataset, Backbone: r.Backbone, Variant: r.Variant, Baseline: r.IsBaseline, Trials: r.Trials, Seeds: len(r.Seeds),
			Overall: webGroup(r.Overall), Worst: webGroup(r.Worst), Flags: r.Flags,
		}
		for _, g := range r.Patterns {
			row.Patterns = append(row.Patterns, webGroup(g))
		}
		d := doubtOf(list, r)
		for _, m := range d.Marks {
			row.Marks = append(row.Marks, web.Mark{Text: m.short(), Refuter: m.Refuter, Arm: m.Arm, Reason: m.Reason})
		}
		for _, f := range d.Sensitivity {
			row.Sensitivity = append(row.Sensitivity, web.Sensitivity{Name: f.Name, Estimate: float64(f.Estimate), Low: float64(f.Low)})
		}
		out.Dataset = r.Dataset
		out.Rows = append(out.Rows, row)
	}
	return out
}

func webGroup(g stats.Group) web.ComparedGroup {
	out := web.ComparedGroup{
		Level: g.Level, N: g.N, Events: g.Events, Defined: g.Defined,
		Mean: float64(g.Mean.Estimate), Low: float64(g.Mean.Low), High: float64(g.Mean.High),
	}
	if d := g.Difference; d != nil {
		out.HasDifference, out.Difference, out.DLow, out.DHigh = true, float64(d.Estimate), float64(d.Low), float64(d.High)
		out.P, out.Improves, out.Verdict = float64(d.Adjusted), d.Improves, d.Verdict
		for _, t := range d.Tests[min(1, len(d.Tests)):] {
			out.Others = append(out.Others, float64(t.Adjusted))
		}
	}
	return out
}

// webSelection is what compare --selection prints, for the pages; false where
// nothing was selected.
func webSelection(ctx context.Context, store *tracker.Store, q web.Question) (web.Selection, bool, error) {
	a, err := auditSelection(ctx, store, comparison{sweep: q.Sweep.Name, metric: q.Metric})
	if errors.Is(err, errNothingSelected) {
		return web.Selection{}, false, nil
	}
	if err != nil {
		return web.Selection{}, false, err
	}
	return web.Selection{Text: a.text(), Means: a.means(), Choices: a.choices(), Notes: a.Notes}, true, nil
}
