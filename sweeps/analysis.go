package sweeps

import (
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"slices"
)

// Analysis is how the finished sweep will be read. It is decided, hashed and
// stored before the first trial, so that it cannot follow the results.
type Analysis struct {
	// Baseline is the variant that the others are compared with, within the same
	// dataset and backbone, under the key "variant". Empty: no baseline, no paired
	// tests.
	Baseline   map[string]string `json:"baseline"`
	Tests      []string          `json:"tests"`
	Correction string            `json:"correction"`
	Confidence float64           `json:"confidence"`
}

// What compare computes, and nothing that was not asked for. The first of the
// paired tests, those up to corrected_t, decides.
const (
	TestBootstrap       = "paired_bootstrap"
	TestPermutation     = "paired_permutation"
	TestWilcoxon        = "wilcoxon"
	TestDeLong          = "delong"
	TestCorrectedT      = "corrected_t"
	TestFriedman        = "friedman"
	EstimateIQM         = "iqm"
	EstimateImprovement = "probability_of_improvement"
)

// The corrections of p-values for their number.
const (
	CorrectHolm = "holm"
	CorrectBH   = "bh"
	CorrectNone = "none"
)

// AnalysisTests returns the tests and estimates that an analysis may name.
func AnalysisTests() []string {
	return []string{
		TestBootstrap, TestPermutation, TestWilcoxon, TestDeLong, TestCorrectedT,
		TestFriedman, EstimateIQM, EstimateImprovement,
	}
}

// AnalysisCorrections returns the corrections that an analysis may name.
func AnalysisCorrections() []string { return []string{CorrectHolm, CorrectBH, CorrectNone} }

// TestRatio is the number of test rows for every training row, which the corrected
// t test needs; 0 where the seeds do not draw both anew.
func (s Split) TestRatio() float64 {
	switch {
	case s.Scheme == "kfold":
		return 1 / float64(s.Folds-2) // a part tests, a part validates, the rest train
	case s.Scheme == "holdout" && s.Test == TestPerSeed && len(s.Fractions) == 3:
		return s.Fractions[2] / s.Fractions[0]
	}
	return 0
}

// checkTest reports a test that the sweep gives no data for.
func checkTest(item value, name string, metric Metric, split Split) {
	switch selection, err := ParseSelection(metric.Name); {
	case err != nil:
	case name == TestDeLong && selection.Name != "auroc":
		item.report(`"delong" compares AUROCs, the metric of the sweep is %s; remove it`, selection.Name)
	case name == TestCorrectedT && split.TestRatio() == 0:
		item.report(`"corrected_t" is for seeds that draw training and test patients anew; write split = { scheme = "kfold" } or { test = "per_seed" } in [data], or remove it`)
	}
}

func readAnalysis(v value, axes Axes, metric Metric, split Split) Analysis {
	a := Analysis{Baseline: map[string]string{}, Tests: []string{TestBootstrap}, Correction: CorrectHolm, Confidence: 0.95}
	if !v.table("baseline", "tests", "correction", "confidence") {
		return a
	}
	if baseline := v.get("baseline"); baseline.anyTable() {
		for _, axis := range baseline.keys() {
			if field := baseline.get(axis); slices.Contains(axisNames, axis) && axis != "variant" {
				field.report(`cannot be compared with: differences are between variants of the same dataset and backbone; write baseline = { variant = "erm" }`)
			} else if axis != "variant" {
				field.report("unknown key%s", suggest(axis, []string{"variant"}))
			}
		}
		field := baseline.get("variant")
		if name, ok := field.str(); ok {
			if len(axes.Variant) > 0 && !slices.Contains(axes.Variant, name) {
				field.report("%q is not on the axis variant%s", name, suggest(name, axes.Variant))
			}
			a.Baseline["variant"] = name
		}
	}
	if tests := v.get("tests"); tests.present() {
		a.Tests = []string{}
		items, _ := tests.list()
		for _, item := range items {
			name, ok := item.choice(AnalysisTests()...)
			switch {
			case !ok:
			case slices.Contains(a.Tests, name):
				item.report("%q is listed twice; remove one", name)
			default:
				checkTest(item, name, metric, split)
				a.Tests = append(a.Tests, name)
			}
		}
	}
	if name, ok := v.get("correction").choice(AnalysisCorrections()...); ok {
		a.Correction = name
	}
	if level, ok := v.get("confidence").number(); ok {
		if level < 0.5 || level >= 1 {
			v.get("confidence").report("is %s, it must lie between 0.5 and 1", plain(level))
		}
		a.Confidence = level
	}
	return a
}

// registration is what analysis hashes: the block and the rule that picks models.
type registration struct {
	Analysis Analysis `json:"analysis"`
	Metric   Metric   `json:"metric"`
}

// hash is the SHA-256 of the analysis and the selection rule, defaults filled in.
func (r registration) hash() (Hash, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return Hash{}, fmt.Errorf("hash analysis: %w", err)
	}
	return sha256.Sum256(text), nil
}
