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
		return TestResidual(s, y, l, c, MinPatternRows).P
	}), .037, .063)
	within(t, "three rows a patient", rejects(t, sets, func(r *rand.Rand) float64 {
		s, y, l, c := calibrated(r, 200, 3)
		return TestResidual(s, y, l, c, MinPatternRows).P
	}), .037, .063)
	// What the clustered test is for.
	if rate := rejects(t, sets, func(r *rand.Rand) float64 {
		s, y, l, _ := calibrated(r, 200, 3)
		return TestResidual(s, y, l, nil, MinPatternRows).P
	}); rate < .2 {
		t.Errorf("rows of one patient taken as independent: rejected in %.3f, the simulation does not show the problem", rate)
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
