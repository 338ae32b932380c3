package main

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/deconfound/deconfound/host/report"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// reported is all that a report is made from.
type reported struct {
	compared
	plan     *sweeps.Plan
	runs     []tracker.Run // replicates that are done
	verdicts []tracker.VerdictCount
	request  reportRequest
	toml     string
}

func (r reported) document() report.Document {
	d := report.Document{
		Title: "Report on " + r.Sweep, Lead: []string{r.lead()}, SourceName: "The sweep's file", Source: r.toml, Data: r.data(),
		Sections: []report.Section{r.results()},
	}
	for _, run := range r.runs {
		if run.EndedAt != nil && run.EndedAt.After(d.Date) {
			d.Date = run.EndedAt.Truncate(time.Second)
		}
	}
	if s := r.patternSection(); len(s.Tables) > 0 {
		d.Sections = append(d.Sections, s)
	}
	if s := r.doubtSection(); len(s.Warnings) > 0 {
		d.Sections = append(d.Sections, s)
	}
	d.Sections = append(d.Sections, r.methods(), r.dataSection(), r.diagnosticSection(), r.provenance(), r.repeat())
	return d
}

func (r reported) lead() string {
	first := r.Tables[0]
	registered := "Baseline, metric, tests and correction are those that the sweep's file named before its first trial."
	if !r.PreRegistered {
		registered = "This comparison was not pre-registered: " + strings.Join(r.Notes, "; ") + "."
	}
	return fmt.Sprintf("%s on test set %s, %s is better, means over %d seeds. A difference is variant - %s, paired by seed and patient. %s",
		first.Metric, r.Test, first.Better, len(first.Seeds), first.Baseline, registered)
}

// results are the tables of the comparison and their plots.
func (r reported) results() report.Section {
	s := report.Section{Title: "Results"}
	for _, t := range r.Tables {
		if len(t.Rows) == 0 {
			continue
		}
		s.Tables = append(s.Tables, r.summary(t))
		s.Forests = append(s.Forests, forestOf(t))
		if shifted := r.shiftedTable(t); len(shifted.Rows) > 0 {
			s.Tables = append(s.Tables, shifted)
		}
	}
	return s
}

// doubtSection says what stands against the results, each reason once.
func (r reported) doubtSection() report.Section {
	s := report.Section{Title: "Reasons for doubt", Warnings: slices.Clone(r.Caveats)}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			for _, flag := range row.Flags {
				s.Warnings = append(s.Warnings, fmt.Sprintf("%s / %s / %s: %s", row.Dataset, row.Backbone, row.Variant, flag))
			}
			for _, m := range doubtOf(r.Doubts, row).Marks {
				cell := row.Variant
				if m.Arm == "baseline" {
					cell = t.Baseline
				}
				text := fmt.Sprintf("%s / %s / %s fails %s: %s", row.Dataset, row.Backbone, cell, m.Refuter, m.Reason)
				if !slices.Contains(s.Warnings, text) {
					s.Warnings = append(s.Warnings, text)
				}
			}
		}
		s.Warnings = append(s.Warnings, t.Notes...)
	}
	return s
}

