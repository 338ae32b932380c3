package diagnose

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk/rng"
)

func TestPairedSensitivity_References(t *testing.T) {
	for _, c := range fixture[[]struct {
		Differences values
		EValue      float64 `json:"e_value"`
		Limit, P    float64
	}](t, "paired") {
		e, gamma := PairedSensitivity(c.Differences)
		near(t, "E-value", float64(e.Estimate), c.EValue)
		near(t, "limit", float64(e.Low), c.Limit)
		near(t, "p", float64(gamma.P), c.P)
		if certain := c.P < .05; certain != (gamma.Estimate > 1) || certain != (gamma.Verdict == OK) {
			t.Errorf("p %v: got %+v", c.P, gamma)
		}
	}
	e, gamma := PairedSensitivity(make([]float64, 50))
	if e.Verdict != None || gamma.Verdict != None || e.Reason == "" {
		t.Errorf("no difference: got %+v, %+v", e, gamma)
	}
}

// maskedRows draws rows with a pattern and a value; maskWeight is what the outcome
// owes to the pattern.
func maskedRows(r *rand.Rand, n int, maskWeight float64) (value, pattern, outcome []float64, levels []string, patients []int64) {
	for i := range n {
		x, m, y := r.NormFloat64(), float64(r.IntN(2)), 0.
		if r.Float64() < sigmoid(x+maskWeight*(m-.5)-1) {
			y = 1
		}
		value, pattern, outcome = append(value, x), append(pattern, m), append(outcome, y)
		levels, patients = append(levels, []string{"a", "b"}[int(m)]), append(patients, int64(i))
	}
	return value, pattern, outcome, levels, patients
}

// failRate counts how often a refuter fails in sets.
func failRate(sets int, one func(r *rand.Rand) Verdict) float64 {
	failed := 0
	for i := range sets {
		if one(rng.Stream(11, "refute", i)) == Fail {
			failed++
		}
	}
	return float64(failed) / float64(sets)
}

// rates checks that a refuter fails where it should and seldom elsewhere, and tells
// both.
func rates(t *testing.T, what string, sets int, clean, planted func(r *rand.Rand) Verdict) {
	t.Helper()
	wrong, right := failRate(sets, clean), failRate(sets, planted)
	t.Logf("%s: fails in %.2f of clean sets, in %.2f of planted ones", what, wrong, right)
	if wrong > .06 || right < .9 {
		t.Errorf("%s: fails in %.2f of clean sets, in %.2f of planted ones", what, wrong, right)
	}
}

func scored(r *rand.Rand, score, outcome []float64, levels []string, patients []int64) map[string]Verdict {
	s := Study{Exposure: score, Outcome: outcome, Width: 1, Patients: patients}
	for _, l := range levels {
		s.Covariates = append(s.Covariates, map[string]float64{"a": 0, "b": 1}[l])
	}
	out := map[string]Verdict{}
	for _, f := range (Refuters{Repeats: 40, Subset: .8, Rand: r}).Score(s) {
		out[f.Name] = f.Verdict
	}
	return out
}

func TestScoreRefuters_ErrorRates(t *testing.T) {
	const sets = 60
	failed := map[string]float64{}
	for i := range sets {
		r := rng.Stream(12, "clean", i)
		x, _, y, levels, patients := maskedRows(r, 300, 1.5)
		for name, verdict := range scored(r, x, y, levels, patients) {
			failed[name] += indicator(verdict == Fail) / sets
		}
	}
	if len(failed) != 5 {
		t.Errorf("got %v", failed)
	}
	for name, rate := range failed {
		t.Logf("%s: fails in %.2f of clean sets", name, rate)
		if rate > .06 {
			t.Errorf("%s: fails in %.2f of clean sets", name, rate)
		}
	}
	planted := map[string]float64{}
	for i := range sets / 3 {
		r := rng.Stream(13, "planted", i)
		x, m, y, levels, patients := maskedRows(r, 300, 1.5)
		down, mask := make([]float64, len(x)), make([]float64, len(x))
		for i := range x {
			down[i], mask[i] = -x[i], m[i]+.01*r.NormFloat64()
		}
		planted["placebo_outcome"] += indicator(scored(r, down, y, levels, patients)["placebo_outcome"] == Fail) * 3 / sets
		planted["dummy_outcome"] += indicator(scored(r, mask, y, levels, patients)["dummy_outcome"] == Fail) * 3 / sets
	}
	for name, rate := range planted {
		t.Logf("%s: fails in %.2f of planted sets", name, rate)
		if rate < .9 {
			t.Errorf("%s: fails in %.2f of planted sets", name, rate)
		}
	}
}

