package stats

import (
	"math"
	"testing"
)

func TestPower_Statsmodels(t *testing.T) {
	for _, f := range load(t).Power {
		root := math.Sqrt(float64(f.N))
		near(t, "power", PowerT(f.Effect*root, float64(f.N-1), f.Alpha), f.Power, 1e-8)
		near(t, "detectable", DetectableT(float64(f.N-1), f.Alpha, 0.8)/root, f.Detectable, 1e-8)
	}
	near(t, "power without a shift", PowerT(0, 4, 0.05), 0.05, 1e-10)
	nan(t, "power without freedom", PowerT(1, 0, 0.05))
	nan(t, "detectable without freedom", DetectableT(0, 0.05, 0.8))
	nan(t, "detectable with less power than level", DetectableT(4, 0.05, 0.01))
}

func TestNoncentralT_SciPy(t *testing.T) {
	for _, f := range load(t).Noncentral {
		near(t, "cdf", noncentralT(f.T, f.Freedom, f.Shift), f.CDF, 1e-9)
	}
}

func TestHanleyMcNeil_Reference(t *testing.T) {
	for _, f := range load(t).HanleyMcNeil {
		near(t, "variance", HanleyMcNeil(f.AUROC, f.Events, f.NonEvents), f.Variance, 1e-15)
	}
}

func TestDesign_Detectable(t *testing.T) {
	d := Design{Seeds: 5, Events: 50, NonEvents: 450, AUROC: 0.8, Correlation: 0.95, TrainingSD: 0.01, Alpha: 0.05, Power: 0.8}
	got := d.Detectable()
	near(t, "trainings", float64(got.Trainings), 0.01/math.Sqrt(5), 1e-12)
	near(t, "patients", float64(got.Patients), math.Sqrt(2*0.05*HanleyMcNeil(0.8, 50, 450)), 1e-12)
	// As many seeds as one likes do not find more than the patients allow.
	many := d
	many.Seeds = 100_000
	limit := (1.959964 + 0.841621) * float64(many.Detectable().Patients)
	if v := float64(many.Detectable().Difference); v < limit || v > 1.01*limit || float64(got.Difference) < v {
		t.Errorf("%v with 5 seeds, %v with many; the patients allow %v", got.Difference, v, limit)
	}
	// With arms that rank patients alike it is the paired t test over seeds.
	same := d
	same.Correlation = 1
	near(t, "over seeds alone", float64(same.Detectable().Difference), DetectableT(4, 0.05, 0.8)*0.01/math.Sqrt(5), 1e-12)
	for _, bad := range []Design{{Seeds: 1, Events: 5, NonEvents: 5}, {Seeds: 3, NonEvents: 5}, {Seeds: 3, Events: 5}} {
		nan(t, "difference of a design without a test", float64(bad.Detectable().Difference))
	}
}
