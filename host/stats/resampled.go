package stats

import (
	"math"

	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"
)

// CorrectedT is the corrected resampled t test of Nadeau and Bengio (Machine
// Learning 2003, eq. 12) that the mean of paired differences is 0, one difference
// a seed, where every seed draws training and test rows anew. Trainings on parts
// that overlap agree more than independent ones, so that the plain t test is far
// too sure; here the variance of the mean is
//
//	(1/n + testShare/trainShare) s²
//
// with ratio = testShare/trainShare the number of test rows for every training
// row. With ratio 0 it is the paired t test. The interval belongs to the same t
// with n − 1 degrees of freedom. NaN differences are left out; with fewer than
// two, or without a variance, p is NaN.
func CorrectedT(differences []float64, ratio, confidence float64) (Interval, float64) {
	known := finite(differences)
	if len(known) < 2 || !(ratio >= 0) {
		none := Number(math.NaN())
		mean := none
		if len(known) > 0 {
			mean = Number(stat.Mean(known, nil))
		}
		return Interval{mean, none, none}, math.NaN()
	}
	mean, sd := stat.MeanStdDev(known, nil)
	n := float64(len(known))
	se := sd * math.Sqrt(1/n+ratio)
	t := distuv.StudentsT{Sigma: 1, Nu: n - 1}
	half := t.Quantile(0.5+confidence/2) * se
	p := math.NaN()
	if se > 0 {
		p = 2 * t.CDF(-math.Abs(mean)/se)
	}
	return Interval{Number(mean), Number(mean - half), Number(mean + half)}, p
}
