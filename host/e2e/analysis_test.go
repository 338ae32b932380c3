package e2e

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
)

// A sweep with a search is compared by every test that an analysis can ask for,
// its selection is audited, and plan learns from it.
func TestAnalysis(t *testing.T) {
	t.Parallel()
	h := newHome(t)
	h.add(cohort{name: "two", label: binary, rows: 400})
	h.add(cohort{name: "more", label: binary, rows: 400, seed: 1})
	const text = `version = 1
name = "tested"
[axes]
dataset  = ["two", "more"]
backbone = ["concat"]
variant  = ["erm", "md"]
[variants.erm]
[variants.md]
missingness = { mode = "enumerate" }
[data]
split  = { scheme = "holdout", fractions = [0.5, 0.25, 0.25], test = "per_seed" }
shifts = ["do"]
[metric]
name = "val/auroc"
[search]
method = "random"
trials = 2
[parameters]
"optimizer.lr" = { distribution = "log_uniform", min = 1e-3, max = 3e-2 }
[replicates]
seeds = [0, 1, 2]
[run]
epochs     = 3
batch_size = 64
width      = 8
[analysis]
baseline   = { variant = "erm" }
tests      = ["wilcoxon", "paired_bootstrap", "paired_permutation", "delong", "corrected_t", "friedman", "iqm", "probability_of_improvement"]
correction = "bh"
`
	file := h.write("tested.toml", text)
	type planned struct {
		Detectable []struct {
			Seeds, Events, Comparisons int
			Pairs                      int `json:"measured_pairs"`
			Assumed                    struct{ AUROC, Correlation, SD float64 }
			Alone, First               struct{ Difference float64 }
		}
	}
	before := decode[planned](t, h.must("plan", "--json", file))
	if d := before.Detectable; len(d) != 2 || d[0].Seeds != 3 || d[0].Events < 20 || d[0].Comparisons != 1 || d[0].Pairs != 0 || !(d[0].Alone.Difference > 0) {
		t.Errorf("plan: %+v", before)
	}
	if s := h.trained(t, file); s.Done != 8+12 {
		t.Errorf("got %+v", s)
	}
	after := decode[planned](t, h.must("plan", "--json", "--recorded", file))
	if d := after.Detectable; len(d) != 2 || d[0].Pairs != 3 || d[0].Assumed.AUROC == 0.8 || !(d[0].Assumed.SD > 0) || !(d[0].Assumed.Correlation <= 1) {
		t.Errorf("plan with recorded runs: %+v", after)
	}

	compared := decode[struct {
		Correction string
		Tables     []struct {
			Tests []string
			Rows  []struct {
				IsBaseline bool `json:"is_baseline"`
				Overall    struct {
					Difference struct {
						P     float64
						Tests []struct {
							Test string
							P    *float64
						}
					}
				}
			}
		}
		Joint struct {
			Blocks   []string
			Friedman struct{ P *float64 }
			IQM      []struct{ Estimate float64 }
			Improved []struct{ Estimate *float64 } `json:"probability_of_improvement"`
		}
	}](t, h.must("compare", "--json", "--resamples", "100", "tested"))
	table := compared.Tables[0]
	if want := []string{"wilcoxon", "paired_bootstrap", "paired_permutation", "delong", "corrected_t"}; !slices.Equal(table.Tests, want) || compared.Correction != "bh" {
		t.Errorf("tests %v, correction %s", table.Tests, compared.Correction)
	}
	for _, row := range table.Rows {
		if row.IsBaseline {
			continue
		}
		d := row.Overall.Difference
		for _, test := range d.Tests {
			if test.P == nil || *test.P < 0 || *test.P > 1 {
				t.Errorf("%s: %+v", test.Test, d)
			}
		}
		if *d.Tests[0].P != d.P {
			t.Errorf("the first test does not decide: %+v", d)
		}
	}
	if j := compared.Joint; len(j.Blocks) != 2 || j.Friedman.P == nil || len(j.IQM) != 2 || len(j.Improved) != 2 || j.Improved[1].Estimate == nil {
		t.Errorf("joint: %+v", j)
	}
	h.showsShiftedTests()
	shown := h.must("compare", "--resamples", "100", "tested").out
	for _, want := range []string{"p (BH)", "p bootstrap", "p corrected t", "The Wilcoxon decides", "Friedman over 2 blocks"} {
		if !strings.Contains(shown, want) {
			t.Errorf("compare does not print %q:\n%s", want, shown)
		}
	}
	if a := h.must("compare", "--json", "--metric", "net_benefit@0.2", "--resamples", "100", "tested"); !strings.Contains(a.out, `"pre_registered": false`) {
		t.Error("net benefit was not registered, and compare does not say so")
	}

	curves := decode[struct {
		Curves []struct {
			Points []struct{ Threshold, Model, All *float64 }
		} `json:"decision_curves"`
	}](t, h.must("compare", "--json", "--decision-curve", "0.1,0.3", "--resamples", "100", "tested")).Curves
	if len(curves) != 4 || len(curves[0].Points) != 2 || *curves[0].Points[1].Threshold != 0.3 || curves[0].Points[1].Model == nil {
		t.Errorf("decision curves %+v", curves)
	}
	h.expect(2, "compare", "--decision-curve", "1.5", "tested")

	h.auditsSelection()

	// An analysis that is changed after the fact is no registered one.
	if strings.Contains(shown, "not pre-registered") {
		t.Errorf("compare finds that something was not registered:\n%s", shown)
	}
	if s := h.trained(t, h.write("tested.toml", strings.Replace(text, `correction = "bh"`, `correction = "none"`, 1))); s.New != 0 {
		t.Errorf("another correction makes %d runs", s.New)
	}
	if a := h.must("compare", "--resamples", "100", "tested"); !strings.Contains(a.out, "not pre-registered: the sweep's analysis or metric was changed after the sweep had begun") {
		t.Errorf("compare does not say that the analysis was changed:\n%s", a.out)
	}
}

