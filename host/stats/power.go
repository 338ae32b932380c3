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
// Φ(t s − shift) over s = √(χ²/freedom), taken over log s by the trapezoidal rule,
// which is exact to rounding for such an integrand.
func noncentralT(t, freedom, shift float64) float64 {
	const points = 1200
	reach := math.Sqrt(40 / freedom)
	low, high := -reach-40/freedom, min(reach, 3)
	step := (high - low) / points
	logGamma, _ := math.Lgamma(freedom / 2)
	scale := math.Ln2 + freedom/2*math.Log(freedom/2) - logGamma
	var sum float64
	for i := range points + 1 {
		x := low + float64(i)*step
		s := math.Exp(x)
		sum += math.Exp(scale+freedom*x-freedom*s*s/2) * distuv.UnitNormal.CDF(t*s-shift)
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
	Freedom   Number `json:"degrees_of_freedom"`
}

// Detectable is the smallest true difference between the AUROCs of two arms that
// the paired comparison finds with the power of the design. The variance of the
// estimated difference is
//
//	TrainingSD²/Seeds + 2 (1 − Correlation) V
//
// with V the variance of one AUROC over patients by Hanley and McNeil (Radiology
// 1982, eq. 2, with their exponential approximation of Q1 and Q2) and the
// correlation as in Hanley and McNeil (Radiology 1983). Seeds do not shrink the
// second part: more of them test the same patients again. The test is a t test
// with the degrees of freedom of Satterthwaite (1946) for the sum of both parts.
//
// Everything is NaN with fewer than two seeds, which give no test, or without
// events or non-events.
func (d Design) Detectable() Detectable {
	none := Number(math.NaN())
	if d.Seeds < 2 || d.Events < 1 || d.NonEvents < 1 {
		return Detectable{none, none, none, none}
	}
	patients := 2 * (1 - d.Correlation) * HanleyMcNeil(d.AUROC, d.Events, d.NonEvents)
	trainings := d.TrainingSD * d.TrainingSD / float64(d.Seeds)
	return DetectableDifference(trainings, patients, d.Seeds, d.Events+d.NonEvents, d.Alpha, d.Power)
}

// DetectableDifference is Detectable from the two parts of the variance of the
// mean difference: trainings, estimated from so many seeds, and patients.
func DetectableDifference(trainings, patients float64, seeds, count int, alpha, power float64) Detectable {
	total := trainings + patients
	freedom := float64(seeds - 1)
	if patients > 0 {
		freedom = total * total / (trainings*trainings/float64(seeds-1) + patients*patients/float64(max(1, count-2)))
	}
	return Detectable{
		Difference: Number(DetectableT(freedom, alpha, power) * math.Sqrt(total)),
		Trainings:  Number(math.Sqrt(trainings)), Patients: Number(math.Sqrt(patients)), Freedom: Number(freedom),
	}
}

// HanleyMcNeil is the variance of an AUROC over samples of patients, from its
// value and the numbers of events and non-events alone (Hanley and McNeil,
// Radiology 1982).
func HanleyMcNeil(auroc float64, events, nonEvents int) float64 {
	m, n := float64(events), float64(nonEvents)
	q1, q2 := auroc/(2-auroc), 2*auroc*auroc/(1+auroc)
	return (auroc*(1-auroc) + (m-1)*(q1-auroc*auroc) + (n-1)*(q2-auroc*auroc)) / (m * n)
}
