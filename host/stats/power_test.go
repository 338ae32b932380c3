package stats

import (
	"math"
	"math/rand/v2"
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
	// With arms that rank patients alike, or nearly, it is the paired t test over
	// seeds.
	alone := DetectableT(4, 0.05, 0.8) * 0.01 / math.Sqrt(5)
	for correlation, tolerance := range map[float64]float64{1: 1e-12, 1 - 1e-9: 1e-6} {
		same := d
		same.Correlation = correlation
		near(t, "over seeds alone", float64(same.Detectable().Difference), alone, tolerance)
	}
	if float64(got.Difference) < alone {
		t.Errorf("patients and seeds find %v, seeds alone %v", got.Difference, alone)
	}
	for _, bad := range []Design{{Seeds: 1, Events: 5, NonEvents: 5}, {Seeds: 3, NonEvents: 5}, {Seeds: 3, Events: 5}} {
		nan(t, "difference of a design without a test", float64(bad.Detectable().Difference))
	}
	near(t, "without any variance", float64(DetectableDifference(0, 0, 3, 0.05, 0.8).Difference), 0, 0)
	nan(t, "with less power than level", float64(DetectableDifference(1, 1, 3, 0.05, 0.01).Difference))
}

// Critical values of the sum of a t and a normal variable, by a large sample.
func TestMixedCritical(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	for _, c := range []struct{ trainings, patients, freedom float64 }{{1, 1, 2}, {0.3, 1, 4}, {2, 1, 9}} {
		critical := mixedCritical(c.trainings, c.patients, c.freedom, 0.05)
		const draws = 200_000
		beyond := 0
		for range draws {
			v := c.trainings*drawStudent(int(c.freedom)+1, r)[int(c.freedom)] + c.patients*r.NormFloat64()
			if math.Abs(v) > critical {
				beyond++
			}
		}
		near(t, "share beyond the critical value", float64(beyond)/draws, 0.05, 0.0017)
	}
	near(t, "without trainings", mixedCritical(0, 2, 3, 0.05), 2*1.959964, 1e-5)
	near(t, "without patients", mixedCritical(2, 0, 3, 0.05), 2*3.182446, 1e-5)
}
