package diagnose

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// Effect is a coefficient of a linear regression: estimate, standard error and
// residual degrees of freedom. Its methods are the sensitivity analysis of Cinelli
// and Hazlett (JRSS-B 2020), where a confounder explains the partial R² outcome of
// the outcome and exposure of the exposure.
type Effect struct{ Estimate, SE, DF float64 }

// PartialR2 is t²/(t²+df), the share of the residual outcome that the exposure
// explains; a confounder that explains all the outcome must explain as much of
// the exposure to bring the effect to 0.
func (e Effect) PartialR2() float64 {
	t := e.Estimate / e.SE
	return t * t / (t*t + e.DF)
}

// RobustnessValue is the partial R² that a confounder needs with both exposure and
// outcome to reduce the estimate by the share q: ½(√(f⁴+4f²) − f²), f = q|t|/√df.
func (e Effect) RobustnessValue(q float64) float64 {
	return robustness(q * math.Abs(e.Estimate/e.SE) / math.Sqrt(e.DF))
}

func robustness(f float64) float64 {
	return (math.Sqrt(f*f*f*f+4*f*f) - f*f) / 2
}

// RobustnessOfInterval is the same for making the reduced effect insignificant at
// alpha (eq. 19 with the correction of section 4.3): 0 if it already is.
func (e Effect) RobustnessOfInterval(q, alpha float64) float64 {
	f := q * math.Abs(e.Estimate/e.SE) / math.Sqrt(e.DF)
	quantile := distuv.StudentsT{Mu: 0, Sigma: 1, Nu: e.DF - 1}.Quantile(1 - alpha/2)
	critical := quantile / math.Sqrt(e.DF-1)
	switch rest := f - critical; {
	case rest < 0:
		return 0
	case f > 1/critical:
		return (f*f - critical*critical) / (1 + f*f)
	default:
		return robustness(rest)
	}
}

// Bias bounds |bias| by √(R²_Y·R²_D/(1−R²_D))·se·√df (eq. 14).
func (e Effect) Bias(outcome, exposure float64) float64 {
	return math.Sqrt(outcome*exposure/(1-exposure)) * e.SE * math.Sqrt(e.DF)
}

// Adjusted is the effect after a confounder that pulls it towards 0, with its
// standard error (eq. 15).
func (e Effect) Adjusted(outcome, exposure float64) Effect {
	size := math.Abs(e.Estimate) - e.Bias(outcome, exposure)
	return Effect{
		Estimate: math.Copysign(1, e.Estimate) * size,
		SE:       math.Sqrt((1-outcome)/(1-exposure)) * e.SE * math.Sqrt(e.DF/(e.DF-1)),
		DF:       e.DF - 1,
	}
}

// Benchmark bounds the partial R² of a confounder k times as strong as an observed
// covariate whose partial R² with exposure and outcome are given (section 4.4).
// NaN where no such confounder can exist.
func Benchmark(covariateExposure, covariateOutcome, k float64) (outcome, exposure float64) {
	exposure = k * covariateExposure / (1 - covariateExposure)
	if exposure >= 1 {
		return math.NaN(), math.NaN()
	}
	between := k * covariateExposure * covariateExposure / ((1 - k*covariateExposure) * (1 - covariateExposure))
	if between >= 1 || k*covariateExposure >= 1 {
		return math.NaN(), math.NaN()
	}
	factor := (math.Sqrt(k) + math.Sqrt(between)) / math.Sqrt(1-between)
	return math.Min(1, factor*factor*covariateOutcome/(1-covariateOutcome)), exposure
}
