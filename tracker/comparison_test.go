package tracker_test

import (
	"fmt"
	"math"
	"testing"

	"github.com/deconfound/deconfound/tracker"
)

// A refuter that fails in a run stands against the comparisons that rely on it, and
// against no other.
func TestComparisonDiagnostics(t *testing.T) {
	b := setup(t)
	run := 0
	finish := func(variant, verdict string) int64 {
		run++
		l := b.claim(b.plan(false, replicate(run, run, variant))[0])
		out := tracker.Outcome{Diagnostics: []tracker.Diagnostic{
			{
				Name: "refuter/placebo_mask", Estimate: -0.1, Lo: -0.2, Hi: math.NaN(), P: math.NaN(), Verdict: verdict,
				Detail: []byte(`{"n": 40, "effective_n": 39.5, "reason": "leans on the mask"}`),
			},
			{Name: "drift", Estimate: 1.5, Lo: math.NaN(), Hi: math.NaN(), P: math.NaN(), Verdict: "fail", Detail: []byte(`{"split": "train"}`)},
		}}
		if err := b.finish(l, out); err != nil {
			t.Fatal(err)
		}
		return l.Run.ID
	}
	finish("erm", "ok")
	bad := finish("md", "fail")
	finish("md", "ok")
	finish("db", "ok")
	const query = `select variant, baseline, arm, name, round(value::numeric, 3)::text, failed, runs, verdict, reason from comparison_diagnostics order by variant, name`
	marked := "md erm variant refuter/placebo_mask -0.100 1 2 fail leans on the mask\n"
	if got := b.rows(query); got != marked {
		t.Errorf("got %s, want %s", got, marked)
	}
	if got, want := b.rows(`select name, grp, split, value, ci_low, ci_high, n, n_eff, verdict, reason from diagnostics where run_id = $1 order by 1`, bad),
		"drift <nil> train 1.5 <nil> <nil> <nil> <nil> fail <nil>\nrefuter placebo_mask test -0.1 -0.2 <nil> 40 39.5 fail leans on the mask\n"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
	failed, err := b.store.FailedDiagnostics(t.Context(), tracker.RunFilter{SweepID: b.sweep.ID}, "refuter/")
	if err != nil || len(failed) != 1 || len(failed[bad]) != 1 || failed[bad][0].Name != "refuter/placebo_mask" || failed[bad][0].Estimate != -0.1 {
		t.Errorf("got %+v, %v", failed, err)
	}

	// The baseline stands behind every comparison.
	finish("erm", "fail")
	if got, want := b.rows(query), "db erm baseline refuter/placebo_mask -0.100 1 2 fail leans on the mask\nmd erm baseline refuter/placebo_mask -0.100 1 2 fail leans on the mask\n"+marked; got != want {
		t.Errorf("got %s, want %s", got, want)
	}

	c := tracker.Comparison{
		Dataset: "d", Backbone: "b", Variant: "md", Baseline: "erm", TestSet: "id", Name: "e_value",
		Estimate: 1.5, Lo: 1.2, Hi: math.NaN(), N: 30, Verdict: "ok", Reason: "strong",
	}
	for _, estimate := range []float64{1.5, 1.6} { // the newer one replaces
		c.Estimate = estimate
		if err := b.store.StoreComparisons(t.Context(), b.sweep.ID, []tracker.Comparison{c}); err != nil {
			t.Fatal(err)
		}
	}
	if got, want := b.rows(`select variant, test_set, name, value, ci_low, ci_high, n, verdict, reason from comparison_diagnostics where arm = 'comparison'`),
		fmt.Sprintln("md id e_value 1.6 1.2 <nil> 30 ok strong"); got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
