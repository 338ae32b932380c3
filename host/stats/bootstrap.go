package stats

import (
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/stat"
)

// Bootstrap says how the paired bootstrap is run.
type Bootstrap struct {
	Resamples  int
	Confidence float64 // e.g. 0.95
}

// Replicated is a paired difference with its bootstrap distribution summed up.
type Replicated struct {
	Interval
	// P is two-sided, by inversion of the percentile interval with the +1
	// correction (Davison and Hinkley 1997, section 4.4): twice the smaller of
	// (1 + replicates ≤ 0)/(1 + R) and (1 + replicates ≥ 0)/(1 + R), at most 1. So
	// p < 1 − Confidence and an interval without 0 agree, up to one replicate.
	P Number
	// Resamples is R: the replicates in which the metric was defined.
	Resamples int
}

// pair holds the rows of one seed that both arms scored, by position.
type pair struct {
	weights []float64
	cluster []int32 // index shared by all seeds of the comparison
	groups  []arms
}

// arms are the two evaluators of a group of rows. target is where the replicate
// goes: 0 for all rows, 1 for the worst of the patterns, from 2 for a pattern.
type arms struct {
	target   int
	baseline evaluator
	variant  evaluator
}

const (
	targetOverall = 0
	targetWorst   = 1
	targetPattern = 2
)

// resample draws the two-level paired bootstrap of the difference variant −
// baseline, averaged over seeds, for every target.
//
// Seeds and patients are crossed, not nested: test sets of different seeds
// overlap, up to being the same. So a replicate draws patients with replacement,
// once for all seeds (the pigeonhole bootstrap of Owen, Annals of Applied
// Statistics 2007). Drawing patients afresh within every seed would count a
// patient who is in S test sets as S patients. Both arms see the same draw: that
// is the pairing. The mean over seeds then moves by a draw from Student's t with
// S − 1 degrees of freedom times its standard error over seeds: a parametric
// bootstrap, because S seeds drawn with replacement show too little of their own
// spread. (Measured where trainings differ far more than patients explain, the
// plain form rejects true nulls at 0.05 in 42 % of tables with 2 seeds, 25 % with
// 3, 14 % with 5.)
//
// Where seeds have test patients of their own, or trainings see patients each in
// their own way, patients enter both parts, and the test is conservative; it is
// exact where one of the parts is negligible. Measured share of 1,000 comparisons
// of AUROCs on 200 patients in which the 95 % interval holds the truth, with 2, 3
// and 5 seeds (TestMeasureCoverage; its standard error is .007):
//
//	trainings differ, in what patients explain   not at all      as much      4 times
//	all seeds test the same patients           .94 .94 .94  .97 .97 .95  .96 .96 .95
//	the same, each training sees them its way  .99 .99 .97  .98 .98 .95  .95 .96 .95
//	every seed has patients of its own        1.00 1.00 1.00  .98 .95 .97  .95 .96 .96
//
// Seeds without rows of a target (or a replicate in which the metric is not
// defined) do not enter its mean; the point estimate is treated alike. With one
// seed there is no second part.
func resample(pairs []pair, clusters, targets int, worse func(a, b float64) bool, opts Bootstrap, r *rand.Rand) []Replicated {
	once := make([]float64, clusters)
	for i := range once {
		once[i] = 1
	}
	all := make([]float64, len(pairs))
	for i := range all {
		all[i] = 1
	}
	m := newMeasure(pairs, targets, worse)
	out := make([]Replicated, targets)
	for t, v := range m.differences(all, once) {
		out[t].Estimate = Number(v)
	}
	spreads := make([]spread, targets)
	for t, differences := range perSeedDifferences(pairs, clusters, targets, worse) {
		spreads[t] = newSpread(differences)
	}
	replicates := make([][]float64, targets)
	for range opts.Resamples {
		drawClusters(once, r)
		noise := drawStudent(len(pairs), r)
		for t, v := range m.differences(all, once) {
			if !math.IsNaN(v) {
				replicates[t] = append(replicates[t], v+noise[spreads[t].freedom]*spreads[t].error)
			}
		}
	}
	for t, values := range replicates {
		low, high := percentiles(values, opts.Confidence)
		out[t].Low, out[t].High = Number(low), Number(high)
		out[t].P, out[t].Resamples = Number(percentileP(values)), len(values)
	}
	return out
}

// spread is the standard error of a mean over seeds and its degrees of freedom,
// both 0 with fewer than two seeds.
type spread struct {
	error   float64
	freedom int
}

func newSpread(differences []float64) spread {
	known := finite(differences)
	if len(known) < 2 {
		return spread{}
	}
	return spread{error: stat.StdDev(known, nil) / math.Sqrt(float64(len(known))), freedom: len(known) - 1}
}

// drawStudent draws from Student's t, [f] with f degrees of freedom for f from 1
// to seeds − 1; [0] is 0. All share their draws, so that targets move together.
func drawStudent(seeds int, r *rand.Rand) []float64 {
	out := make([]float64, seeds)
	z, square := r.NormFloat64(), 0.0
	for f := 1; f < seeds; f++ {
		q := r.NormFloat64()
		square += q * q
		out[f] = z / math.Sqrt(square/float64(f))
	}
	return out
}

