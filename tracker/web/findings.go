package web

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/shown"
)

// figureGroup is what a question about a run is answered with.
type figureGroup struct {
	ID, Title, Text string
	Charts          []*chart
	Dots            []*dotplot
}

// balanced is the bound of a standardised difference that is no longer small
// (Stuart, Lee and Leacy 2013).
const balanced = 0.1

// loose is a number of a diagnostic's detail; null is NaN.
type loose float64

func (l *loose) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*l = loose(math.NaN())
		return nil
	}
	return json.Unmarshal(data, (*float64)(l))
}

// detail is what diagnostics keep beside their figures; each has some of it.
type detail struct {
	Histogram *struct{ With, Without []int }
	Balance   []contrast
	ByPattern map[string]loose `json:"by_pattern"`
	Curve     []struct {
		Alpha     loose
		PartialR2 loose `json:"partial_r2"`
		AUROC     loose
	}
	Rates         []loose
	AUROC         json.RawMessage // of missing_rate a list, of positivity a number
	LateFusion    []loose         `json:"auroc_of_late_fusion"`
	Causal        *loose          `json:"causal_reliance"`
	Spurious      *loose          `json:"spurious_reliance"`
	InnerCausal   *loose          `json:"unadjusted_causal_reliance"`
	InnerSpurious *loose          `json:"unadjusted_spurious_reliance"`
}

// contrast is the standardised difference of a covariate.
type contrast struct {
	Covariate string
	SMD       loose
	Weighted  loose `json:"weighted_smd"`
}

// finding is a stored diagnostic, with the two parts of its name.
type finding struct {
	tracker.Diagnostic
	kind, about string
	detail      detail
}

// figuresOf draws what a run's diagnostics found. Charts come where there is
// something to draw.
func figuresOf(list []tracker.Diagnostic) []figureGroup {
	of := map[string][]finding{}
	for _, d := range list {
		f := finding{Diagnostic: d}
		f.kind, f.about, _ = strings.Cut(d.Name, "/")
		_ = json.Unmarshal(d.Detail, &f.detail) // an older one has less to draw
		of[f.kind] = append(of[f.kind], f)
	}
	for _, of := range of {
		slices.SortFunc(of, func(a, b finding) int { return cmp.Compare(a.Name, b.Name) })
	}
	groups := []figureGroup{
		{ID: "overlap", Title: "Who is measured", Text: "Estimated probability of having a modality, given the covariates, among test rows with and without it; and how the covariates of both differ.",
			Charts: overlapCharts(of["positivity"]), Dots: balancePlots(of["balance"])},
		{ID: "reliance", Title: "What the model leans on", Text: "How predictions move when a modality is hidden, when the model is told of another availability, and when branches are exchanged between patients.",
			Charts: compactCharts(missingRateChart(of["missing_rate"]), shiftChart(of["pattern_shift"])), Dots: compactDots(
				reliancePlot("Predictions moved by hiding a modality", "as a multiple of what it moves in a late fusion without the mask; dashed: 1", 1, of["mask_flip"]),
				reliancePlot("AUROC lost by hiding a modality", "change of the AUROC in rows that have it", 0, of["mask_flip_auroc"]),
				reliancePlot("Predictions moved by telling of another availability", "every value is kept: mean change of the predicted risk", 0, of["spoofing"]),
				branchPlot(of["branch_reliance"]), gapPlot(of["interventional_gap"]))},
		{ID: "probes", Title: "What the representations know", Text: "Selectivity of a linear probe: its AUROC less that of one trained on shuffled targets. h is the whole representation, z_c the causal branch, z_b the biased one.",
			Dots: probePlots(of["probe"])},
		{ID: "sensitivity", Title: "How strong something unmeasured would have to be", Text: "To explain what missing a modality says of the outcome beyond the covariates. A property of the data, the same for every model.",
			Charts: compactCharts(austenChart(of["austen"])), Dots: compactDots(
				eValuePlot(of["e_value"], of["observed_e_value"]),
				valuePlot("Robustness value", "share of what is left of both that something would have to explain; second: for the limit at 5 %", []string{"to explain it away", "to make it uncertain"}, 0, of["robustness_value"]),
				valuePlot("Rosenbaum's Γ", "change of the odds of missing it in a matched pair", []string{"Γ"}, 1, of["rosenbaum_gamma"]))},
	}
	return slices.DeleteFunc(groups, func(g figureGroup) bool { return len(g.Charts)+len(g.Dots) == 0 })
}

