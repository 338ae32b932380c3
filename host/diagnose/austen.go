package diagnose

import (
	"math"

	"gonum.org/v1/gonum/mathext"
)

// Austen is the curve of Austen plots (Veitch and Zaveri, NeurIPS 2020): how
// strong a confounder must be, by α (influence on the exposure) and the partial R²
// of the outcome, to bias the effect by a given amount.
type Austen struct {
	propensity, exposure []float64
	error2               float64
}

// NewAusten takes the propensity g(x), the exposure 0 or 1, and the outcome with
// its model Q(t,x). Propensities must lie inside (0, 1).
func NewAusten(propensity, exposure, outcome, model []float64) Austen {
	check("exposures", len(exposure), len(propensity))
	check("outcomes", len(outcome), len(propensity))
	check("predictions", len(model), len(propensity))
	return Austen{propensity, exposure, meanSquare(outcome, model)}
}

func meanSquare(a, b []float64) float64 {
	sum := 0.0
	for i := range a {
		sum += (a[i] - b[i]) * (a[i] - b[i]) / float64(len(a))
	}
	return sum
}

// PartialR2 is the partial R² of the outcome that a confounder with influence
// alpha in (0, 1) needs for the bias: δ²·E[ψ₁(g(1/α−1)+t) + ψ₁((1−g)(1/α−1)+1−t)]
// / E(y−Q)², δ = bias·(1/α−1)/E[1/g + 1/(1−g)], ψ₁ the trigamma function. Above 1
// no confounder suffices.
func (a Austen) PartialR2(alpha, bias float64) float64 {
	k := 1/alpha - 1
	var inverse, variance float64
	n := float64(len(a.propensity))
	for i, g := range a.propensity {
		t := a.exposure[i]
		inverse += (1/g + 1/(1-g)) / n
		variance += (trigamma(g*k+t) + trigamma((1-g)*k+1-t)) / n
	}
	delta := bias * k / inverse
	return delta * delta * variance / a.error2
}

// trigamma is the Hurwitz zeta function ζ(2, x).
func trigamma(x float64) float64 { return mathext.Zeta(2, x) }

// AustenReference places an observed covariate in the plot: its influence on the
// exposure 1 − E[g(1−g)]/E[g₋(1−g₋)], at least 0, and on the outcome
// (MSE₋ − MSE)/MSE₋, where − means models without it.
func AustenReference(propensity, propensityWithout, outcome, model, modelWithout []float64) (alpha, partialR2 float64) {
	spread := func(g []float64) float64 {
		sum := 0.0
		for _, v := range g {
			sum += v * (1 - v) / float64(len(g))
		}
		return sum
	}
	with, without := meanSquare(outcome, model), meanSquare(outcome, modelWithout)
	return math.Max(0, 1-spread(propensity)/spread(propensityWithout)), (without - with) / without
}
