package main

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/host/scm"
	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sweeps"
)

// cellOf has an error in each of five dataset seeds, about its mean.
func cellOf(scenario, variant string, mean float64) studyRow {
	r := studyRow{Scenario: scenario, Backbone: "concat", Variant: variant}
	var values []float64
	for seed, e := range []float64{-.004, .003, .001, -.002, .002} {
		e *= map[string]float64{"erm": -1, "md": .5, "db": .7}[variant] + 1e-3 // no two arms differ by a constant
		r.Seeds, r.PerSeed = append(r.Seeds, int64(seed)), append(r.PerSeed, stats.Number(mean+e))
		values = append(values, mean+e)
	}
	r.IRMSE = stats.MeanInterval(values, .95)
	return r
}

func TestCheckStudy(t *testing.T) {
	held := func(rows ...studyRow) map[string]bool {
		out := map[string]bool{}
		for _, c := range checkStudy(rows) {
			if c.Value.Low > c.Value.Estimate || c.Value.High < c.Value.Estimate {
				t.Errorf("%s: got %+v", c.Claim, c.Value)
			}
			out[c.Scenario+" "+c.Claim] = c.Held
		}
		return out
	}
	good := held(cellOf("S2", "erm", .16), cellOf("S2", "md", .155), cellOf("S2", "db", .12), cellOf("S2", "md_db", .07))
	if len(good) != 7 {
		t.Errorf("S2 has %d checks: %v", len(good), good)
	}
	for claim, ok := range good {
		if !ok {
			t.Errorf("%s fails", claim)
		}
	}
	for claim, ok := range held(cellOf("S2", "erm", .13), cellOf("S2", "md", .10), cellOf("S2", "db", .10), cellOf("S2", "md_db", .131)) {
		if ok {
			t.Errorf("%s holds", claim)
		}
	}
	// A tie is no improvement, and no harm.
	tie := held(cellOf("S3", "erm", .08), cellOf("S3", "md", .08), cellOf("S3", "md_db", .085))
	for claim, want := range map[string]bool{
		"S3 md is better than erm: p < .01":                             false,
		"S3 md removes missingness bias: at most .085":                  true,
		"S3 both do no harm: at most .01 over the better of erm and md": true,
	} {
		if got, ok := tie[claim]; got != want || !ok {
			t.Errorf("%s: holds %v (checked %v), want %v", claim, got, ok, want)
		}
	}
	// What is not measured does not hold.
	lost := cellOf("S3", "md", math.NaN())
	for claim, ok := range held(lost) {
		if ok {
			t.Errorf("%s holds without a value", claim)
		}
	}
}

func TestScenarioName(t *testing.T) {
	for _, name := range scm.Scenarios() {
		cfg, err := scm.Parse(map[string]any{"scenario": name, "mixing": "orthogonal", "rows": int64(400)})
		if err != nil {
			t.Fatal(err)
		}
		if got := scenarioName(sweeps.DatasetRef{Generator: scm.Generator, Settings: cfg.Settings()}); got != name {
			t.Errorf("got %q, want %s", got, name)
		}
	}
	other, err := scm.Parse(map[string]any{"scenario": "S2", "kappa": .5})
	if err != nil {
		t.Fatal(err)
	}
	if got := scenarioName(sweeps.DatasetRef{Generator: scm.Generator, Settings: other.Settings()}); got != "" {
		t.Errorf("S2 with another kappa is %q", got)
	}
}