func compactCharts(list ...*chart) []*chart {
	return slices.DeleteFunc(list, func(c *chart) bool { return c == nil })
}

func compactDots(list ...*dotplot) []*dotplot {
	return slices.DeleteFunc(list, func(p *dotplot) bool { return p == nil })
}

// overlapCharts draws the propensities of every modality.
func overlapCharts(list []finding) []*chart {
	var out []*chart
	for i, f := range list {
		if f.detail.Histogram == nil {
			continue
		}
		if c := overlapChart(fmt.Sprintf("overlap%d", i), f.about, f.detail.Histogram.With, f.detail.Histogram.Without); c != nil {
			c.Text = fmt.Sprintf("%s of rows are beyond the bounds of positivity (%s)", shown.Decimal(f.Estimate), cmp.Or(shown.Bounds(f.Lo, f.Hi), "no limits"))
			out = append(out, c)
		}
	}
	return out
}

// overlapChart draws the shares of rows with and without a modality by propensity;
// nil where nothing was counted.
func overlapChart(id, about string, counted, counterpart []int) *chart {
	if len(counted) == 0 || len(counted) != len(counterpart) {
		return nil
	}
	with, n := shares(counted)
	without, m := shares(counterpart)
	top := max(slices.Max(with), slices.Max(without))
	c := newChart(id, "Overlap: "+about, unit(), scale{low: 0, high: 1.05 * max(top, 1e-9)})
	c.X, c.Y = "probability of having it", "share of rows"
	width := 1 / float64(len(with))
	var middles []float64
	for b := range with {
		middles = append(middles, (float64(b)+.5)*width)
	}
	c.stairs(fmt.Sprintf("%d rows with it", n), middles, with)
	c.stairs(fmt.Sprintf("%d rows without", m), middles, without)
	return c
}

func shares(counts []int) (out []float64, total int) {
	for _, n := range counts {
		total += n
	}
	for _, n := range counts {
		out = append(out, float64(n)/math.Max(1, float64(total)))
	}
	return out, total
}

// balancePlots are love plots, one for each modality.
func balancePlots(list []finding) []*dotplot {
	var out []*dotplot
	for _, f := range list {
		var rows []AuditContrast
		for _, b := range f.detail.Balance {
			rows = append(rows, AuditContrast{b.Covariate, float64(b.SMD), float64(b.Weighted)})
		}
		if p := balancePlot(f.about, rows); p != nil {
			out = append(out, p)
		}
	}
	return out
}

// balancePlot draws the covariates of a modality, the most different first; nil
// without any.
func balancePlot(about string, rows []AuditContrast) *dotplot {
	p := &dotplot{
		Title: "Balance: " + about, Text: "difference of rows with it and without, in SD; dashed: 0 and ±0.1",
		Head: []string{"before", "weighted"}, Keys: []string{"before", "weighted"},
	}
	rows = slices.Clone(rows)
	slices.SortStableFunc(rows, func(a, b AuditContrast) int { return cmp.Compare(math.Abs(b.Before), math.Abs(a.Before)) })
	for _, b := range rows {
		p.add(b.Covariate, "", []string{shown.Signed(b.Before), shown.Signed(b.After)}, valueOf(b.Before), valueOf(b.After))
	}
	return p.orNil(-balanced, 0, balanced)
}

