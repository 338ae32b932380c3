package diagnose

import (
	"math"

	"github.com/deconfound/deconfound/host/stats"
)

// EValue is the risk ratio that an unmeasured confounder would need with both
// exposure and outcome to explain an association away (VanderWeele and Ding, Ann
// Intern Med 2017). Limit is that of the confidence limit nearer to 1, and 1 when
// the interval contains 1.
type EValue struct {
	Estimate stats.Number `json:"estimate"`
	Limit    stats.Number `json:"limit"`
}

// RiskRatioEValue takes a risk ratio with its limits; RR + √(RR(RR−1)), a ratio
// below 1 inverted first. NaN unless the ratio is positive.
func RiskRatioEValue(ratio stats.Interval) EValue {
	low, high := float64(ratio.Low), float64(ratio.High)
	e := EValue{number(eValue(float64(ratio.Estimate))), number(math.NaN())}
	switch {
	case math.IsNaN(low) || math.IsNaN(high):
	case low <= 1 && high >= 1:
		e.Limit = 1
	case low > 1:
		e.Limit = number(eValue(low))
	default:
		e.Limit = number(eValue(high))
	}
	return e
}

func eValue(ratio float64) float64 {
	if !(ratio > 0) {
		return math.NaN()
	}
	if ratio < 1 {
		ratio = 1 / ratio
	}
	return ratio + math.Sqrt(ratio*(ratio-1))
}

// RareOutcome is the prevalence below which an odds ratio stands for the risk ratio.
const RareOutcome = 0.15

// OddsRatioEValue takes an odds ratio as a risk ratio when the outcome is rare,
// else its square root (VanderWeele, Biometrics 2020).
func OddsRatioEValue(ratio stats.Interval, prevalence float64) EValue {
	if prevalence >= RareOutcome {
		root := func(n stats.Number) stats.Number { return number(math.Sqrt(float64(n))) }
		ratio = stats.Interval{Estimate: root(ratio.Estimate), Low: root(ratio.Low), High: root(ratio.High)}
	}
	return RiskRatioEValue(ratio)
}

// DifferenceEValue takes a standardised mean difference d and its standard error:
// RR ≈ exp(0.91 d) with limits exp(0.91 d ± 1.78 se) (VanderWeele and Ding 2017).
func DifferenceEValue(d, se float64) EValue {
	return RiskRatioEValue(stats.Interval{
		Estimate: number(math.Exp(.91 * d)), Low: number(math.Exp(.91*d - 1.78*se)), High: number(math.Exp(.91*d + 1.78*se)),
	})
}
