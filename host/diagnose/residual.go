package diagnose

import (
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/deconfound/deconfound/host/stats"
)

// probabilityClip keeps logits of predictions finite, as stats.LogLoss does.
const probabilityClip = stats.LogLossClip

// Residual is the likelihood-ratio test of whether the availability pattern still
// predicts the label once the prediction is given: the increase of twice the
// log-likelihood from logit P(y) = logit p̂ + a to logit P(y) = logit p̂ + a_k for
// pattern k (offset regression; McCullagh and Nelder 1989, sections 4.3 and 4.4).
// It finds bias that goes with the pattern; a predictor that is right within every
// pattern, also one that reads the pattern, passes.
//
// A predictor that was learned is off in every pattern by the noise of its own
// training rows, without any bias: one that fits each pattern there misses by
// p(1−p)(1/n + 1/m) in variance where n rows of a pattern are tested and m were
// trained on, not by p(1−p)/n. With patterns as frequent in both, that stretches
// the statistic by Inflation = 1 + N/trained, which P takes out again.
type Residual struct {
	Statistic float64
	DF        int
	// P is the upper tail of Statistic/Inflation, or of Score/Inflation.
	P         float64
	Inflation float64
	Common    float64 // a
	Patterns  []ResidualPattern
	N         int
	// Clustered says that P is not of the likelihood ratio but of the score test
	// with the sandwich variance of patients (Boos, American Statistician 1992),
	// because patients have several rows; Score is then its statistic, else NaN.
	Clustered bool
	Score     float64
}

// ResidualPattern is one level of the test. The level "pooled" holds patterns too
// rare to stand alone.
type ResidualPattern struct {
	Level string `json:"level"`
	N     int    `json:"n"`
	// Observed and Expected are the share of events and the mean prediction.
	Observed float64 `json:"observed"`
	Expected float64 `json:"expected"`
	// Shift is a_k, the log odds that the prediction is short of; ±Inf when the
	// pattern has no event or no non-event.
	Shift float64 `json:"-"`
}

// PooledLevel is the name of the patterns that are tested together.
const PooledLevel = "pooled"

// TestResidual tests predictions of rows whose label is 0, 1 or NaN (unknown).
// Patterns with fewer than minRows rows or fewer than 5 expected events or
// non-events, judged by the predictions and not by the labels, are pooled. All is
// NaN when fewer than two levels remain or the labels have one class. clusters, if
// not nil, is the patient of every row. trained is the number of rows that the
// predictor learned from; 0 for one that was not learned, such as the truth.
func TestResidual(scores, labels []float64, levels []string, clusters []int64, minRows, trained int) Residual {
	check("labels", len(labels), len(scores))
	check("levels", len(levels), len(scores))
	rows := map[string][]int{}
	for i, y := range labels {
		if !math.IsNaN(y) {
			rows[levels[i]] = append(rows[levels[i]], i)
		}
	}
	var names []string
	for name := range rows {
		names = append(names, name)
	}
	slices.Sort(names)
	const minExpected = 5
	var kept []string
	var pooled []int
	for _, name := range names {
		expected := 0.0
		for _, i := range rows[name] {
			expected += scores[i]
		}
		n := float64(len(rows[name]))
		if len(rows[name]) < minRows || expected < minExpected || n-expected < minExpected {
			pooled = append(pooled, rows[name]...)
			delete(rows, name)
			continue
		}
		kept = append(kept, name)
	}
	if len(pooled) > 0 {
		slices.Sort(pooled)
		rows[PooledLevel] = pooled
		kept = append(kept, PooledLevel)
	}
	nan := math.NaN()
	r := Residual{Statistic: nan, P: nan, Common: nan, Score: nan, Inflation: 1}
	var all []int
	for _, name := range kept {
		all = append(all, rows[name]...)
	}
	r.N = len(all)
	if trained > 0 {
		r.Inflation += float64(r.N) / float64(trained)
	}
	common, null := shiftOf(scores, labels, all)
	r.Common = common
	full := 0.0
	for _, name := range kept {
		of := rows[name]
		shift, value := shiftOf(scores, labels, of)
		full += value
		p := ResidualPattern{Level: name, N: len(of), Shift: shift}
		for _, i := range of {
			p.Observed += labels[i] / float64(len(of))
			p.Expected += scores[i] / float64(len(of))
		}
		r.Patterns = append(r.Patterns, p)
	}
	if len(kept) < 2 || math.IsInf(common, 0) {
		return r
	}
	r.Statistic, r.DF = math.Max(0, 2*(full-null)), len(kept)-1
	r.P = chiSquareTail(r.Statistic/r.Inflation, float64(r.DF))
	if distinct(clusters, len(scores)) < len(scores) {
		r.Clustered = true
		r.Score = clusteredScore(scores, labels, rows, kept, clusters, common)
		r.P = chiSquareTail(r.Score/r.Inflation, float64(r.DF))
	}
	return r
}

