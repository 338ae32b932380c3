package stats

import (
	"encoding/json"
	"os"
	"testing"
)

func TestDeLongSeeds(t *testing.T) {
	one := twoArms(3, 400, []int64{0}, 2, 1)[0]
	d, v, p := DeLongPaired(one.Baseline.Scores, one.Variant, one.Baseline.Labels)
	got := func(what string, seeds []Paired, difference, variance, tolerance float64) {
		t.Helper()
		gotD, gotV, _ := DeLongSeeds(seeds)
		near(t, "difference of "+what, gotD, difference, 1e-12)
		near(t, "variance of "+what, gotV/variance, 1, tolerance)
	}
	got("one seed", []Paired{one}, d, v, 1e-12)
	got("the same seed four times", []Paired{one, one, one, one}, d, v, 1e-12)
	_, _, same := DeLongSeeds([]Paired{one})
	near(t, "p", same, p, 1e-12)
	other := twoArms(5, 400, []int64{1}, 2, 1)[0] // other patients: the variances add up
	d2, v2, _ := DeLongPaired(other.Baseline.Scores, other.Variant, other.Baseline.Labels)
	got("two seeds with patients of their own", []Paired{one, other}, (d+d2)/2, (v+v2)/4, 1e-12)
	twice := Paired{Clusters: withMirror(one.Clusters), Variant: withMirror(one.Variant)}
	twice.Baseline = Sample{Scores: withMirror(one.Baseline.Scores), Labels: withMirror(one.Baseline.Labels)}
	got("patients with two rows", []Paired{twice}, d, v, 0.02)

	weighted := one
	weighted.Baseline.Weights = orOnes(nil, 400)
	got("weights of 1", []Paired{weighted}, d, v, 1e-12)
	weighted.Baseline.Weights[3] = 2
	_, _, p = DeLongSeeds([]Paired{weighted})
	nan(t, "p of weighted rows", p)
	_, _, p = DeLongSeeds(nil)
	nan(t, "p without seeds", p)
	single := Paired{Baseline: Sample{Scores: []float64{1, 2, 3}, Labels: []float64{1, 0, 0}}, Variant: []float64{1, 2, 3}, Clusters: []int64{1, 2, 3}}
	_, _, p = DeLongSeeds([]Paired{single})
	nan(t, "p of one event", p)
	single.Clusters = nil
	if !panics(func() { DeLongSeeds([]Paired{single}) }) {
		t.Error("no clusters for 3 rows do not panic")
	}
}

// TestDeLong_pROC compares with pROC of R, testdata/proc.R.
func TestDeLong_pROC(t *testing.T) {
	text, err := os.ReadFile("testdata/proc.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Case                           int
		AUROC, Variance, Difference, P float64
	}
	if err := json.Unmarshal(text, &cases); err != nil {
		t.Fatal(err)
	}
	if len(cases) < 3 {
		t.Fatalf("%d cases", len(cases))
	}
	all := load(t).Binary
	for _, want := range cases {
		c := all[want.Case]
		auroc, variance := DeLong(c.Scores, c.Labels)
		near(t, "auroc", auroc, want.AUROC, 1e-9)
		near(t, "variance", variance, want.Variance, 1e-9)
		difference, _, p := DeLongPaired(c.Scores, c.Other, c.Labels)
		near(t, "difference", difference, want.Difference, 1e-9)
		near(t, "p", p, want.P, 1e-9)
	}
}
