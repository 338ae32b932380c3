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
	// Baseline is what the other cells are compared with, by axis; usually only
	// the variant is given. Empty: no baseline, no paired tests.
	Baseline   map[string]string `json:"baseline"`
	Tests      []string          `json:"tests"`
	Correction string            `json:"correction"`
	Confidence float64           `json:"confidence"`
}

var (
	analysisTests       = []string{"paired_bootstrap", "paired_permutation", "wilcoxon", "delong"}
	analysisCorrections = []string{"holm", "benjamini_hochberg", "none"}
)

func readAnalysis(v value, axes Axes) Analysis {
	a := Analysis{Baseline: map[string]string{}, Tests: []string{"paired_bootstrap"}, Correction: "holm", Confidence: 0.95}
	if !v.table("baseline", "tests", "correction", "confidence") {
		return a
	}
	if baseline := v.get("baseline"); baseline.table(axisNames...) {
		for _, axis := range baseline.keys() {
			field := baseline.get(axis)
			if name, ok := field.str(); ok && slices.Contains(axisNames, axis) {
				known := axes.values(axis)
				if len(known) > 0 && !slices.Contains(known, name) {
					field.report("%q is not on the axis %s%s", name, axis, suggest(name, known))
				}
				a.Baseline[axis] = name
			}
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