// reliancePlot draws the estimates of one kind of diagnostic with their limits.
func reliancePlot(title, text string, none float64, list []finding) *dotplot {
	p := &dotplot{Title: title, Text: text, Head: []string{"value", "95 % interval"}}
	for _, f := range list {
		p.estimate(cmp.Or(f.about, f.kind), f)
	}
	return p.orNil(none)
}

func (p *dotplot) estimate(name string, f finding) {
	if !math.IsNaN(f.Estimate) {
		p.add(name, f.Verdict, []string{shown.Decimal(f.Estimate), shown.Bounds(f.Lo, f.Hi)}, dot{f.Estimate, f.Lo, f.Hi})
	}
}

func (p *dotplot) orNil(lines ...float64) *dotplot {
	if len(p.Rows) == 0 {
		return nil
	}
	return p.drawn(lines...)
}

func branchPlot(list []finding) *dotplot {
	p := &dotplot{Title: "Predictions moved by exchanging branches", Text: "mean change of the predicted risk", Head: []string{"reported", "without adjustment"}, Keys: []string{"reported", "without adjustment"}}
	for _, f := range list {
		d := f.detail
		for _, row := range []struct {
			name         string
			outer, inner *loose
		}{{"causal branch z_c", d.Causal, d.InnerCausal}, {"biased branch z_b", d.Spurious, d.InnerSpurious}} {
			if row.outer != nil && row.inner != nil {
				outer, inner := float64(*row.outer), float64(*row.inner)
				p.add(row.name, "", []string{shown.Decimal(outer), shown.Decimal(inner)}, valueOf(outer), valueOf(inner))
			}
		}
		if len(p.Rows) > 0 {
			p.Text = fmt.Sprintf("mean change of the predicted risk; the causal branch has %s of it (%s)", shown.Decimal(f.Estimate), cmp.Or(shown.Bounds(f.Lo, f.Hi), "no limits"))
		}
	}
	return p.orNil(0)
}

// gapPlot draws by pattern how far adjusting moves predictions.
func gapPlot(list []finding) *dotplot {
	p := &dotplot{Title: "Interventional gap by pattern", Head: []string{"gap"}}
	for _, f := range list {
		p.Text = fmt.Sprintf("mean change of the predicted risk by adjusting: %s over all rows (%s)", shown.Decimal(f.Estimate), cmp.Or(shown.Bounds(f.Lo, f.Hi), "no limits"))
		for _, level := range slices.SortedFunc(maps.Keys(f.detail.ByPattern), func(a, b string) int {
			return cmp.Or(cmp.Compare(f.detail.ByPattern[b], f.detail.ByPattern[a]), cmp.Compare(a, b))
		}) {
			v := float64(f.detail.ByPattern[level])
			p.add(level, "", []string{shown.Decimal(v)}, valueOf(v))
		}
	}
	return p.orNil(0)
}

// probePlots has a plot for each representation.
func probePlots(list []finding) []*dotplot {
	var out []*dotplot
	for _, name := range []string{"h", "z_c", "z_b"} {
		p := &dotplot{Title: "Probes of " + name, Text: "selectivity; 0 is nothing", Head: []string{"value", "95 % interval"}}
		for _, f := range list {
			if target, ok := strings.CutPrefix(f.about, name+":"); ok {
				p.estimate(target, f)
			}
		}
		if p = p.orNil(0); p != nil {
			out = append(out, p)
		}
	}
	return out
}

func eValuePlot(list, observed []finding) *dotplot {
	p := &dotplot{Title: "E-values", Text: "risk ratio with both that explains the association away; beside it what the strongest covariate does", Head: []string{"E-value", "of the limit", "strongest covariate"}, Keys: []string{"E-value", "strongest covariate"}}
	for _, f := range list {
		if math.IsNaN(f.Estimate) {
			continue
		}
		yardstick := math.NaN()
		for _, o := range observed {
			if o.about == f.about {
				yardstick = o.Estimate
			}
		}
		p.add("missing "+f.about, f.Verdict, []string{shown.Decimal(f.Estimate), shown.Decimal(f.Lo), shown.Decimal(yardstick)}, valueOf(f.Estimate), valueOf(yardstick))
	}
	return p.orNil(1)
}

