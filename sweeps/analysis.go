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

// What compare computes. The bootstrap over seeds and patients decides, the
// others are tests on the differences of the seeds.
const (
	TestBootstrap   = "paired_bootstrap"
	TestPermutation = "paired_permutation"
	TestWilcoxon    = "wilcoxon"
)

var (
	analysisTests       = []string{TestBootstrap, TestPermutation, TestWilcoxon}
	analysisCorrections = []string{"holm"}
)

func readAnalysis(v value, axes Axes) Analysis {
	a := Analysis{Baseline: map[string]string{}, Tests: []string{"paired_bootstrap"}, Correction: "holm", Confidence: 0.95}
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
			name, ok := item.choice(analysisTests...)
			switch {
			case !ok:
			case slices.Contains(a.Tests, name):
				item.report("%q is listed twice; remove one", name)
			default:
				a.Tests = append(a.Tests, name)
			}
		}
	}
	if name, ok := v.get("correction").choice(analysisCorrections...); ok {
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
