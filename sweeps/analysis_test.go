package sweeps

import (
	"math"
	"strings"
	"testing"
)

// An analysis may ask for every test and correction, where the sweep has the data.
func TestAnalysis_AcceptsEveryTest(t *testing.T) {
	quoted := `"` + strings.Join(AnalysisTests(), `", "`) + `"`
	for split, ratio := range map[string]float64{
		`scheme = "kfold", folds = 4`:                                        0.5,
		`scheme = "holdout", fractions = [0.6, 0.2, 0.2], test = "per_seed"`: 1.0 / 3,
	} {
		for _, correction := range AnalysisCorrections() {
			p := compile(t, edit(t, demo(t),
				`scheme = "holdout", by = "patient", fractions = [0.6, 0.2, 0.2]`, split,
				`baseline = { variant = "erm" }`, "baseline = { variant = \"erm\" }\ntests = ["+quoted+"]\ncorrection = \""+correction+`"`))
			if got := strings.Join(p.Analysis.Tests, " "); got != strings.Join(AnalysisTests(), " ") || p.Analysis.Correction != correction {
				t.Errorf("got %+v", p.Analysis)
			}
			if got := p.Cells[0].Trials[0].Base.Split.TestRatio(); math.Abs(got-ratio) > 1e-12 {
				t.Errorf("%s: ratio %v, want %v", split, got, ratio)
			}
		}
	}
	for _, s := range []Split{{Scheme: "holdout", Fractions: []float64{0.6, 0.2, 0.2}, Test: TestFixed}, {Scheme: "site"}, {Scheme: "time"}} {
		if got := s.TestRatio(); got != 0 {
			t.Errorf("%+v: ratio %v", s, got)
		}
	}
}