func (r reported) summary(t stats.Table) report.Table {
	interval := confidenceText(t)
	out := report.Table{Caption: fmt.Sprintf("%s: %s on test set %s", t.Rows[0].Dataset, t.Metric, r.Test), Columns: []report.Column{
		{Name: "backbone"}, {Name: "variant"}, {Name: "trials", Number: true}, {Name: "seeds", Number: true}, {Name: string(t.Metric), Number: true}, {Name: interval, Number: true},
		{Name: "difference", Number: true}, {Name: interval, Number: true},
	}}
	for k, test := range t.Tests {
		name := "p (" + corrected(t.Correction) + ")"
		if k > 0 {
			name = "p " + testNames[test]
		}
		out.Columns = append(out.Columns, report.Column{Name: name, Number: true})
	}
	out.Columns = append(out.Columns, report.Column{Name: "worst pattern", Number: true}, report.Column{Name: "difference", Number: true})
	for _, row := range t.Rows {
		value, limits := mean(row.Overall)
		d, dLimits, _ := difference(row.Overall)
		worst, _ := mean(row.Worst)
		wd, _, _ := difference(row.Worst)
		cells := report.Text(row.Backbone, row.Variant, fmt.Sprint(row.Trials), fmt.Sprint(len(row.Seeds)), value, limits, d, dLimits)
		if row.Trials == 0 {
			cells[2].Text = "none"
		}
		for k := range t.Tests {
			cells = append(cells, report.Cell{Text: adjusted(row.Overall, k)})
		}
		cells = append(cells, report.Text(worst, wd)...)
		if certain(row.Overall) {
			cells[1].Strong, cells[4].Strong, cells[6].Strong = true, true, true
		}
		cells[len(cells)-1].Strong = certain(row.Worst)
		out.Rows = append(out.Rows, cells)
	}
	out.Note = fmt.Sprintf("Bold: the difference survives the correction (%s) at %g %%. Trials are those of the search of each cell.", corrected(t.Correction), math.Round(1e4*(1-t.Confidence))/100)
	return out
}

// certain says whether a difference survives its correction.
func certain(g stats.Group) bool {
	return g.Difference != nil && (g.Difference.Verdict == "better" || g.Difference.Verdict == "worse")
}

func confidenceText(t stats.Table) string {
	return fmt.Sprintf("%g %% CI", math.Round(1e4*t.Confidence)/100)
}

func forestOf(t stats.Table) report.Forest {
	f := report.Forest{Caption: fmt.Sprintf("%s: difference to %s in %s (%s is better)", t.Rows[0].Dataset, t.Baseline, t.Metric, t.Better)}
	for _, row := range t.Rows {
		if d := row.Overall.Difference; d != nil {
			value, limits, _ := difference(row.Overall)
			f.Rows = append(f.Rows, report.Bar{
				Label: row.Backbone + " / " + row.Variant, Text: strings.TrimSpace(value + "  " + limits),
				At: float64(d.Estimate), Low: float64(d.Low), High: float64(d.High), Strong: certain(row.Overall),
			})
		}
	}
	return f
}

func (r reported) shiftedTable(t stats.Table) report.Table {
	out := report.Table{Caption: t.Rows[0].Dataset + ": all test sets", Columns: []report.Column{{Name: "backbone"}, {Name: "variant"}}}
	for _, set := range r.TestSets {
		out.Columns = append(out.Columns, report.Column{Name: set, Number: true}, report.Column{Name: "difference", Number: true})
	}
	for _, s := range r.Shifted {
		if s.Dataset != t.Rows[0].Dataset {
			continue
		}
		cells := report.Text(s.Backbone, s.Variant)
		for i, v := range s.Means {
			d := ""
			if len(s.Differences) > 0 {
				d = signed(float64(s.Differences[i]))
			}
			cells = append(cells, report.Text(decimal(float64(v)), d)...)
		}
		out.Rows = append(out.Rows, cells)
	}
	out.Note = "Means over the seeds, untested. What is ahead on " + plainTestSet + " and behind on a shifted test has learned what does not hold there."
	return out
}

