package diagnose

import (
	"math/rand/v2"
	"testing"
)

// noise is n rows of independent normal values.
func noise(r *rand.Rand, n, width int) []float64 {
	out := make([]float64, n*width)
	for i := range out {
		out[i] = r.NormFloat64()
	}
	return out
}

// A probe of some hundred rows warns seldom where there is nothing to read.
func TestReadable_ErrorRates(t *testing.T) {
	const n, width = 300, 8
	judge := func(r *rand.Rand, planted float64) Verdict {
		h, target := noise(r, n, width), make([]float64, n)
		for i := range target {
			target[i] = float64(r.IntN(2))
			h[i*width] += planted * target[i]
		}
		f := Readable("probe", h, width, target, HoldOut(clusters(n), .3, r), 2, r)
		if f.Verdict == Warn {
			return Fail
		}
		return f.Verdict
	}
	rates(t, "probe (warn or fail)", 200, func(r *rand.Rand) Verdict { return judge(r, 0) }, func(r *rand.Rand) Verdict { return judge(r, 2) })
}

func TestIndependence_ErrorRates(t *testing.T) {
	const n, wx, wy = 60, 8, 2
	judge := func(r *rand.Rand, planted float64) Verdict {
		x, y := noise(r, n, wx), noise(r, n, wy)
		for i := range n {
			for j := range wx {
				x[i*wx+j] += planted * y[i*wy]
			}
		}
		return Independence("dependence", x, wx, y, wy, 200, r).Verdict
	}
	rates(t, "dependence", 200, func(r *rand.Rand) Verdict { return judge(r, 0) }, func(r *rand.Rand) Verdict { return judge(r, 2) })
}

// A model that loses what the late fusion loses is not blamed for the noise of both.
func TestJudgeRobustness_ErrorRates(t *testing.T) {
	judge := func(r *rand.Rand, more float64) Verdict {
		x, _, y, _, patients := maskedRows(r, 300, 0)
		at := func(spread float64) func(w []float64) float64 {
			score := make([]float64, len(x))
			for i, v := range x {
				score[i] = v + spread*r.NormFloat64()
			}
			return WeightedAUROC(score, y)
		}
		curve := func(spreads ...float64) func(w []float64) []float64 {
			var of []func(w []float64) float64
			for _, s := range spreads {
				of = append(of, at(s))
			}
			return func(w []float64) []float64 {
				var out []float64
				for _, f := range of {
					out = append(out, f(w))
				}
				return out
			}
		}
		f := JudgeRobustness("missing_rate", []float64{0, .5, 1}, y, curve(0, 1+more, 1+2*more), curve(0, 1, 1), Bootstrap{patients, 100, r})
		if f.Verdict == Warn {
			return Fail
		}
		return f.Verdict
	}
	rates(t, "missing_rate (warn or fail)", 200, func(r *rand.Rand) Verdict { return judge(r, 0) }, func(r *rand.Rand) Verdict { return judge(r, 5) })
}

// Rows that come twice are worth no more, also for the yardstick of the E-value.
func TestObservedEValue_CountsPatients(t *testing.T) {
	s := study(600, 1.2)
	for i := range s.Covariates {
		s.Covariates[i] *= 1.5
	}
	twice := Study{Width: s.Width}
	for range 2 {
		twice.Exposure, twice.Outcome = append(twice.Exposure, s.Exposure...), append(twice.Outcome, s.Outcome...)
		twice.Covariates, twice.Patients = append(twice.Covariates, s.Covariates...), append(twice.Patients, s.Patients...)
	}
	once, again := AnalyseSensitivity([]string{"w"}, s), AnalyseSensitivity([]string{"w"}, twice)
	if a, b := float64(once.ObservedEValue.Estimate), float64(again.ObservedEValue.Estimate); !(a > 1.3 && b > a-.03 && b < a+.03) {
		t.Errorf("got %.3f for rows that come twice, %.3f once", b, a)
	}
}