func indicator(is bool) float64 {
	if is {
		return 1
	}
	return 0
}

func TestPlaceboMask_ErrorRates(t *testing.T) {
	judge := func(r *rand.Rand, lean float64) Verdict {
		x, m, y, _, patients := maskedRows(r, 800, 3)
		score, placebo := make([]float64, len(x)), make([]float64, len(x))
		order := r.Perm(len(x))
		for i := range x {
			score[i] = x[i] + lean*m[i]
			placebo[i] = x[i] + lean*math.Max(m[i], m[order[i]]) + .02*r.NormFloat64()
		}
		return PlaceboMask("refuter/placebo_mask", score, placebo, y, Bootstrap{patients, 100, r}).Verdict
	}
	rates(t, "placebo_mask", 60, func(r *rand.Rand) Verdict { return judge(r, 0) }, func(r *rand.Rand) Verdict { return judge(r, 3) })
}

func TestMaskGain_ErrorRates(t *testing.T) {
	judge := func(variant func(x, m, noise float64) float64) func(r *rand.Rand) Verdict {
		return func(r *rand.Rand) Verdict {
			var seeds []PairedScores
			for range 2 {
				x, m, y, levels, patients := maskedRows(r, 400, 1.5)
				s := PairedScores{Outcome: y, Levels: levels, Patients: patients}
				for i := range x {
					noise := r.NormFloat64()
					s.Baseline = append(s.Baseline, x[i]+noise)
					s.Variant = append(s.Variant, variant(x[i], m[i], noise))
				}
				seeds = append(seeds, s)
			}
			return Refuters{Repeats: 40, Rand: r}.MaskGain(seeds).Verdict
		}
	}
	rates(t, "mask_gain", 60,
		judge(func(x, _, noise float64) float64 { return x + .5*noise }),
		judge(func(x, m, noise float64) float64 { return x + noise + 2*m }))
	// A loss on the mask is what debiasing is for.
	if rate := failRate(20, judge(func(x, m, noise float64) float64 { return x + noise - 2*m })); rate > 0 {
		t.Errorf("a variant that ranks against the mask fails in %.2f", rate)
	}
	none := Refuters{Repeats: 40, Rand: rng.Stream(1)}.MaskGain(nil)
	if none.Verdict != None || none.Reason == "" {
		t.Errorf("got %+v", none)
	}
}

func TestSensitivity_References(t *testing.T) {
	c := fixture[struct {
		Exposure, Outcome, X                       values
		Width, Pairs                               int
		EValue                                     float64 `json:"e_value"`
		Limit, Observed, Robustness, Austen, Gamma float64
		RobustnessLimit                            float64 `json:"robustness_limit"`
	}](t, "sensitivity")
	s := AnalyseSensitivity([]string{"x", "z"}, Study{Exposure: c.Exposure, Outcome: c.Outcome, Covariates: c.X, Width: c.Width, Patients: clusters(len(c.Outcome))})
	near(t, "E-value", float64(s.EValue.Estimate), c.EValue)
	near(t, "its limit", float64(s.EValue.Low), c.Limit)
	near(t, "observed", float64(s.ObservedEValue.Estimate), c.Observed)
	near(t, "robustness value", float64(s.Robustness.Estimate), c.Robustness)
	near(t, "its limit", float64(s.Robustness.Low), c.RobustnessLimit)
	near(t, "Austen", float64(s.Austen.Estimate), c.Austen)
	near(t, "Γ", float64(s.Rosenbaum.Estimate), c.Gamma)
	for _, f := range s.Findings() {
		if f.Reason == "" || f.N != len(c.Outcome) || f.Verdict != Warn && f.Name != "observed_e_value" {
			t.Errorf("an association that a latent variable makes: got %+v", f)
		}
	}
	if len(s.Curve) != len(austenAlphas) {
		t.Errorf("got %d points", len(s.Curve))
	}
}

// Without an association there is nothing to explain; without variation there is no
// figure.
func TestSensitivity_Nothing(t *testing.T) {
	warned := failRateOf(50, func(r *rand.Rand) bool {
		x, m, y, _, patients := maskedRows(r, 300, 0)
		s := AnalyseSensitivity([]string{"x"}, Study{Exposure: m, Outcome: y, Covariates: x, Width: 1, Patients: patients})
		return s.EValue.Verdict == Warn || s.Robustness.Verdict == Warn
	})
	if warned > .16 {
		t.Errorf("warns of an association that is not there in %.2f of sets", warned)
	}
	x, _, y, _, patients := maskedRows(rng.Stream(1, "nothing"), 100, 0)
	s := AnalyseSensitivity([]string{"x"}, Study{Exposure: make([]float64, 100), Outcome: y, Covariates: x, Width: 1, Patients: patients})
	for _, f := range s.Findings() {
		if f.Verdict != None || f.Reason == "" || f.Name == "" || f.Estimate.Defined() {
			t.Errorf("got %+v", f)
		}
	}
}

