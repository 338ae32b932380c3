package diagnose

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/host/stats"
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

// JudgeRobustness is the relative robustness of the AUROC over rates of missing
// blocks, the first of which is 0, divided by the AUROC at rate 0: 1 keeps all.
// labels are known; the two curves answer AUROCs under weights of the rows, the
// second of a late fusion that has no mask (NaN where there is none). It warns when
// the model keeps less than the late fusion by 0.01 or more, certainly over the same
// resampled patients, and fails from 0.05: the limits of AUROCChange.
func JudgeRobustness(name string, rates, labels []float64, model, reference func(weights []float64) []float64, b Bootstrap) Finding {
	n := len(labels)
	events := 0
	for _, y := range labels {
		events += int(y)
	}
	if events < stats.MinEvents || n-events < stats.MinEvents {
		return unknown(name, n, "%d events and %d non-events are too few; at least %d of both are needed", events, n-events, stats.MinEvents)
	}
	relative := func(values []float64) float64 { return RelativeRobustness(rates, values) / values[0] }
	f := found(name, math.NaN(), n, float64(distinct(b.Clusters, n)))
	f.Interval = b.interval(func(w []float64) float64 { return relative(model(w)) })
	ones := orOnes(nil, n)
	mine, theirs := model(ones), reference(ones)
	text := fmt.Sprintf("blocks missing at random at rates up to %.1f leave %.3f of the AUROC on average", rates[len(rates)-1], float64(f.Estimate))
	if math.IsNaN(theirs[0]) {
		return f.judge(None, "%s; there is no late fusion to compare with", text)
	}
	text += fmt.Sprintf(", of that of a late fusion %.3f (effective robustness %+.3f)", relative(theirs), EffectiveRobustness(mine, theirs))
	lost := b.interval(func(w []float64) float64 { return relative(reference(w)) - relative(model(w)) })
	switch {
	case lost.Estimate >= .05 && lost.Low > 0:
		return f.judge(Fail, "%s", text)
	case lost.Estimate >= .01 && lost.Low > 0:
		return f.judge(Warn, "%s", text)
	}
	return f.judge(OK, "%s", text)
}

// JudgePatternShift is the change of the AUROC while the mix of patterns goes from
// that of the rows, α = 0, to the one they would have if the classes swapped
// theirs, P_flip(k) = Σ_y P(y) P(k | 1−y), α = 1; the points are between. It warns
// at a certain loss of 0.02 and fails at 0.05.
func JudgePatternShift(name string, scores, labels []float64, levels []string, b Bootstrap) (Finding, []SweepPoint) {
	rows := knownOf(labels)
	y, s, l := pick(labels, rows), pick(scores, rows), make([]string, len(rows))
	b = b.of(rows)
	n := float64(len(rows))
	var class [2]float64
	count := [2]map[string]float64{{}, {}}
	for k, i := range rows {
		l[k] = levels[i]
		class[int(y[k])]++
		count[int(y[k])][l[k]]++
	}
	if class[0] < stats.MinEvents || class[1] < stats.MinEvents {
		return unknown(name, len(rows), "%.0f events and %.0f non-events are too few; at least %d of both are needed", class[1], class[0], stats.MinEvents), nil
	}
	target := map[string]float64{}
	for c := range count {
		for level, k := range count[c] {
			target[level] += class[1-c] / n * k / class[c]
		}
	}
	if len(target) < 2 {
		return unknown(name, len(rows), "all rows have the same pattern"), nil
	}
	auroc := WeightedAUROC(s, y)
	var mixes [][]float64
	points, _ := PatternSweep(l, target, []float64{0, .25, .5, .75, 1}, func(mix []float64) float64 {
		mixes = append(mixes, mix)
		return auroc(mix)
	})
	f := found(name, math.NaN(), len(rows), float64(distinct(b.Clusters, len(rows))))
	swapped, weighted := mixes[len(mixes)-1], make([]float64, len(rows))
	f.Interval = b.interval(func(w []float64) float64 {
		for i := range weighted {
			weighted[i] = swapped[i] * w[i]
		}
		return auroc(weighted) - auroc(w)
	})
	verdict := OK
	if f.Estimate <= -.02 && f.High < 0 {
		verdict = Warn
	}
	if f.Estimate <= -.05 && f.High < 0 {
		verdict = Fail
	}
	return f.judge(verdict, "if the classes swapped their patterns, the AUROC would go from %.3f to %.3f", points[0].Value, points[len(points)-1].Value), points
}

// JudgeWorst is WorstLogLoss with limits over patients; it is told, not judged.
func JudgeWorst(name string, scores, labels []float64, share float64, b Bootstrap) Finding {
	rows := knownOf(labels)
	if len(rows) == 0 {
		return unknown(name, 0, "no label is known")
	}
	s, y := pick(scores, rows), pick(labels, rows)
	b = b.of(rows)
	losses := make([]float64, len(rows))
	for i := range rows {
		losses[i] = WorstLogLoss(s[i:i+1], y[i:i+1], 1)
	}
	order := sequence(len(rows))
	slices.SortStableFunc(order, func(i, j int) int { return cmp.Compare(losses[j], losses[i]) })
	f := found(name, WorstLogLoss(s, y, share), len(rows), float64(distinct(b.Clusters, len(rows))))
	f.Interval = b.interval(func(w []float64) float64 {
		total := 0.0
		for _, v := range w {
			total += v
		}
		left, sum := share*total, 0.0
		for _, i := range order {
			part := math.Min(w[i], left)
			sum += part * losses[i]
			if left -= part; left <= 0 {
				break
			}
		}
		return sum / (share * total)
	})
	return f.judge(None, "log loss of the worst %.0f %% of rows; compare it between variants", 100*share)
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

// JudgeSpread is the gap of an AUROC over patterns, values of patterns with the
// given rows, n in all. It is told, not judged.
func JudgeSpread(name string, values []float64, rows []int, n int) Finding {
	if len(values) < 2 {
		return unknown(name, n, "fewer than two patterns have enough rows and events")
	}
	gap, deviation := Spread(values, rows)
	covered := 0
	for _, r := range rows {
		covered += r
	}
	return found(name, gap, covered, float64(covered)).judge(None, "the AUROC of %d patterns differs by %.3f (weighted deviation %.3f); not judged, as less is known of some than of others", len(values), gap, deviation)
}
