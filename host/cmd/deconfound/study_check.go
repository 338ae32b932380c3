package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"

	"github.com/jedib0t/go-pretty/v6/table"

	"github.com/deconfound/deconfound/host/scm"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
)

// studyCheck is one thing that must hold, of one scenario and backbone.
type studyCheck struct {
	Scenario string `json:"scenario"`
	Backbone string `json:"backbone"`
	// Claim says what must hold.
	Claim string `json:"claim"`
	// Value is what was measured, a mean over the dataset seeds with its interval.
	Value stats.Interval `json:"value"`
	// P is of the paired t test; NaN where nothing is paired.
	P    stats.Number `json:"p"`
	Held bool         `json:"held"`
}

// scenarioName is the scenario whose knobs a dataset has, apart from the number of
// rows and how columns are shown; "" if there is none.
func scenarioName(ref sweeps.DatasetRef) string {
	if ref.Generator != scm.Generator {
		return ""
	}
	cfg, err := scm.Parse(ref.Settings)
	if err != nil {
		return ""
	}
	for _, name := range scm.Scenarios() {
		s, _ := scm.Scenario(name)
		s.Rows, s.ValidationRows, s.TestRows = cfg.Rows, cfg.ValidationRows, cfg.TestRows
		s.Mixing, s.Sequences, s.Length = cfg.Mixing, cfg.Sequences, cfg.Length
		if s == cfg {
			return name
		}
	}
	return ""
}

// criterion is a bound on an error: of a variant itself, or of what it has over the
// better of others.
type criterion struct {
	scenarios []string
	variant   string
	over      []string // nil: the error itself
	bound     float64
	atLeast   bool
	text      string
}

// The criteria of the study. Below the floor of about .07 no network of this size gets.
const (
	biased      = .14  // what a confounded baseline has at least
	oneMissing  = .11  // what either component alone leaves in S2
	removed     = .085 // missingness bias that MD has removed
	both        = .075 // both biases removed
	bothMoved   = .11  // the same where the confounder moves causal columns
	harmless    = .01
	significant = .01
)

var criteria = []criterion{
	{[]string{"S2"}, "erm", nil, biased, true, "erm is biased: at least .14"},
	{[]string{"S3", "S6"}, "md", nil, removed, false, "md removes missingness bias: at most .085"},
	{[]string{"S0", "S1", "S5", "S7"}, "md", []string{"erm"}, harmless, false, "md does no harm where availability is not confounded: at most .01 over erm"},
	{[]string{"S2"}, "md", nil, oneMissing, true, "md alone does not suffice: at least .11"},
	{[]string{"S2"}, "db", nil, oneMissing, true, "db alone does not suffice: at least .11"},
	{[]string{"S2"}, "md_db", nil, both, false, "both remove both biases: at most .075"},
	{[]string{"S4"}, "md_db", nil, bothMoved, false, "both where U moves causal columns: at most .11"},
	{[]string{"S0", "S3", "S5"}, "md_db", []string{"erm", "md"}, harmless, false, "both do no harm: at most .01 over the better of erm and md"},
	{[]string{"S6"}, "md_db_label", []string{"erm", "md"}, harmless, false, "both do no harm with the mechanism declared: at most .01 over the better of erm and md"},
}

// better are the pairs whose first must beat the second.
var better = []struct {
	scenarios      []string
	variant, rival string
}{
	{[]string{"S2", "S4"}, "md_db", "erm"},
	{[]string{"S2"}, "md_db", "md"},
	{[]string{"S2"}, "md_db", "db"},
	{[]string{"S3", "S6"}, "md", "erm"},
}

// checkStudy applies the bars to the cells that are there.
func checkStudy(rows []studyRow) []studyCheck {
	var out []studyCheck
	find := func(scenario, backbone, variant string) *studyRow {
		i := slices.IndexFunc(rows, func(r studyRow) bool {
			return r.Scenario == scenario && r.Backbone == backbone && r.Variant == variant
		})
		if i < 0 {
			return nil
		}
		return &rows[i]
	}
	var backbones []string
	for _, r := range rows {
		if !slices.Contains(backbones, r.Backbone) {
			backbones = append(backbones, r.Backbone)
		}
	}
	for _, l := range criteria {
		for _, scenario := range l.scenarios {
			for _, backbone := range backbones {
				var rivals []*studyRow
				for _, name := range l.over {
					rivals = append(rivals, find(scenario, backbone, name))
				}
				if row := find(scenario, backbone, l.variant); row != nil && !slices.Contains(rivals, nil) {
					out = append(out, l.check(row, rivals))
				}
			}
		}
	}
	for _, b := range better {
		for _, scenario := range b.scenarios {
			for _, backbone := range backbones {
				row, rival := find(scenario, backbone, b.variant), find(scenario, backbone, b.rival)
				if row == nil || rival == nil {
					continue
				}
				c := studyCheck{Scenario: scenario, Backbone: backbone, Claim: fmt.Sprintf("%s is better than %s: p < .01", b.variant, b.rival)}
				var p float64
				c.Value, p = stats.CorrectedT(pairedErrors(row, rival), 0, .95)
				c.P, c.Held = stats.Number(p), c.Value.Estimate < 0 && p < significant
				out = append(out, c)
			}
		}
	}
	slices.SortStableFunc(out, func(a, b studyCheck) int { return cmp.Compare(a.Scenario, b.Scenario) })
	return out
}

// check compares a mean, or its distance from the better of others, with the bound.
func (l criterion) check(row *studyRow, rivals []*studyRow) studyCheck {
	c := studyCheck{Scenario: row.Scenario, Backbone: row.Backbone, Claim: l.text, Value: row.IRMSE, P: stats.Number(math.NaN())}
	if len(rivals) > 0 {
		best := slices.MinFunc(rivals, func(a, b *studyRow) int { return cmp.Compare(a.IRMSE.Estimate, b.IRMSE.Estimate) })
		var p float64
		c.Value, p = stats.CorrectedT(pairedErrors(row, best), 0, .95)
		c.P = stats.Number(p)
	}
	// Not a number holds nothing.
	c.Held = float64(c.Value.Estimate) <= l.bound
	if l.atLeast {
		c.Held = float64(c.Value.Estimate) >= l.bound
	}
	return c
}

// pairedErrors are the differences of two cells on the seeds that both have.
func pairedErrors(row, rival *studyRow) []float64 {
	var out []float64
	for i, seed := range row.Seeds {
		if k := slices.Index(rival.Seeds, seed); k >= 0 {
			out = append(out, float64(row.PerSeed[i]-rival.PerSeed[k]))
		}
	}
	return out
}

func checkTable(w io.Writer, s study) table.Writer {
	t := newTable(w, 3, "scenario", "backbone", "what must hold", "measured", "95 % CI", "p", "")
	for _, c := range s.Checks {
		held, p := "holds", ""
		if !c.Held {
			held = "FAILS"
		}
		if c.P.Defined() {
			p = probability(c.P)
		}
		t.AppendRow([]any{c.Scenario, c.Backbone, c.Claim, decimal(float64(c.Value.Estimate)), bounds(c.Value), p, held})
	}
	return t
}
