package diagnose

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

// rejects is the share of simulated sets in which a true null is rejected at 0.05.
func rejects(t *testing.T, sets int, p func(r *rand.Rand) float64) float64 {
	t.Helper()
	n := 0
	for i := range sets {
		v := p(rng.Stream(2, "simulate", i))
		if math.IsNaN(v) {
			t.Fatalf("set %d has no p-value", i)
		}
		if v < .05 {
			n++
		}
	}
	return float64(n) / float64(sets)
}

func within(t *testing.T, what string, rate, low, high float64) {
	t.Helper()
	if rate < low || rate > high {
		t.Errorf("%s: a true null is rejected in %.3f of the sets, want %v to %v", what, rate, low, high)
	}
}

// calibrated makes rows whose predictions are right, each given several times with
// the same label, as if a patient were seen that often.
func calibrated(r *rand.Rand, patients, visits int) (scores, labels []float64, levels []string, clusters []int64) {
	for i := range patients {
		p, y := sigmoid(r.NormFloat64()), 0.
		if r.Float64() < p {
			y = 1
		}
		level := []string{"a", "b", "c"}[r.IntN(3)]
		for range visits {
			scores, labels, levels, clusters = append(scores, p), append(labels, y), append(levels, level), append(clusters, int64(i))
		}
	}
	return scores, labels, levels, clusters
}

func TestSimulated_ResidualKeepsItsLevel(t *testing.T) {
	const sets = 2000
	within(t, "one row a patient", rejects(t, sets, func(r *rand.Rand) float64 {
		s, y, l, c := calibrated(r, 200, 1)
		return TestResidual(s, y, l, c, MinPatternRows, 0).P
	}), .037, .063)
	within(t, "three rows a patient", rejects(t, sets, func(r *rand.Rand) float64 {
		s, y, l, c := calibrated(r, 200, 3)
		return TestResidual(s, y, l, c, MinPatternRows, 0).P
	}), .037, .063)
	// What the clustered test is for.
	if rate := rejects(t, sets, func(r *rand.Rand) float64 {
		s, y, l, _ := calibrated(r, 200, 3)
		return TestResidual(s, y, l, nil, MinPatternRows, 0).P
	}); rate < .2 {
		t.Errorf("rows of one patient taken as independent: rejected in %.3f, the simulation does not show the problem", rate)
	}
}

// learned fits a logistic regression of a value, and of the pattern if it is shown,
// on rows of its own and predicts others. The patterns are equally frequent, and the
// pattern moves the label by effect.
func learned(r *rand.Rand, trained, tested int, effect float64, shown bool) (scores, labels []float64, levels []string) {
	width := 1
	if shown {
		width = 4
	}
	draw := func(n int) (x, y []float64, levels []string) {
		for range n {
			v, k, event := r.NormFloat64(), r.IntN(4), 0.
			if r.Float64() < sigmoid(v-1+effect*float64(k)) {
				event = 1
			}
			x = append(x, v)
			for other := 1; other < width; other++ {
				x = append(x, indicator(k == other))
			}
			y, levels = append(y, event), append(levels, string(rune('a'+k)))
		}
		return x, y, levels
	}
	x, y, _ := draw(trained)
	model, err := FitLogit(x, width, y, LogitOptions{})
	if err != nil {
		panic(err)
	}
	x, labels, levels = draw(tested)
	return model.Predict(x, width), labels, levels
}

// A learned predictor brings the noise of its training rows along. Without any
// confounding it fails no more often than the level says, however few it learned
// from; one that was not shown a pattern that matters fails nearly always.
func TestSimulated_ResidualOfALearnedPredictor(t *testing.T) {
	const sets, tested = 400, 400
	for _, trained := range []int{400, 1600} {
		p := func(effect float64, shown bool, known int) func(r *rand.Rand) float64 {
			return func(r *rand.Rand) float64 {
				s, y, l := learned(r, trained, tested, effect, shown)
				return TestResidual(s, y, l, nil, MinPatternRows, known).P
			}
		}
		level := rejects(t, sets, p(0, true, trained))
		naive := rejects(t, sets, p(0, true, 0))
		power := rejects(t, sets/8, p(.7, false, trained))
		t.Logf("%d training rows: a true null is rejected in %.3f of sets (%.3f if the predictor is taken for the truth), a planted bias in %.3f", trained, level, naive, power)
		within(t, "learned predictor", level, .02, .08)
		if trained <= tested && naive < .12 {
			t.Errorf("taken for the truth: rejected in %.3f, the simulation does not show the problem", naive)
		}
		if power < .95 {
			t.Errorf("a planted bias is found in %.3f of sets", power)
		}
	}
}

func TestSimulated_LittleKeepsItsLevel(t *testing.T) {
	if testing.Short() {
		t.Skip("simulates for seconds")
	}
	within(t, "Little's test", rejects(t, 1000, func(r *rand.Rand) float64 {
		var x []float64
		for range 200 {
			common := r.NormFloat64()
			for range 3 {
				v := common + r.NormFloat64()
				if r.Float64() < .2 {
					v = math.NaN()
				}
				x = append(x, v)
			}
		}
		test, err := Little(x, 3)
		if err != nil {
			t.Fatal(err)
		}
		return test.P
	}), .033, .067)
}

// covers is the share of simulated sets whose 95 % interval holds the truth.
func covers(sets int, holds func(r *rand.Rand) bool) float64 {
	n := 0
	for i := range sets {
		if holds(rng.Stream(3, "coverage", i)) {
			n++
		}
	}
	return float64(n) / float64(sets)
}

func TestSimulated_IntervalsCover(t *testing.T) {
	const sets, effect = 1000, .7
	if rate := covers(sets, func(r *rand.Rand) bool {
		var exposure, y, x []float64
		for range 400 {
			w := r.NormFloat64()
			e, event := 0., 0.
			if r.Float64() < sigmoid(w) {
				e = 1
			}
			if r.Float64() < sigmoid(w+effect*e-.5) {
				event = 1
			}
			exposure, y, x = append(exposure, e), append(y, event), append(x, w)
		}
		ratio, err := AdjustedOddsRatio(exposure, y, x, 1, nil)
		if err != nil {
			t.Fatal(err)
		}
		return float64(ratio.Low) <= math.Exp(effect) && math.Exp(effect) <= float64(ratio.High)
	}); rate < .93 || rate > .97 {
		t.Errorf("adjusted odds ratio: %.3f of the intervals cover", rate)
	}
	if rate := covers(sets, func(r *rand.Rand) bool {
		// Patients with two rows each, whose propensity is outside in 30 %.
		var p []float64
		var patients []int64
		for i := range 150 {
			v := .5
			if r.Float64() < .3 {
				v = .01
			}
			p, patients = append(p, v, v), append(patients, int64(i), int64(i))
		}
		f := Positivity("positivity", p, .5, Bootstrap{patients, 400, r})
		return f.Low <= .3 && .3 <= f.High
	}); rate < .93 || rate > .97 {
		t.Errorf("positivity: %.3f of the intervals cover", rate)
	}
}
