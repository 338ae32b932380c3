package main

import (
	"cmp"
	"fmt"
	"io"
	"math"
	"strings"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/host/stats"
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
	fmt.Fprintf(w, "  the label from the pattern alone: AUROC %s; %s\n", ranged(m.Label.Interval), m.Label.Reason)
	fmt.Fprintf(w, "  pattern and label share %s nats (permutation p %s), Cramér's V %s\n", decimal(float64(m.Information)), decimal(float64(m.P)), decimal(float64(m.V)))
	fmt.Fprintf(w, "  Little's test: %s\n", m.Random.Reason)
	if len(m.Blocks) == 0 {
		fmt.Fprintln(w, "\nEvery modality is there for all rows or for none.")
		return
	}
	if len(m.Covariates) > 0 {
		fmt.Fprintf(w, "\nWho is measured, given %s\n", strings.Join(m.Covariates, ", "))
		t := newTable(w, 1, "modality", "known from covariates", "beyond bounds", "worth", "largest difference", "after weighting")
		for _, b := range m.Blocks {
			name, before, after := largest(b.Balance)
			t.AppendRow([]any{
				b.Name, ranged(b.Propensity.Interval), decimal(float64(b.Positivity.Estimate)), decimal(float64(b.Effective.Estimate)),
				strings.TrimSpace(name + " " + signed(before)), signed(after),
			})
		}
		t.Render()
		fmt.Fprintf(w, "known: AUROC of having it (0.5 is unrelated); beyond: share of rows with a probability below %.2f or\nabove %.2f; worth: effective share of rows under weights; differences: present minus absent, in SD\n",
			diagnose.PositivityLow, diagnose.PositivityHigh)
	}
	fmt.Fprintln(w, "\nOdds of the label when it is missing")
	t := newTable(w, 1, "modality", "crude", "given the covariates", "E-value", "of the limit")
	for _, b := range m.Blocks {
		t.AppendRow([]any{b.Name, ranged(b.Crude), ranged(b.Adjusted), decimal(float64(b.EValue.Estimate)), decimal(float64(b.EValue.Limit))})
	}
	t.Render()
	writeSensitivity(w, m.Blocks)
	writeRefuters(w, m.Blocks)
	fmt.Fprintln(w, "\nIn words")
	for _, b := range m.Blocks {
		fmt.Fprintf(w, "  %s\n", b.Name)
		for _, sentence := range b.Words {
			fmt.Fprintf(w, "    %s\n", sentence)
		}
	}
	fmt.Fprintln(w, "\nWhether what is missing depends on the missing values themselves cannot be told from data. An odds\nratio given the covariates that is not 1 is no effect of measuring: it says that something beyond\nthe covariates goes with both.")
}

// writeSensitivity prints how strong something unmeasured would have to be, and what
// the strongest covariate would do.
func writeSensitivity(w io.Writer, blocks []diagnose.BlockAudit) {
	t := newTable(w, 1, "modality", "strongest covariate", "robustness value", "of certainty", "Rosenbaum's Γ")
	for _, b := range blocks {
		of := map[string]diagnose.Finding{}
		for _, f := range b.Sensitivity {
			of[f.Name] = f
		}
		if len(of) > 0 {
			t.AppendRow([]any{
				b.Name, decimal(float64(of["observed_e_value"].Estimate)), decimal(float64(of["robustness_value"].Estimate)),
				decimal(float64(of["robustness_value"].Low)), decimal(float64(of["rosenbaum_gamma"].Estimate)),
			})
		}
	}
	if t.Length() == 0 {
		return
	}
	fmt.Fprintln(w, "\nHow strong something unmeasured would have to be")
	t.Render()
	fmt.Fprintln(w, "strongest covariate: its E-value, a yardstick for those above; robustness value: share of what is left of both\nmeasuring and outcome that something would have to explain; Γ: change of the odds of missing it in a matched pair.")
}

// writeRefuters prints a line for every refuter of every odds ratio, if they ran.
func writeRefuters(w io.Writer, blocks []diagnose.BlockAudit) {
	t := newTable(w, 9, "modality", "refuter", "verdict", "log odds ratio", "reason")
	for _, b := range blocks {
		for _, r := range b.Refuters {
			t.AppendRow([]any{b.Name, r.Name, cmp.Or(string(r.Verdict), "-"), ranged(r.Interval), r.Reason})
		}
	}
	if t.Length() > 0 {
		fmt.Fprintln(w, "\nWhat the odds ratios given the covariates survive")
		t.Render()
	}
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
