package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/tracker/web"
)

// auditSeed keys the folds and resamples of data audit: the page of a dataset is
// the same every time.
const auditSeed = 1

// auditPage is what data audit prints as JSON.
type auditPage struct {
	dataset.Audit
	Missingness diagnose.Missingness `json:"missingness"`
}

func (a *app) printAuditPage(store *dataset.Store, options diagnose.AuditOptions) error {
	if options.Resamples < 1 {
		return withExit(exitUsage, fmt.Errorf("--resamples is %d; at least 1 is needed", options.Resamples))
	}
	cohort, err := cohortOf(store)
	if err != nil {
		return err
	}
	options.Seed = auditSeed
	page := auditPage{store.Audit(), diagnose.Audit(cohort, options)}
	return a.print(page, func(w io.Writer) {
		writeAudit(w, page.Audit)
		writeMissingness(w, page.Missingness)
	})
}

func writeMissingness(w io.Writer, m diagnose.Missingness) {
	fmt.Fprintln(w, "\nWhat is missing and the label")
	for _, sentence := range aboutLabel(m) {
		fmt.Fprintf(w, "  %s\n", sentence)
	}
	if len(m.Blocks) == 0 {
		fmt.Fprintln(w, "\nEvery modality is there for all rows or for none.")
		return
	}
	for _, table := range missingnessTables(m) {
		writeAuditTable(w, table)
	}
	fmt.Fprintln(w, "\nIn words")
	for _, b := range m.Blocks {
		fmt.Fprintf(w, "  %s\n", b.Name)
		for _, sentence := range b.Words {
			fmt.Fprintf(w, "    %s\n", sentence)
		}
	}
	fmt.Fprintf(w, "\n%s\n", auditLimits)
}

// auditLimits says what no audit can tell.
const auditLimits = "Whether what is missing depends on the missing values themselves cannot be told from data. An odds\nratio given the covariates that is not 1 is no effect of measuring: it says that something beyond\nthe covariates goes with both."

// aboutLabel are the sentences about pattern and label.
func aboutLabel(m diagnose.Missingness) [3]string {
	return [3]string{
		fmt.Sprintf("the label from the pattern alone: AUROC %s; %s", ranged(m.Label.Interval), m.Label.Reason),
		fmt.Sprintf("pattern and label share %s nats (permutation p %s), Cramér's V %s", decimal(float64(m.Information)), decimal(float64(m.P)), decimal(float64(m.V))),
		"Little's test: " + m.Random.Reason,
	}
}

func writeAuditTable(w io.Writer, table web.AuditTable) {
	if table.Title != "" {
		fmt.Fprintf(w, "\n%s", table.Title)
	}
	fmt.Fprintln(w)
	t := newTable(w, table.Words, anySlice(table.Head)...)
	for _, row := range table.Rows {
		t.AppendRow(anySlice(row))
	}
	t.Render()
	if table.Note != "" {
		fmt.Fprintln(w, table.Note)
	}
}

// missingnessTables are those of the terminal and of the page: who is measured, how
// the label goes with it, what something unmeasured would have to do, and what the
// odds ratios survive; without those that have no row.
func missingnessTables(m diagnose.Missingness) []web.AuditTable {
	measured := web.AuditTable{
		Title: "Who is measured, given " + strings.Join(m.Covariates, ", "), Words: 1,
		Head: []string{"modality", "known from covariates", "beyond bounds", "worth", "largest difference", "after weighting"},
		Note: fmt.Sprintf("known: AUROC of having it (0.5 is unrelated); beyond: share of rows with a probability below %.2f or\nabove %.2f; worth: effective share of rows under weights; differences: present minus absent, in SD",
			diagnose.PositivityLow, diagnose.PositivityHigh),
	}
	odds := web.AuditTable{Title: "Odds of the label when it is missing", Words: 1, Head: []string{"modality", "crude", "given the covariates", "E-value", "of the limit"}}
	hidden := web.AuditTable{
		Title: "How strong something unmeasured would have to be", Words: 1, Head: []string{"modality", "strongest covariate", "robustness value", "of certainty", "Rosenbaum's Γ"},
		Note: "strongest covariate: its E-value, a yardstick for those above; robustness value: share of what is left of both\nmeasuring and outcome that something would have to explain; Γ: change of the odds of missing it in a matched pair.",
	}
	refuted := web.AuditTable{Title: "What the odds ratios given the covariates survive", Words: 9, Head: []string{"modality", "refuter", "verdict", "log odds ratio", "reason"}}
	for _, b := range m.Blocks {
		if len(m.Covariates) > 0 {
			name, before, after := largest(b.Balance)
			measured.Rows = append(measured.Rows, []string{
				b.Name, ranged(b.Propensity.Interval), decimal(float64(b.Positivity.Estimate)), decimal(float64(b.Effective.Estimate)),
				strings.TrimSpace(name + " " + signed(before)), signed(after),
			})
		}
		odds.Rows = append(odds.Rows, []string{b.Name, ranged(b.Crude), ranged(b.Adjusted), decimal(float64(b.EValue.Estimate)), decimal(float64(b.EValue.Limit))})
		of := map[string]diagnose.Finding{}
		for _, f := range b.Sensitivity {
			of[f.Name] = f
		}
		if len(of) > 0 {
			hidden.Rows = append(hidden.Rows, []string{
				b.Name, decimal(float64(of["observed_e_value"].Estimate)), decimal(float64(of["robustness_value"].Estimate)),
				decimal(float64(of["robustness_value"].Low)), decimal(float64(of["rosenbaum_gamma"].Estimate)),
			})
		}
		for _, r := range b.Refuters {
			refuted.Rows = append(refuted.Rows, []string{b.Name, r.Name, cmp.Or(string(r.Verdict), "-"), ranged(r.Interval), r.Reason})
		}
	}
	return slices.DeleteFunc([]web.AuditTable{measured, odds, hidden, refuted}, func(t web.AuditTable) bool { return len(t.Rows) == 0 })
}

// largest is the covariate with the largest difference; NaN without any.
func largest(balance []diagnose.Balance) (name string, before, after float64) {
	before, after = math.NaN(), math.NaN()
	for _, b := range balance {
		if v := float64(b.SMD); math.IsNaN(before) || math.Abs(v) > math.Abs(before) {
			name, before, after = b.Covariate, v, float64(b.WeightedSMD)
		}
	}
	return name, before, after
}

// ranged prints an estimate with its limits.
func ranged(i stats.Interval) string {
	if !i.Estimate.Defined() {
		return "n/a"
	}
	if !i.Low.Defined() {
		return fmt.Sprintf("%.2f", i.Estimate)
	}
	return fmt.Sprintf("%.2f (%.2f to %.2f)", i.Estimate, i.Low, i.High)
}
