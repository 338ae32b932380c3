package stats

import (
	"math"

	"gonum.org/v1/gonum/stat/distuv"
)

// PowerT is the probability that a two-sided t test at the level alpha rejects
// when the true mean is shift standard errors from 0: both tails of the noncentral
// t distribution with freedom degrees of freedom. For n paired differences the
// standard error is sd/√n and freedom is n − 1.
func PowerT(shift, freedom, alpha float64) float64 {
	if !(freedom > 0) || !(alpha > 0 && alpha < 1) || math.IsNaN(shift) {
		return math.NaN()
	}
	critical := distuv.StudentsT{Sigma: 1, Nu: freedom}.Quantile(1 - alpha/2)
	return 1 - noncentralT(critical, freedom, shift) + noncentralT(-critical, freedom, shift)
}

// DetectableT is the smallest mean, in standard errors, that a two-sided t test
// at the level alpha finds with the given power; the inverse of PowerT.
func DetectableT(freedom, alpha, power float64) float64 {
	if !(freedom > 0) || !(alpha > 0 && alpha < power && power < 1) {
		return math.NaN()
	}
	high := 1.0
	for PowerT(high, freedom, alpha) < power {
		high *= 2
	}
	return bisect(0, high, func(shift float64) bool { return PowerT(shift, freedom, alpha) < power })
}

// noncentralT is P(T ≤ t) of the noncentral t distribution: the expectation of
// Φ(t s − shift) over s = √(χ²/freedom).
func noncentralT(t, freedom, shift float64) float64 {
	return overScale(freedom, 1200, func(s float64) float64 { return distuv.UnitNormal.CDF(t*s - shift) })
}

// overScale is the expectation of f(s) over s = √(χ²/freedom), taken over log s by
// the trapezoidal rule, which is exact to rounding for a smooth f.
func overScale(freedom float64, points int, f func(s float64) float64) float64 {
	reach := math.Sqrt(40 / freedom)
	low, high := -reach-40/freedom, min(reach, 3)
	step := (high - low) / float64(points)
	logGamma, _ := math.Lgamma(freedom / 2)
	scale := math.Ln2 + freedom/2*math.Log(freedom/2) - logGamma
	var sum float64
	for i := range points + 1 {
		x := low + float64(i)*step
		s := math.Exp(x)
		sum += math.Exp(scale+freedom*x-freedom*s*s/2) * f(s)
	}
	return min(1, sum*step)
}

// Design is what a paired comparison of AUROCs will have.
type Design struct {
	Seeds int // matched trainings
	// Events and NonEvents are the patients who are tested, each counted once
	// however many seeds test him.
	Events, NonEvents int
	// AUROC is that of both arms, about.
	AUROC float64
	// Correlation is that of the AUROCs of the two arms over samples of patients:
	// near 1 for variants of one backbone, which rank patients nearly alike.
	Correlation float64
	// TrainingSD is the standard deviation between seeds of the difference between
	// the arms on the same patients.
	TrainingSD float64
	Alpha      float64 // level of one comparison, two-sided
	Power      float64
}

// Detectable is a minimum detectable difference and what it is made of.
type Detectable struct {
	// Difference of AUROC that is found with the power of the design.
	Difference Number `json:"difference"`
	// Trainings and Patients are the two parts of its standard error.
	Trainings Number `json:"se_trainings"`
	Patients  Number `json:"se_patients"`
}

// Detectable is the smallest true difference between the AUROCs of two arms that
// PairedBootstrap finds with the power of the design. The variance of the
// estimated difference is
//
//	TrainingSD²/Seeds + 2 (1 − Correlation) V
//
// with V the variance of one AUROC over patients by Hanley and McNeil (Radiology
// 1982, eq. 2, with their exponential approximation of Q1 and Q2) and the
// correlation as in Hanley and McNeil (Radiology 1983). Seeds do not shrink the
// second part: more of them test the same patients again. See DetectableDifference
// for the test.
//
// Everything is NaN with fewer than two seeds, which give no test, or without
// events or non-events.
func (d Design) Detectable() Detectable {
	none := Number(math.NaN())
	if d.Seeds < 2 || d.Events < 1 || d.NonEvents < 1 {
		return Detectable{none, none, none}
	}
	patients := 2 * (1 - d.Correlation) * HanleyMcNeil(d.AUROC, d.Events, d.NonEvents)
	return DetectableDifference(d.TrainingSD*d.TrainingSD/float64(d.Seeds), patients, d.Seeds, d.Alpha, d.Power)
}

// DetectableDifference is Detectable from the two parts of the variance of the
// mean difference: trainings, whose variance the test estimates from so many
// seeds, and patients. As in PairedBootstrap the mean is held against the sum of a
// Student t with seeds − 1 degrees of freedom, times the estimated standard error
// over seeds, and a normal variable for the patients; the power is averaged over
// what that standard error can turn out to be. TestMeasurePower holds it against
// simulated sweeps. Without a part of patients it is the power of the paired t
// test.
func DetectableDifference(trainings, patients float64, seeds int, alpha, power float64) Detectable {
	d := Detectable{Difference: Number(math.NaN()), Trainings: Number(math.Sqrt(trainings)), Patients: Number(math.Sqrt(patients))}
	total := math.Sqrt(trainings + patients)
	if seeds < 2 || !(alpha > 0 && alpha < power && power < 1) || math.IsNaN(total) {
		return d
	}
	if total == 0 {
		d.Difference = 0
		return d
	}
	freedom := float64(seeds - 1)
	if patients == 0 {
		d.Difference = Number(DetectableT(freedom, alpha, power) * total)
		return d
	}
	// Critical values by the standard error over seeds, in the order overScale asks
	// for them; they do not depend on the difference.
	const points = 160
	var criticals []float64
	overScale(freedom, points, func(s float64) float64 {
		criticals = append(criticals, mixedCritical(s*math.Sqrt(trainings), math.Sqrt(patients), freedom, alpha))
		return 0
	})
	found := func(shift float64) float64 {
		i := -1
		return overScale(freedom, points, func(float64) float64 {
			i++
			return distuv.UnitNormal.CDF((shift-criticals[i])/total) + distuv.UnitNormal.CDF((-shift-criticals[i])/total)
		})
	}
	high := total
	for found(high) < power {
		high *= 2
	}
	d.Difference = Number(bisect(0, high, func(shift float64) bool { return found(shift) < power }))
	return d
}

// mixedCritical is the 1 − alpha/2 quantile of trainings·T + patients·Z with T of
// Student's t and Z standard normal.
func mixedCritical(trainings, patients, freedom, alpha float64) float64 {
	below := func(x float64) bool {
		return overScale(freedom, 160, func(s float64) float64 {
			return distuv.UnitNormal.CDF(x / math.Hypot(trainings/s, patients))
		}) < 1-alpha/2
	}
	high := trainings + patients
	for below(high) {
		high *= 2
	}
	low := 0.0
	for range 40 { // to 12 digits
		middle := (low + high) / 2
		if below(middle) {
			low = middle
		} else {
			high = middle
		}
	}
	return (low + high) / 2
}

// HanleyMcNeil is the variance of an AUROC over samples of patients, from its
// value and the numbers of events and non-events alone (Hanley and McNeil,
// Radiology 1982).
func HanleyMcNeil(auroc float64, events, nonEvents int) float64 {
	m, n := float64(events), float64(nonEvents)
	q1, q2 := auroc/(2-auroc), 2*auroc*auroc/(1+auroc)
	return (auroc*(1-auroc) + (m-1)*(q1-auroc*auroc) + (n-1)*(q2-auroc*auroc)) / (m * n)
}
