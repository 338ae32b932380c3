package diagnose

import (
	"cmp"
	"math"
	"slices"
)

// SweepPoint is the metric at one mix of patterns.
type SweepPoint struct{ Alpha, Value, Effective float64 }

// PatternSweep re-weights test rows to the pattern mixes (1−α)P + α·target for
// every α and measures them: metric gets one weight a row (mean 1) and returns
// the figure. P is the mix of the rows themselves; target gives the mass of every
// level at α = 1, and mass on levels without rows is lost. slope is the least
// squares slope of the defined values on α, NaN with fewer than two.
func PatternSweep(levels []string, target map[string]float64, alphas []float64, metric func(weights []float64) float64) (points []SweepPoint, slope float64) {
	n := float64(len(levels))
	count := map[string]float64{}
	for _, l := range levels {
		count[l]++
	}
	var names []string
	for l := range count {
		names = append(names, l)
	}
	slices.Sort(names) // a sum over a map would not keep its bits
	var mass float64
	for _, l := range names {
		mass += target[l]
	}
	var sx, sy, sxx, sxy, m float64
	for _, alpha := range alphas {
		weights := make([]float64, len(levels))
		for i, l := range levels {
			share := count[l] / n
			weights[i] = ((1-alpha)*share + alpha*target[l]/mass) / share
		}
		p := SweepPoint{alpha, metric(weights), KishSize(weights)}
		points = append(points, p)
		if !math.IsNaN(p.Value) {
			sx, sy, sxx, sxy, m = sx+alpha, sy+p.Value, sxx+alpha*alpha, sxy+alpha*p.Value, m+1
		}
	}
	d := m*sxx - sx*sx
	if m < 2 || d == 0 {
		return points, math.NaN()
	}
	return points, (m*sxy - sx*sy) / d
}

// RelativeRobustness is the area under a metric over increasing noise, by the
// trapezoid rule, divided by the range of the noise (Liang et al., MultiBench,
// NeurIPS 2021, section 2.3). NaN with fewer than two points.
func RelativeRobustness(noise, metric []float64) float64 {
	check("values", len(metric), len(noise))
	if len(noise) < 2 {
		return math.NaN()
	}
	area := 0.0
	for i := 1; i < len(noise); i++ {
		area += (metric[i] + metric[i-1]) / 2 * (noise[i] - noise[i-1])
	}
	return area / (noise[len(noise)-1] - noise[0])
}

// EffectiveRobustness is Σ_t (f_t − (g_t + f_0 − g_0)): what the metric f keeps
// under noise beyond a late-fusion reference g that starts at the same level
// (MultiBench, as above).
func EffectiveRobustness(metric, reference []float64) float64 {
	check("values", len(reference), len(metric))
	sum := 0.0
	for t, f := range metric {
		sum += f - (reference[t] + metric[0] - reference[0])
	}
	return sum
}

// WorstLogLoss is the mean log-loss of the worst share of the rows (conditional
// value at risk; Rockafellar and Uryasev 2000): the row at the border counts in
// part. Scores are clipped as in stats.LogLoss.
func WorstLogLoss(scores, labels []float64, share float64) float64 {
	check("labels", len(labels), len(scores))
	var losses []float64
	for i, y := range labels {
		if math.IsNaN(y) {
			continue
		}
		p := math.Min(math.Max(scores[i], probabilityClip), 1-probabilityClip)
		losses = append(losses, -y*math.Log(p)-(1-y)*math.Log(1-p))
	}
	slices.SortFunc(losses, func(a, b float64) int { return cmp.Compare(b, a) })
	budget := share * float64(len(losses))
	if !(budget > 0) {
		return math.NaN()
	}
	left, sum := budget, 0.0
	for _, l := range losses {
		part := math.Min(1, left)
		sum += part * l
		if left -= part; left <= 0 {
			break
		}
	}
	return sum / budget
}

// HanleyVariance is the variance of an AUROC by Hanley and McNeil (Radiology
// 1982), for groups too small for DeLong's: it needs the counts alone.
func HanleyVariance(auroc float64, events, nonEvents int) float64 {
	q1, q2, square := auroc/(2-auroc), 2*auroc*auroc/(1+auroc), auroc*auroc
	m, n := float64(events), float64(nonEvents)
	return (auroc*(1-auroc) + (m-1)*(q1-square) + (n-1)*(q2-square)) / (m * n)
}

// Spread sums up a metric over patterns: Gap is max − min, Deviation the standard
// deviation weighted by the rows of the patterns. NaN values are left out.
func Spread(values []float64, rows []int) (gap, deviation float64) {
	check("counts", len(rows), len(values))
	low, high := math.Inf(1), math.Inf(-1)
	var total, mean float64
	for i, v := range values {
		if !math.IsNaN(v) {
			low, high = math.Min(low, v), math.Max(high, v)
			total += float64(rows[i])
			mean += float64(rows[i]) * v
		}
	}
	if total == 0 {
		return math.NaN(), math.NaN()
	}
	mean /= total
	variance := 0.0
	for i, v := range values {
		if !math.IsNaN(v) {
			variance += float64(rows[i]) / total * (v - mean) * (v - mean)
		}
	}
	return high - low, math.Sqrt(variance)
}
