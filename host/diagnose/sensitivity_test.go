package diagnose

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/host/stats"
)

// The examples of VanderWeele and Ding 2017: maternal age and leukaemia is at
// risk ratio 3.9 (1.8 to 8.7): 7.2 and 3.0; a protective 0.80 (0.71 to 0.91)
// mirrors 1.25: 1.81 and 1.43.
func TestEValue_Published(t *testing.T) {
	for _, c := range []struct{ ratio, low, high, estimate, limit float64 }{
		{3.9, 1.8, 8.7, 7.26, 3.00},
		{.80, .71, .91, 1.81, 1.43},
		{1.2, .9, 1.6, 1.69, 1},
	} {
		e := RiskRatioEValue(stats.Interval{Estimate: number(c.ratio), Low: number(c.low), High: number(c.high)})
		if math.Abs(float64(e.Estimate)-c.estimate) > .006 || math.Abs(float64(e.Limit)-c.limit) > .006 {
			t.Errorf("risk ratio %v: got %.3f and %.3f, want %v and %v", c.ratio, e.Estimate, e.Limit, c.estimate, c.limit)
		}
	}
}

func TestEValue_ByHand(t *testing.T) {
	odds := stats.Interval{Estimate: 4, Low: 2.25, High: 9}
	near(t, "common outcome", float64(OddsRatioEValue(odds, .4).Estimate), 2+math.Sqrt2)
	near(t, "common outcome, limit", float64(OddsRatioEValue(odds, .4).Limit), 1.5+math.Sqrt(.75))
	near(t, "rare outcome", float64(OddsRatioEValue(odds, .1).Estimate), 4+math.Sqrt(12))
	rr := math.Exp(.91 * .5)
	near(t, "difference", float64(DifferenceEValue(.5, .1).Estimate), rr+math.Sqrt(rr*(rr-1)))
	low := math.Exp(.91*.5 - .178)
	near(t, "difference, limit", float64(DifferenceEValue(.5, .1).Limit), low+math.Sqrt(low*(low-1)))
	nan(t, "no ratio", float64(RiskRatioEValue(undefined()).Limit))
}

func TestEffect_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		Estimate, SE, DF             float64
		PartialR2                    float64 `json:"partial_r2"`
		Robustness, Covariate, Bound values
		Interval, Outcome, Exposure  float64
		Bias, Adjusted               float64
		AdjustedSE                   float64 `json:"adjusted_se"`
	}](t, "cinelli") {
		e := Effect{c.Estimate, c.SE, c.DF}
		near(t, "partial r2", e.PartialR2(), c.PartialR2)
		near(t, "robustness value", e.RobustnessValue(1), c.Robustness[0])
		near(t, "robustness value at a half", e.RobustnessValue(.5), c.Robustness[1])
		near(t, "robustness value of the interval", e.RobustnessOfInterval(1, .05), c.Interval)
		near(t, "bias", e.Bias(c.Outcome, c.Exposure), c.Bias)
		near(t, "adjusted", e.Adjusted(c.Outcome, c.Exposure).Estimate, c.Adjusted)
		near(t, "adjusted se", e.Adjusted(c.Outcome, c.Exposure).SE, c.AdjustedSE)
		if c.Bound != nil {
			outcome, exposure := Benchmark(c.Covariate[0], c.Covariate[1], 1)
			near(t, "benchmark, outcome", outcome, c.Bound[0])
			near(t, "benchmark, exposure", exposure, c.Bound[1])
		}
	}
	outcome, _ := Benchmark(.7, .1, 1)
	nan(t, "an impossible confounder", outcome)
}

func TestAusten_Reference(t *testing.T) {
	c := fixture[struct {
		Propensity, Exposure, Outcome, Model values
		Bias                                 float64
		Points                               []struct{ Alpha, R2 float64 }
	}](t, "austen")
	a := NewAusten(c.Propensity, c.Exposure, c.Outcome, c.Model)
	for _, p := range c.Points {
		near(t, "partial r2", a.PartialR2(p.Alpha, c.Bias), p.R2)
	}
}

func TestAustenReference_ByHand(t *testing.T) {
	alpha, r2 := AustenReference([]float64{.2, .8}, []float64{.5, .5}, []float64{0, 2}, []float64{0, 1}, []float64{1, 0})
	near(t, "alpha", alpha, 1-.16/.25)
	near(t, "r2", r2, (2.5-.5)/2.5)
}

func TestRosenbaum_Reference(t *testing.T) {
	for _, c := range fixture[[]struct {
		Differences, P values
		Gamma          float64
	}](t, "rosenbaum") {
		for i, gamma := range []float64{1, 1.5, 3} {
			near(t, "p", RosenbaumP(c.Differences, gamma), c.P[i])
		}
		near(t, "gamma", RosenbaumGamma(c.Differences, .05), c.Gamma)
	}
	nan(t, "no differences", RosenbaumGamma([]float64{0, math.NaN()}, .05))
}