// patternSection has the patterns in which some cell has a value.
func (r reported) patternSection() report.Section {
	s := report.Section{Title: "By availability pattern"}
	for _, t := range r.Tables {
		out := report.Table{Columns: []report.Column{
			{Name: "pattern"}, {Name: "backbone"}, {Name: "variant"}, {Name: "n", Number: true}, {Name: "events", Number: true}, {Name: string(t.Metric), Number: true},
			{Name: "difference", Number: true}, {Name: confidenceText(t), Number: true}, {Name: "p (" + corrected(t.Correction) + ")", Number: true},
		}}
		var levels []string
		for _, row := range t.Rows {
			for _, g := range row.Patterns {
				if g.Defined > 0 && !slices.Contains(levels, g.Level) {
					levels = append(levels, g.Level)
				}
			}
		}
		for _, level := range levels {
			for _, row := range t.Rows {
				for _, g := range row.Patterns {
					if g.Level != level {
						continue
					}
					value, _ := mean(g)
					d, limits, p := difference(g)
					cells := report.Text(level, row.Backbone, row.Variant, fmt.Sprint(g.N), fmt.Sprint(g.Events), value, d, limits, p)
					cells[6].Strong = certain(g)
					out.Rows = append(out.Rows, cells)
				}
			}
		}
		if len(out.Rows) > 0 {
			out.Caption = t.Rows[0].Dataset + ": " + string(t.Metric) + " by pattern"
			out.Note = fmt.Sprintf("n and events are means over the seeds. Patterns with fewer than %d events or non-events in every seed are not computed.", stats.MinEvents)
			s.Tables = append(s.Tables, out)
		}
	}
	return s
}

// methods is a paragraph made from the plan, and what the tables say of their tests.
func (r reported) methods() report.Section {
	var backbones, variants []string
	trials, searched := 0, false
	for _, c := range r.plan.Cells {
		if !slices.Contains(backbones, c.Cell.Backbone) {
			backbones = append(backbones, c.Cell.Backbone)
		}
		if !slices.Contains(variants, c.Cell.Variant) {
			variants = append(variants, c.Cell.Variant)
		}
		trials, searched = max(trials, c.Budget), searched || c.Searched
	}
	var text strings.Builder
	fmt.Fprintf(&text, "%s trained %s in %s on %s: %s.", r.Sweep, counted(len(backbones), "backbone"), counted(len(variants), "variant"), counted(len(datasetsOf(r.plan)), "dataset"), strings.Join(variants, ", "))
	if searched {
		fmt.Fprintf(&text, " Every cell of dataset, backbone and variant had a search of %s (seed %d), which saw validation rows alone; the trial that was best by %s was trained again on the seeds %s.", counted(trials, "trial"), r.plan.SearchSeed, cmp.Or(r.plan.Metric.Select, r.plan.Metric.Name), seedsText(r.plan.Seeds))
	} else {
		fmt.Fprintf(&text, " Nothing was tuned; every cell was trained on the seeds %s.", seedsText(r.plan.Seeds))
	}
	if len(r.plan.Cells) > 0 {
		spec := r.plan.Cells[0].Base()
		fmt.Fprintf(&text, " Replicate s has the same split and initialisation in every cell. Training took at most %s in batches of %d; the epoch was chosen by %s on validation rows.", counted(spec.Epochs, "epoch"), spec.BatchSize, cmp.Or(r.plan.Metric.Select, r.plan.Metric.Name))
		if len(spec.Split.Fractions) == 3 {
			f := spec.Split.Fractions
			fmt.Fprintf(&text, " The split (%s, by %s) takes %g, %g and %g for training, validation and test.", spec.Split.Scheme, cmp.Or(spec.Split.By, "patient"), f[0], f[1], f[2])
		}
	}
	s := report.Section{Title: "Methods", Paragraphs: []string{text.String()}}
	var methods strings.Builder
	printMethods(&methods, r.Tables[0])
	for line := range strings.Lines(methods.String()) {
		s.Paragraphs = append(s.Paragraphs, strings.TrimSpace(line))
	}
	variantTable := report.Table{Caption: "Variants", Columns: []report.Column{{Name: "variant"}, {Name: "missingness"}, {Name: "dual branch"}, {Name: "strategy"}}}
	for _, v := range variants {
		for _, c := range r.plan.Cells {
			if c.Cell.Variant == v {
				spec, strategy := c.Base(), "none"
				if spec.Strategy != nil {
					strategy = spec.Strategy.Name
				}
				variantTable.Rows = append(variantTable.Rows, report.Text(v, settingsText(spec.Missingness), settingsText(spec.DualBranch), strategy))
				break
			}
		}
	}
	s.Tables = append(s.Tables, variantTable)
	return s
}

func counted(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}