// valuePlot draws estimates, and with a second head their low limits as figures of
// their own.
func valuePlot(title, text string, head []string, none float64, list []finding) *dotplot {
	p := &dotplot{Title: title, Text: text, Head: head}
	if len(head) > 1 {
		p.Keys = head
	}
	for _, f := range list {
		if math.IsNaN(f.Estimate) {
			continue
		}
		values, at := []string{shown.Decimal(f.Estimate)}, []dot{valueOf(f.Estimate)}
		if len(head) > 1 {
			values, at = append(values, shown.Decimal(f.Lo)), append(at, valueOf(f.Lo))
		}
		p.add("missing "+f.about, f.Verdict, values, at...)
	}
	return p.orNil(none)
}

// austenChart draws a line for each modality.
func austenChart(list []finding) *chart {
	var names []string
	var lines [][2][]float64
	var all []float64
	for _, f := range list {
		var xs, ys []float64
		for _, p := range f.detail.Curve {
			if v := float64(p.PartialR2); !math.IsNaN(v) && v <= 1 { // above, nothing suffices
				xs, ys = append(xs, float64(p.Alpha)), append(ys, v)
			}
		}
		if len(xs) > 1 {
			names, lines, all = append(names, "missing "+f.about), append(lines, [2][]float64{xs, ys}), append(all, ys...)
		}
	}
	if len(lines) == 0 {
		return nil
	}
	y := newScale(append(all, 0)...)
	y.low = 0
	c := newChart("austen", "Austen plot", scale{low: 0, high: .55}, y)
	c.X, c.Y = "influence on missing it (α)", "share of the outcome it explains"
	c.Text = "what something unmeasured needs on both axes to explain the association away: above a line it would, below it would not"
	for i, l := range lines {
		c.line(names[i], l[0], l[1], true)
	}
	return c
}

// missingRateChart draws the AUROC while modalities go missing at random.
func missingRateChart(list []finding) *chart {
	for _, f := range list {
		var auroc []loose
		if json.Unmarshal(f.detail.AUROC, &auroc) != nil || len(auroc) != len(f.detail.Rates) || len(auroc) == 0 {
			continue
		}
		xs, ys := plain(f.detail.Rates), plain(auroc)
		late := plain(f.detail.LateFusion)
		if len(late) != len(xs) {
			late = nil
		}
		c := newChart("missing-rate", "Modalities missing at random", newScale(xs...), newScale(append(slices.Clone(ys), late...)...))
		c.X, c.Y = "rate", "AUROC"
		c.line("this model", xs, ys, true)
		if late != nil {
			c.line("a late fusion of the same rows", xs, late, true)
		}
		c.Text = fmt.Sprintf("AUROC from %s to %s at the highest rate", shown.Decimal(ys[0]), shown.Decimal(ys[len(ys)-1]))
		return c
	}
	return nil
}

// shiftChart draws the AUROC while the mix of patterns changes.
func shiftChart(list []finding) *chart {
	for _, f := range list {
		var xs, ys []float64
		for _, p := range f.detail.Curve {
			xs, ys = append(xs, float64(p.Alpha)), append(ys, float64(p.AUROC))
		}
		if len(xs) < 2 {
			continue
		}
		c := newChart("pattern-shift", "Another mix of patterns", newScale(xs...), newScale(ys...))
		c.X, c.Y = "shift", "AUROC"
		c.line("AUROC", xs, ys, true)
		c.Text = "from the patterns as they are (0) to those that patients would have if the classes swapped theirs (1)"
		return c
	}
	return nil
}

func plain(values []loose) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}
