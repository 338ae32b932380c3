package diagnose

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/stat/distuv"

	"github.com/deconfound/deconfound/host/stats"
)

// The bounds of |SMD| (Stuart, Lee and Leacy, J Clin Epidemiol 2013): good up to
// the first, bad beyond the second.
const (
	Balanced   = 0.10
	Unbalanced = 0.25
)

// Balance compares a covariate between rows with and without a block.
type Balance struct {
	Covariate string `json:"covariate"`
	// Indicator says that the covariate takes two values only.
	Indicator bool         `json:"indicator"`
	Present   stats.Number `json:"mean_present"`
	Absent    stats.Number `json:"mean_absent"`
	// SMD is (mean present − mean absent)/s*, s* = √((s₁²+s₀²)/2) of the
	// unweighted rows, also under weights (Austin, Stat Med 2009; as cobalt). NaN
	// where the covariate does not vary, ±Inf where it varies between the two kinds
	// of rows only.
	SMD         stats.Number `json:"smd"`
	WeightedSMD stats.Number `json:"weighted_smd"`
	// VarianceRatio is s₁²/s₀², unweighted.
	VarianceRatio stats.Number `json:"variance_ratio"`
	// WelchT, WelchDF and WelchP are Welch's t-test of the two means (Biometrika
	// 1947), unweighted and two-sided; NaN where the covariate does not vary.
	WelchT  stats.Number `json:"welch_t"`
	WelchDF stats.Number `json:"welch_df"`
	WelchP  stats.Number `json:"welch_p"`
}

// CompareCovariates compares every column of x, [n, width]. names may be nil.
// Weights are those of StabilisedWeights; nil leaves WeightedSMD equal to SMD.
func CompareCovariates(names []string, x []float64, width int, available, weights []float64) []Balance {
	n := len(available)
	check("values", len(x), n*width)
	w := orOnes(weights, n)
	out := make([]Balance, width)
	for j := range out {
		var count, sum, weight, weighted [2]float64
		for i, a := range available {
			k, v := int(a), x[i*width+j]
			count[k]++
			sum[k] += v
			weight[k] += w[i]
			weighted[k] += w[i] * v
		}
		mean := [2]float64{sum[0] / count[0], sum[1] / count[1]}
		var variance [2]float64
		for i, a := range available {
			k := int(a)
			d := x[i*width+j] - mean[k]
			variance[k] += d * d / (count[k] - 1)
		}
		s := math.Sqrt((variance[0] + variance[1]) / 2)
		if s == 0 && mean[0] == mean[1] {
			s = math.NaN()
		}
		b := Balance{
			Present: number(mean[1]), Absent: number(mean[0]), SMD: number((mean[1] - mean[0]) / s),
			WeightedSMD: number((weighted[1]/weight[1] - weighted[0]/weight[0]) / s), VarianceRatio: number(variance[1] / variance[0]),
		}
		b.welch(mean, variance, count)
		b.Indicator = twoValued(x, width, j)
		if names != nil {
			b.Covariate = names[j]
		}
		out[j] = b
	}
	return out
}

// welch is (m₁−m₀)/√(s₁²/n₁+s₀²/n₀) with the degrees of freedom of Satterthwaite.
func (b *Balance) welch(mean, variance, count [2]float64) {
	one, zero := variance[1]/count[1], variance[0]/count[0]
	square := one + zero
	df := square * square / (one*one/(count[1]-1) + zero*zero/(count[0]-1))
	t, p := (mean[1]-mean[0])/math.Sqrt(square), math.NaN()
	if df > 0 {
		p = 2 * distuv.StudentsT{Sigma: 1, Nu: df}.Survival(math.Abs(t))
	} else {
		t, df = math.NaN(), math.NaN()
	}
	b.WelchT, b.WelchDF, b.WelchP = number(t), number(df), number(p)
}

// JudgeBalance judges the largest difference that weighting leaves, in any
// covariate: ok up to Balanced, a failure beyond Unbalanced. effective is what the
// n rows are worth under the weights.
func JudgeBalance(name string, list []Balance, n int, effective float64) Finding {
	worst := -1
	for j, b := range list {
		if v := math.Abs(float64(b.WeightedSMD)); !math.IsNaN(v) && (worst < 0 || v > math.Abs(float64(list[worst].WeightedSMD))) {
			worst = j
		}
	}
	if worst < 0 {
		return unknown(name, n, "no covariate varies")
	}
	left := math.Abs(float64(list[worst].WeightedSMD))
	f := found(name, left, n, effective)
	if math.IsInf(left, 0) {
		return f.judge(Fail, "%s alone decides who has it", list[worst].Covariate)
	}
	verdict := OK
	switch {
	case left > Unbalanced:
		verdict = Fail
	case left > Balanced:
		verdict = Warn
	}
	return f.judge(verdict, "weighted for availability, %s differs most between rows with and without it: by %.2f SD, from %.2f before",
		list[worst].Covariate, left, math.Abs(float64(list[worst].SMD)))
}

func twoValued(x []float64, width, column int) bool {
	var seen []float64
	for i := column; i < len(x); i += width {
		if !slices.Contains(seen, x[i]) {
			if seen = append(seen, x[i]); len(seen) > 2 {
				return false
			}
		}
	}
	return len(seen) == 2
}