// showsShiftedTests compares what stands beside the test rows with what SQL knows.
func (h *home) showsShiftedTests() {
	t := h.t
	t.Helper()
	compared := decode[struct {
		TestSets []string `json:"test_sets"`
		Shifted  []struct {
			Dataset, Variant   string
			Means, Differences []float64
		}
	}](t, h.must("compare", "--json", "--resamples", "50", "tested"))
	means := map[string]float64{}
	for _, row := range h.sqlRows(`select dataset, variant, split, avg(value) from results where phase = 'replicate' and metric = 'auroc' and grp = '' group by 1, 2, 3`) {
		means[fmt.Sprintf("%v/%v/%v", row[0], row[1], row[2])] = row[3].(float64)
	}
	if !slices.Equal(compared.TestSets, []string{"id", "do"}) || len(compared.Shifted) != 4 {
		t.Fatalf("got %+v", compared)
	}
	for _, s := range compared.Shifted {
		for i, set := range []string{"test", "do"} {
			own, erm := means[fmt.Sprintf("%s/%s/%s", s.Dataset, s.Variant, set)], means[fmt.Sprintf("%s/erm/%s", s.Dataset, set)]
			if math.Abs(s.Means[i]-own) > 1e-6 || s.Variant == "md" && math.Abs(s.Differences[i]-(own-erm)) > 1e-6 {
				t.Errorf("%s %s: %+v, results say %v and %v", s.Dataset, set, s, own, own-erm)
			}
		}
	}
}

// auditsSelection compares what the rules choose with what SQL knows of the search.
func (h *home) auditsSelection() {
	t := h.t
	t.Helper()
	audit := decode[struct {
		Rules []struct {
			Name         string
			Oracle, Used bool
		}
		TestSets []string `json:"test_sets"`
		Cells    []struct {
			Cell       struct{ Dataset, Backbone, Variant string }
			Trials     int
			Replicated int `json:"replicated_trial"`
			Choices    []struct {
				Trial int
				Value float64
				Tests []float64
			}
		}
		Notes []string
	}](t, h.must("compare", "--json", "--audit-selection", "tested"))
	best := map[string]float64{}
	for _, row := range h.sqlRows(`select dataset, variant, split, max(value) from results where phase = 'search' and metric = 'auroc' and grp = '' and split in ('val', 'test', 'do') group by 1, 2, 3`) {
		best[fmt.Sprintf("%v/%v/%v", row[0], row[1], row[2])] = row[3].(float64)
	}
	if len(audit.Cells) != 4 || !slices.Equal(audit.TestSets, []string{"test", "do"}) || len(audit.Notes) != 1 {
		t.Fatalf("got %+v", audit)
	}
	checked := 0
	for _, c := range audit.Cells {
		for i, rule := range audit.Rules {
			choice := c.Choices[i]
			if rule.Used && (c.Trials != 2 || choice.Trial != c.Replicated || rule.Name != "val/auroc") {
				t.Errorf("%+v: the rule of the sweep chooses trial %d", c, choice.Trial)
			}
			if rule.Oracle == strings.HasPrefix(rule.Name, "val/") {
				t.Errorf("rule %+v", rule)
			}
			split, ok := strings.CutSuffix(rule.Name, "/auroc")
			if !ok {
				continue
			}
			checked++
			if want := best[c.Cell.Dataset+"/"+c.Cell.Variant+"/"+split]; math.Abs(choice.Value-want) > 1e-12 {
				t.Errorf("%s of %+v is %v, SQL says %v", rule.Name, c.Cell, choice.Value, want)
			}
			if at := slices.Index(audit.TestSets, split); at >= 0 && choice.Tests[at] != choice.Value {
				t.Errorf("%s of %+v: %v on its own test set, %v", rule.Name, c.Cell, choice.Tests, choice.Value)
			}
		}
	}
	if checked != 4*3 {
		t.Errorf("checked %d choices", checked)
	}
	if text := h.must("compare", "--audit-selection", "tested").out; !strings.Contains(text, "test/auroc (oracle, not usable)") {
		t.Errorf("got %s", text)
	}
}