func failRateOf(sets int, one func(r *rand.Rand) bool) float64 {
	return failRate(sets, func(r *rand.Rand) Verdict {
		if one(r) {
			return Fail
		}
		return OK
	})
}

func TestCompareCovariates_WelchReferences(t *testing.T) {
	c := fixture[struct {
		X, Available, T, DF, P values
		Width                  int
	}](t, "welch")
	for j, b := range CompareCovariates(nil, c.X, c.Width, c.Available, nil) {
		near(t, "t", float64(b.WelchT), c.T[j])
		near(t, "df", float64(b.WelchDF), c.DF[j])
		near(t, "p", float64(b.WelchP), c.P[j])
	}
	b := CompareCovariates(nil, []float64{1, 1, 1, 1}, 1, []float64{0, 0, 1, 1}, nil)[0]
	nan(t, "t of a constant", float64(b.WelchT))
	nan(t, "p of a constant", float64(b.WelchP))
}

func TestContrastiveBound_References(t *testing.T) {
	for _, c := range fixture[[]struct {
		X, Y   values
		WX, WY int
		Bound  float64
	}](t, "vclub") {
		near(t, "vCLUB", ContrastiveBound(c.X, c.WX, c.Y, c.WY), c.Bound)
	}
	nan(t, "too few", ContrastiveBound([]float64{1, 2}, 1, []float64{1, 2}, 1))
	nan(t, "constant", ContrastiveBound([]float64{1, 2, 3, 4, 5, 6, 7, 8}, 1, make([]float64, 8), 1))
}

// A change of the ranking is judged by its size and certainty.
func TestAUROCChange(t *testing.T) {
	x, m, y, _, patients := maskedRows(rng.Stream(2, "change"), 500, 0)
	b := Bootstrap{patients, 200, rng.Stream(3)}
	if f := AUROCChange("same", x, x, y, b, "nothing"); f.Verdict != OK || f.Estimate != 0 || f.Low != 0 {
		t.Errorf("got %+v", f)
	}
	f := AUROCChange("noise", x, m, y, b, "noise")
	want := stats.AUROC(m, y, nil) - stats.AUROC(x, y, nil)
	if f.Verdict != Fail || math.Abs(float64(f.Estimate)-want) > 1e-12 || !(f.Low < f.Estimate && f.Estimate < f.High) {
		t.Errorf("got %+v, want %v", f, want)
	}
	if f := AUROCChange("few", x[:15], x[:15], y[:15], Bootstrap{patients[:15], 10, rng.Stream(3)}, "nothing"); f.Verdict != None || f.Reason == "" {
		t.Errorf("got %+v", f)
	}
}

// If the classes swapped patterns, a score that reads the pattern would rank worse,
// one that reads the value would not.
func TestJudgePatternShift(t *testing.T) {
	x, m, y, levels, patients := maskedRows(rng.Stream(4, "shift"), 1500, 2)
	b := Bootstrap{patients, 200, rng.Stream(5)}
	if f, points := JudgePatternShift("pattern_shift", x, y, levels, b); f.Verdict != OK || len(points) != 5 {
		t.Errorf("value: got %+v", f)
	}
	lean := make([]float64, len(x))
	for i := range x {
		lean[i] = x[i] + 3*m[i]
	}
	f, points := JudgePatternShift("pattern_shift", lean, y, levels, b)
	if want := points[4].Value - points[0].Value; math.Abs(float64(f.Estimate)-want) > 1e-12 || !(f.Low <= f.Estimate && f.Estimate <= f.High) {
		t.Errorf("got %+v, want %v", f, want)
	}
	if f, _ := JudgePatternShift("pattern_shift", x, y, make([]string, len(x)), b); f.Verdict != None {
		t.Errorf("one pattern: got %+v", f)
	}
}

// Limits of the worst share are about the same figure as the figure.
func TestJudgeWorst(t *testing.T) {
	x, _, y, _, patients := maskedRows(rng.Stream(6, "worst"), 300, 0)
	p := make([]float64, len(x))
	for i, v := range x {
		p[i] = sigmoid(v - 1)
	}
	b := Bootstrap{patients, 200, rng.Stream(7)}
	f := JudgeWorst("worst", p, y, .1, b)
	near(t, "value", float64(f.Estimate), WorstLogLoss(p, y, .1))
	if !(f.Low < f.Estimate && f.Estimate < f.High) {
		t.Errorf("got %+v", f)
	}
}
