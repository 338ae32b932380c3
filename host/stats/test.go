package stats

import (
	"fmt"
	"slices"
	"strings"
)

// Test is the name of a test or an estimate that an analysis asks for.
type Test string

// The paired tests compare a variant with the baseline, cell by cell; the others
// look at all cells together, see Summarize.
const (
	// TestBootstrap draws patients and lets trainings vary: PairedBootstrap.
	TestBootstrap Test = "paired_bootstrap"
	// TestPermutation flips signs of the differences of the seeds: SignFlip.
	TestPermutation Test = "paired_permutation"
	// TestWilcoxon ranks the differences of the seeds: Wilcoxon.
	TestWilcoxon Test = "wilcoxon"
	// TestDeLong takes the trainings as given and lets patients vary: DeLongSeeds.
	TestDeLong Test = "delong"
	// TestCorrectedT is for seeds that draw training and test patients anew:
	// CorrectedT.
	TestCorrectedT Test = "corrected_t"

	// TestFriedman ranks the variants over datasets and backbones: Friedman.
	TestFriedman Test = "friedman"
	// EstimateIQM is StratifiedIQM of every variant.
	EstimateIQM Test = "iqm"
	// EstimateImprovement is ImprovementProbability of every variant.
	EstimateImprovement Test = "probability_of_improvement"
)

// PairedTests returns the tests that Compare does.
func PairedTests() []Test {
	return []Test{TestBootstrap, TestPermutation, TestWilcoxon, TestDeLong, TestCorrectedT}
}

// JointTests returns the tests and estimates of Summarize.
func JointTests() []Test { return []Test{TestFriedman, EstimateIQM, EstimateImprovement} }

// Paired reports whether Compare does the test.
func (t Test) Paired() bool { return slices.Contains(PairedTests(), t) }

// Correction is how the p-values of a family are adjusted for their number.
type Correction string

// The corrections.
const (
	CorrectHolm Correction = "holm" // family-wise error rate
	CorrectBH   Correction = "bh"   // false discovery rate
	CorrectNone Correction = "none" // p-values as they are
)

// adjust returns the adjusted p-values; NaN stays NaN.
func (c Correction) adjust(p []float64) []float64 {
	switch c {
	case CorrectBH:
		return BenjaminiHochberg(p)
	case CorrectNone:
		return slices.Clone(p)
	}
	return Holm(p)
}

// text says what was done to so many tests of something.
func (c Correction) text(of string, tests int) string {
	switch c {
	case CorrectBH:
		return fmt.Sprintf("Benjamini and Hochberg's correction (of the share of false findings, not of the chance of any) over %s: %d tests", of, tests)
	case CorrectNone:
		return fmt.Sprintf("no correction over %s: %d tests, each as if it were the only one, so that some true nulls look like findings", of, tests)
	}
	return fmt.Sprintf("Holm's correction over %s: %d tests", of, tests)
}

func checkTests(tests []Test, correction Correction) error {
	for _, t := range tests {
		if !t.Paired() && !slices.Contains(JointTests(), t) {
			return fmt.Errorf("unknown test %q: use %s", t, joinTests(append(PairedTests(), JointTests()...)))
		}
	}
	if !slices.Contains([]Correction{CorrectHolm, CorrectBH, CorrectNone}, correction) {
		return fmt.Errorf("unknown correction %q: use holm, bh or none", correction)
	}
	return nil
}

func joinTests(tests []Test) string {
	words := make([]string, len(tests))
	for i, t := range tests {
		words[i] = string(t)
	}
	return strings.Join(words, ", ")
}