func percentileP(replicates []float64) float64 {
	if len(replicates) == 0 {
		return math.NaN()
	}
	atMost, atLeast := 1, 1
	for _, v := range replicates {
		if v <= 0 {
			atMost++
		}
		if v >= 0 {
			atLeast++
		}
	}
	return min(1, 2*float64(min(atMost, atLeast))/float64(1+len(replicates)))
}

// measure computes differences under multiplicities; its buffers are reused.
type measure struct {
	pairs []pair
	worse func(a, b float64) bool
	rows  []float64
	sums  []float64
	seeds []float64
}

func newMeasure(pairs []pair, targets int, worse func(a, b float64) bool) *measure {
	longest := 0
	for _, p := range pairs {
		longest = max(longest, len(p.weights))
	}
	return &measure{
		pairs: pairs, worse: worse,
		rows: make([]float64, longest), sums: make([]float64, targets), seeds: make([]float64, targets),
	}
}

// differences returns variant − baseline of every target, averaged over seeds
// that count seeds[s] times, with patients that count clusters[c] times. The
// slice is valid until the next call.
func (m *measure) differences(seeds, clusters []float64) []float64 {
	clear(m.sums)
	clear(m.seeds)
	add := func(target int, times, baseline, variant float64) {
		if d := variant - baseline; !math.IsNaN(d) {
			m.sums[target] += times * d
			m.seeds[target] += times
		}
	}
	for s, p := range m.pairs {
		if seeds[s] == 0 {
			continue
		}
		weights := m.rows[:len(p.weights)]
		for i, w := range p.weights {
			weights[i] = w * clusters[p.cluster[i]]
		}
		worstBaseline, worstVariant := math.NaN(), math.NaN()
		for _, g := range p.groups {
			b, v := g.baseline.value(weights), g.variant.value(weights)
			add(g.target, seeds[s], b, v)
			if g.target < targetPattern {
				continue
			}
			if math.IsNaN(worstBaseline) || m.worse(b, worstBaseline) {
				worstBaseline = b
			}
			if math.IsNaN(worstVariant) || m.worse(v, worstVariant) {
				worstVariant = v
			}
		}
		if len(m.sums) > targetWorst {
			add(targetWorst, seeds[s], worstBaseline, worstVariant)
		}
	}
	for t := range m.sums {
		m.sums[t] /= m.seeds[t] // 0/0 is NaN
	}
	return m.sums
}

// Paired is what two arms predicted for the same rows with one seed. The labels
// and weights of Baseline hold for both.
type Paired struct {
	Baseline Sample
	Variant  []float64 // scores, laid out as Baseline.Scores
	Clusters []int64   // patient of every row
}

// PairedBootstrap returns the mean over seeds of the metric's difference Variant
// − Baseline with its bootstrap interval and p-value; see Replicated. Rows must
// already be matched. With one seed the interval is about patients alone.
func PairedBootstrap(task Task, metric Metric, seeds []Paired, opts Bootstrap, r *rand.Rand) (Replicated, error) {
	var clusters []int64
	for _, s := range seeds {
		clusters = append(clusters, s.Clusters...)
	}
	index, count := indexClusters(clusters)
	pairs := make([]pair, 0, len(seeds))
	for _, s := range seeds {
		variant := Sample{Scores: s.Variant, Labels: s.Baseline.Labels, Weights: s.Baseline.Weights}
		n, err := s.Baseline.rows(task)
		if err != nil {
			return Replicated{}, err
		}
		if _, err := variant.rows(task); err != nil {
			return Replicated{}, err
		}
		p := pair{weights: orOnes(s.Baseline.Weights, n), cluster: index[:len(s.Clusters)]}
		index = index[len(s.Clusters):]
		if len(p.cluster) != n {
			panic("stats: clusters and labels differ in length")
		}
		g, ok, err := newArms(targetOverall, task, metric, s.Baseline, variant, sequence(n))
		if err != nil {
			return Replicated{}, err
		}
		if ok {
			p.groups = append(p.groups, g)
		}
		pairs = append(pairs, p)
	}
	return resample(pairs, count, 1, metric.Better().worse, opts, r)[0], nil
}

// newArms prepares the evaluators of a group; false when it has too few events.
func newArms(target int, task Task, metric Metric, baseline, variant Sample, rows []int32) (arms, bool, error) {
	var r Report
	outputs, reason := r.count(task, baseline, rows)
	if reason != "" {
		return arms{}, false, nil
	}
	b, err := newEvaluator(metric, task, baseline, rows, outputs)
	if err != nil {
		return arms{}, false, err
	}
	v, err := newEvaluator(metric, task, variant, rows, outputs)
	if err != nil {
		return arms{}, false, err
	}
	return arms{target: target, baseline: b, variant: v}, true, nil
}
