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

// pair holds the rows of one seed that all arms scored, by position.
type pair struct {
	weights []float64
	cluster []int32 // index shared by all seeds of the comparison
	groups  []group
}

// group evaluates the arms on some of the rows, the baseline first and then every
// variant that scored the same rows. target is where the replicate goes: 0 for all
// rows, 1 for the worst of the patterns, from 2 for a pattern.
type group struct {
	target int
	arms   []evaluator
}

const (
	targetOverall = 0
	targetWorst   = 1
	targetPattern = 2
)

// resample draws the two-level paired bootstrap of the difference variant −
// baseline, averaged over seeds: [variant][target].
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
func resample(pairs []pair, variants, clusters, targets int, worse func(a, b float64) bool, opts Bootstrap, r *rand.Rand) [][]Replicated {
	m := newMeasure(pairs, variants, clusters, targets, worse)
	out := make([][]Replicated, m.variants)
	spreads := make([][]spread, m.variants)
	replicates := make([][][]float64, m.variants)
	perSeed := m.perSeed()
	for v, estimates := range m.estimates() {
		out[v], spreads[v], replicates[v] = make([]Replicated, targets), make([]spread, targets), make([][]float64, targets)
		for t, e := range estimates {
			out[v][t].Estimate = Number(e)
			spreads[v][t] = newSpread(perSeed[v][t])
		}
	}
	// Draws come one after the other from one stream; what they give does not depend
	// on which processor looks at which.
	draws := newDraws(m, min(opts.Resamples, max(1, drawnAtOnce/max(1, clusters))))
	for left := opts.Resamples; left > 0; left -= len(draws) {
		now := draws[:min(left, len(draws))]
		for _, d := range now {
			drawClusters(d.clusters, r)
			d.noise = append(d.noise[:0], drawStudent(len(pairs), r)...)
		}
		inParallel(len(now), func(i int) { m.differences(now[i].scratch, now[i].clusters) })
		for _, d := range now {
			for v := range out {
				for t, spread := range spreads[v] {
					if value := d.out[v*targets+t]; !math.IsNaN(value) {
						replicates[v][t] = append(replicates[v][t], value+d.noise[spread.freedom]*spread.error)
					}
				}
			}
		}
	}
	for v := range out {
		for t, values := range replicates[v] {
			low, high := percentiles(values, opts.Confidence)
			out[v][t].Low, out[v][t].High = Number(low), Number(high)
			out[v][t].P, out[v][t].Resamples = Number(percentileP(values)), len(values)
		}
	}
	return out
}

// drawnAtOnce bounds the memory of draws that wait for a processor: the number of
// their clusters.
const drawnAtOnce = 1 << 20

// draw is a replicate on its way.
type draw struct {
	*scratch
	clusters []int32
	noise    []float64
}

func newDraws(m *measure, n int) []*draw {
	out := make([]*draw, min(n, 64))
	for i := range out {
		out[i] = &draw{scratch: m.newScratch(), clusters: make([]int32, m.clusters)}
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
		g, ok, err := newArms(targetOverall, task, metric, []Sample{s.Baseline, variant}, sequence(n))
		if err != nil {
			return Replicated{}, err
		}
		if ok {
			p.groups = append(p.groups, g)
		}
		pairs = append(pairs, p)
	}
	return resample(pairs, 1, count, 1, metric.Better().worse, opts, r)[0][0], nil
}

// newArms prepares the evaluators of a group, whose arms have the same rows; false
// when it has too few events.
func newArms(target int, task Task, metric Metric, arms []Sample, rows []int32) (group, bool, error) {
	var r Report
	outputs, reason := r.count(task, arms[0], rows)
	if reason != "" {
		return group{}, false, nil
	}
	g := group{target: target}
	for _, s := range arms {
		e, err := newEvaluator(metric, task, s, rows, outputs)
		if err != nil {
			return group{}, false, err
		}
		g.arms = append(g.arms, e)
	}
	return g, true, nil
}