func seedsText(seeds []int) string {
	words := make([]string, len(seeds))
	for i, s := range seeds {
		words[i] = fmt.Sprint(s)
	}
	return strings.Join(words, ", ")
}

func settingsText(s sweeps.Settings) string {
	if s == nil {
		return "off"
	}
	var parts []string
	for name, value := range s {
		parts = append(parts, fmt.Sprintf("%s = %v", name, value))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// dataSection says what was tested on.
func (r reported) dataSection() report.Section {
	out := report.Table{Caption: "Test rows, means over the seeds", Columns: []report.Column{{Name: "dataset"}, {Name: "pattern"}, {Name: "n", Number: true}, {Name: "events", Number: true}}}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			if !row.IsBaseline {
				continue
			}
			out.Rows = append(out.Rows, report.Text(row.Dataset, "all", fmt.Sprint(row.Overall.N), fmt.Sprint(row.Overall.Events)))
			for _, g := range row.Patterns {
				out.Rows = append(out.Rows, report.Text(row.Dataset, g.Level, fmt.Sprint(g.N), fmt.Sprint(g.Events)))
			}
			break
		}
	}
	return report.Section{Title: "Data", Paragraphs: []string{"What is missing, for whom, and what that says of the outcome is in the diagnostics below; deconfound data audit DATASET prints the whole audit."}, Tables: []report.Table{out}}
}

func (r reported) diagnosticSection() report.Section {
	out := report.Table{Caption: "Verdicts over replicates", Columns: []report.Column{
		{Name: "diagnostic"}, {Name: "dataset"}, {Name: "ok", Number: true}, {Name: "warn", Number: true}, {Name: "fail", Number: true}, {Name: "reason of the gravest"},
	}}
	fine := 0
	for _, v := range r.verdicts {
		if v.Warn+v.Fail == 0 {
			fine++
			continue
		}
		cells := report.Text(v.Diagnostic, v.Dataset, fmt.Sprint(v.OK), fmt.Sprint(v.Warn), fmt.Sprint(v.Fail), v.Reason)
		cells[0].Strong, cells[4].Strong = v.Fail > 0, v.Fail > 0
		out.Rows = append(out.Rows, cells)
	}
	s := report.Section{Title: "Diagnostics", Paragraphs: []string{fmt.Sprintf("Listed are those that warn or fail in some run; %d more found nothing in any, which proves nothing.", fine)}}
	if len(out.Rows) > 0 {
		s.Tables = append(s.Tables, out)
	}
	if len(r.verdicts) == 0 {
		s.Paragraphs = []string{"No replicate has diagnostics."}
	}
	bias := report.Table{Caption: "How much hidden bias would explain the differences in squared error", Columns: []report.Column{
		{Name: "dataset"}, {Name: "backbone"}, {Name: "variant"}, {Name: "E-value", Number: true}, {Name: "of the limit", Number: true}, {Name: "Γ", Number: true}, {Name: "gain from the mask alone", Number: true},
	}, Note: strings.ReplaceAll(hiddenBias, "\n", " ")}
	for _, d := range r.Doubts {
		cells := report.Text(d.Dataset, d.Backbone, d.Variant, "", "", "", "")
		for _, f := range d.Sensitivity {
			switch f.Name {
			case "e_value":
				cells[3].Text, cells[4].Text = decimal(float64(f.Estimate)), decimal(float64(f.Low))
			case "rosenbaum_gamma":
				cells[5].Text = decimal(float64(f.Estimate))
			default:
				cells[6].Text = decimal(float64(f.Estimate))
			}
		}
		bias.Rows = append(bias.Rows, cells)
	}
	if len(bias.Rows) > 0 {
		s.Tables = append(s.Tables, bias)
	}
	return s
}