// clusteredScore is the statistic of the score test of the shifts of all levels but
// the first: Uᵀ(Σ_c S_c S_cᵀ)⁻¹U, where S_c sums over the rows of patient c the
// residual times the indicator of the level less what the common shift takes of
// it, and U sums over the patients. NaN when the matrix is singular, as with fewer
// patients than levels.
func clusteredScore(scores, labels []float64, rows map[string][]int, kept []string, clusters []int64, common float64) float64 {
	level, residual := make([]int, len(scores)), make([]float64, len(scores))
	share, total := make([]float64, len(kept)), 0.0
	var used []int
	for k, name := range kept {
		for _, i := range rows[name] {
			p := sigmoid(clippedLogit(scores[i]) + common)
			level[i], residual[i] = k, labels[i]-p
			share[k] += p * (1 - p)
			total += p * (1 - p)
		}
		used = append(used, rows[name]...)
	}
	for k := range share {
		share[k] /= total
	}
	slices.Sort(used)
	sums := map[int64][]float64{}
	for _, i := range used {
		s := sums[clusters[i]]
		if s == nil {
			s = make([]float64, len(kept)-1)
			sums[clusters[i]] = s
		}
		for k := range s {
			s[k] -= residual[i] * share[k+1]
		}
		if level[i] > 0 {
			s[level[i]-1] += residual[i]
		}
	}
	u, meat := mat.NewVecDense(len(kept)-1, nil), mat.NewSymDense(len(kept)-1, nil)
	for _, c := range sortedKeys(sums) {
		s := mat.NewVecDense(len(kept)-1, sums[c])
		u.AddVec(u, s)
		meat.SymRankOne(meat, 1, s)
	}
	var factor mat.Cholesky
	var solved mat.VecDense
	if !factor.Factorize(meat) || factor.SolveVecTo(&solved, u) != nil {
		return math.NaN()
	}
	return mat.Dot(u, &solved)
}

func clippedLogit(p float64) float64 {
	p = math.Min(math.Max(p, probabilityClip), 1-probabilityClip)
	return math.Log(p / (1 - p))
}

// shiftOf maximises the log-likelihood over a common shift of the logits; with one
// class the supremum, 0, is at infinity.
func shiftOf(scores, labels []float64, rows []int) (shift, value float64) {
	events := 0.0
	z := make([]float64, len(rows))
	for k, i := range rows {
		events += labels[i]
		z[k] = clippedLogit(scores[i])
	}
	if len(rows) == 0 {
		return 0, 0
	}
	if events == 0 || events == float64(len(rows)) {
		return math.Inf(int(2*events/float64(len(rows))) - 1), 0
	}
	// The score is decreasing in the shift: bracket, then Newton inside the bracket.
	low, high := -50.0, 50.0
	for range 200 {
		gradient, information := events, 0.0
		for k := range z {
			p := sigmoid(z[k] + shift)
			gradient -= p
			information += p * (1 - p)
		}
		if gradient > 0 {
			low = shift
		} else {
			high = shift
		}
		next := shift + gradient/information
		if !(next > low && next < high) {
			next = (low + high) / 2
		}
		done := math.Abs(next-shift) < 1e-13
		shift = next
		if done {
			break
		}
	}
	for k, i := range rows {
		value += logLikelihood(z[k]+shift, labels[i])
	}
	return shift, value
}

// MinPatternRows is the number of rows below which a pattern is tested together
// with others.
const MinPatternRows = 20

// JudgeResidual turns the test into a finding. The value is the likelihood ratio
// over Inflation, the P that of the test. It warns at 0.05 and fails at 0.01, the
// usual levels: without bias one run in twenty warns and one in a hundred fails.
// With fewer than 10 events or non-events there is no verdict. clusters and trained
// are as in TestResidual.
func JudgeResidual(name string, scores, labels []float64, levels []string, clusters []int64, trained int) (Finding, Residual) {
	r := TestResidual(scores, labels, levels, clusters, MinPatternRows, trained)
	events := 0
	for _, y := range labels {
		if y == 1 {
			events++
		}
	}
	if events < stats.MinEvents || r.N-events < stats.MinEvents {
		return unknown(name, r.N, "%d events and %d non-events are too few; at least %d of both are needed", events, r.N-events, stats.MinEvents), r
	}
	if math.IsNaN(r.P) {
		return unknown(name, r.N, "there are no two patterns with enough rows, or too few patients"), r
	}
	f := found(name, r.Statistic/r.Inflation, r.N, float64(distinct(clusters, len(labels))))
	f.P = number(r.P)
	gap, worst := 0.0, ""
	for _, p := range r.Patterns {
		if d := p.Observed - p.Expected; math.Abs(d) > math.Abs(gap) {
			gap, worst = d, p.Level
		}
	}
	switch {
	case r.P < .01:
		return f.judge(Fail, "predictions are off by pattern, by more than chance in training and test rows explains; most in %s, where the share of events is %+.3f above the mean prediction", worst, gap), r
	case r.P < .05:
		return f.judge(Warn, "predictions may be off by pattern; most in %s, where the share of events is %+.3f above the mean prediction", worst, gap), r
	}
	return f.judge(OK, "given the prediction, the pattern says no more about the label (%d patterns)", len(r.Patterns)), r
}