func (r reported) provenance() report.Section {
	out := report.Table{Caption: "What the runs were made from", Columns: []report.Column{{Name: "what"}, {Name: "which"}, {Name: "runs", Number: true}}}
	count := map[[2]string]int{}
	for _, run := range r.runs {
		commit := cmp.Or(run.GitCommit, "none")
		if run.GitDirty {
			commit += ", with uncommitted changes"
		}
		for _, pair := range [][2]string{
			{"commit of the working directory", commit}, {"program", cmp.Or(run.HostVersion, "unknown")}, {"data " + run.Dataset, run.DatasetHash},
			{"backbone " + run.Backbone, run.BackboneHash}, {"environment", environmentText(run.Environment)},
		} {
			count[pair]++
		}
		if run.Strategy != "" {
			count[[2]string{"strategy " + run.Strategy, run.StrategyHash}]++
		}
	}
	var pairs [][2]string
	for pair := range count {
		pairs = append(pairs, pair)
	}
	slices.SortFunc(pairs, func(a, b [2]string) int { return cmp.Or(cmp.Compare(a[0], b[0]), cmp.Compare(a[1], b[1])) })
	for _, pair := range pairs {
		out.Rows = append(out.Rows, report.Text(pair[0], pair[1], fmt.Sprint(count[pair])))
	}
	return report.Section{Title: "Provenance", Paragraphs: []string{
		fmt.Sprintf("Plan %s; analysis %s.", r.plan.Hash, r.plan.AnalysisHash),
	}, Tables: []report.Table{out}}
}

func environmentText(raw json.RawMessage) string {
	var values map[string]any
	if json.Unmarshal(raw, &values) != nil || len(values) == 0 {
		return "unknown"
	}
	var parts []string
	for name, value := range values {
		parts = append(parts, fmt.Sprintf("%s %v", name, value))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// repeat is the exact way to the same figures.
func (r reported) repeat() report.Section {
	command := "deconfound report " + quoted(r.Sweep) + " --format " + r.request.format
	for _, flag := range []struct{ name, value, usual string }{
		{"baseline", r.request.baseline, ""}, {"metric", r.request.metric, ""}, {"test", r.request.test, plainTestSet}, {"resamples", fmt.Sprint(r.request.resamples), fmt.Sprint(defaultResamples)},
	} {
		if flag.value != flag.usual {
			command += " --" + flag.name + " " + quoted(flag.value)
		}
	}
	return report.Section{Title: "Repeat it", Paragraphs: []string{
		"Save the sweep's file, which stands below, as sweep.toml. The same program, plugins and data give the same bits.",
	}, Commands: []string{"deconfound run sweep.toml", command}}
}

// quoted is a word for a shell.
func quoted(s string) string {
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return !strings.ContainsRune("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_./@", r)
	}) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// data is every group of rows of every cell.
func (r reported) data() report.Table {
	var out report.Table
	for _, name := range []string{"dataset", "backbone", "variant", "test_set", "metric", "grp", "lvl", "n", "events", "seeds", "trials", "mean", "ci_low", "ci_high", "baseline", "difference", "d_low", "d_high", "p_adjusted", "verdict"} {
		out.Columns = append(out.Columns, report.Column{Name: name})
	}
	empty := func(v stats.Number) string {
		if text := decimal(float64(v)); text != shown.Undefined {
			return text
		}
		return ""
	}
	for _, t := range r.Tables {
		for _, row := range t.Rows {
			add := func(group string, g stats.Group) {
				cells := []string{row.Dataset, row.Backbone, row.Variant, r.Test, string(t.Metric), group, g.Level, fmt.Sprint(g.N), fmt.Sprint(g.Events), fmt.Sprint(g.Defined), fmt.Sprint(row.Trials),
					empty(g.Mean.Estimate), empty(g.Mean.Low), empty(g.Mean.High), t.Baseline, "", "", "", "", ""}
				if d := g.Difference; d != nil {
					copy(cells[15:], []string{signed(float64(d.Estimate)), empty(d.Low), empty(d.High), probability(d.Adjusted), d.Verdict})
				}
				out.Rows = append(out.Rows, report.Text(cells...))
			}
			add("", row.Overall)
			add("worst_pattern", row.Worst)
			for _, g := range row.Patterns {
				add("pattern", g)
			}
		}
	}
	return out
}
