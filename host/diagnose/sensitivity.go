package diagnose

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/deconfound/deconfound/host/stats"
)

// Sensitivity says how strong something unmeasured would have to be to explain the
// association of an exposure with an outcome given covariates away. Low limits are
// the figures for making it insignificant at 0.05 instead of 0.
type Sensitivity struct {
	EValue, ObservedEValue, Robustness, Austen, Rosenbaum Finding
	// Curve is the Austen plot: the partial R² of the outcome for each influence on
	// the exposure.
	Curve []AustenPoint
}

// AustenPoint is a point of the Austen plot.
type AustenPoint struct {
	Alpha     stats.Number `json:"alpha"`
	PartialR2 stats.Number `json:"partial_r2"`
}

// Findings lists them in a fixed order.
func (s Sensitivity) Findings() []Finding {
	return []Finding{s.EValue, s.ObservedEValue, s.Robustness, s.Austen, s.Rosenbaum}
}

// austenAlphas are the influences on the exposure of Sensitivity.Curve.
var austenAlphas = []float64{.01, .05, .1, .2, .5}

// AnalyseSensitivity takes a binary exposure and outcome; names are those of the
// covariates. It warns where an association is left, which only something
// unmeasured, chance or the exposure itself explains, and is ok where there is
// none to explain.
func AnalyseSensitivity(names []string, s Study) Sensitivity {
	n := len(s.Outcome)
	var out Sensitivity
	fill := func(format string, args ...any) Sensitivity {
		for f, name := range map[*Finding]string{
			&out.EValue: "e_value", &out.ObservedEValue: "observed_e_value", &out.Robustness: "robustness_value",
			&out.Austen: "austen", &out.Rosenbaum: "rosenbaum_gamma",
		} {
			if f.Name == "" {
				*f = unknown(name, n, format, args...)
			}
		}
		return out
	}
	var clusters []int64
	if distinct(s.Patients, n) < n {
		clusters = s.Patients
	}
	ratio, err := AdjustedOddsRatio(s.Exposure, s.Outcome, s.Covariates, s.Width, clusters)
	if err != nil {
		return fill("the association given the covariates cannot be had: %s", err)
	}
	prevalence := 0.0
	for _, y := range s.Outcome {
		prevalence += y / float64(n)
	}
	patients := float64(distinct(s.Patients, n))
	e := OddsRatioEValue(ratio, prevalence)
	out.EValue = found("e_value", float64(e.Estimate), n, patients)
	out.EValue.Low = e.Limit
	if e.Limit > 1 {
		out.EValue = out.EValue.judge(Warn, "odds ratio %.2f (%.2f to %.2f) given the covariates: something unmeasured would have to go with both by a risk ratio of %.2f to explain it away, of %.2f to make it uncertain",
			ratio.Estimate, ratio.Low, ratio.High, e.Estimate, e.Limit)
	} else {
		out.EValue = out.EValue.judge(OK, "odds ratio %.2f (%.2f to %.2f) given the covariates: there is no certain association to explain away", ratio.Estimate, ratio.Low, ratio.High)
	}
	out.ObservedEValue = observedEValue(names, s, clusters, ratio, prevalence, patients)

	full, err := leastSquares(s.Outcome, s.joined())
	if err != nil {
		return fill("%s", err)
	}
	effect := full.effect(1)
	strongest, exposureR2, outcomeR2 := strongestCovariate(names, s, full)
	value, limit := effect.RobustnessValue(1), effect.RobustnessOfInterval(1, .05)
	out.Robustness = found("robustness_value", value, n, patients)
	out.Robustness.Low = number(limit)
	text := fmt.Sprintf("something unmeasured that explains %.1f %% of what is left of both exposure and outcome would bring the association to 0, %.1f %% would make it uncertain", 100*value, 100*limit)
	if strongest != "" {
		text += fmt.Sprintf("; %s explains %.1f and %.1f %%", strongest, 100*exposureR2, 100*outcomeR2)
	}
	verdict := OK
	if limit > 0 {
		verdict = Warn
	}
	out.Robustness = out.Robustness.judge(verdict, "%s", text)
	g, err := s.propensity()
	out.Austen, out.Curve = austenPlot(s, full, g, err, strongest, names, verdict, patients)
	out.Rosenbaum = matchedGamma(s, g, err, patients)
	return fill("it cannot be had")
}

// observedEValue is the observed-covariate E-value (McGowan and Greevy 2020, as
// DoWhy has it), a yardstick for the E-value: that of the change of the confidence
// limit nearer to 1 when the covariate that matters most is left out; of the
// estimate where the interval contains 1. clusters are those behind the limits of
// ratio, so that both are limits of the same kind.
func observedEValue(names []string, s Study, clusters []int64, ratio stats.Interval, prevalence, patients float64) Finding {
	const name = "observed_e_value"
	n := len(s.Outcome)
	bound := func(i stats.Interval) stats.Number {
		switch {
		case ratio.Low > 1:
			return i.Low
		case ratio.High < 1:
			return i.High
		}
		return i.Estimate
	}
	largest, which := math.NaN(), ""
	for j := range s.Width {
		without, err := AdjustedOddsRatio(s.Exposure, s.Outcome, dropColumn(s.Covariates, s.Width, j), s.Width-1, clusters)
		if err != nil {
			continue
		}
		shift := stats.Interval{Estimate: bound(without) / bound(ratio), Low: number(math.NaN()), High: number(math.NaN())}
		if e := float64(OddsRatioEValue(shift, prevalence).Estimate); math.IsNaN(largest) || e > largest {
			largest, which = e, names[j]
		}
	}
	if which == "" {
		return unknown(name, n, "there are no covariates to leave out")
	}
	return found(name, largest, n, patients).judge(None, "leaving out %s, the covariate that matters most, moves the odds ratio as something with a risk ratio of %.2f would", which, largest)
}

// propensity is the chance of exposure of every row given the covariates; nil without
// any.
func (s Study) propensity() ([]float64, error) {
	if s.Width == 0 {
		return nil, nil
	}
	all := sequence(len(s.Outcome))
	return fitPredict(s.Covariates, s.Width, s.Exposure, all, all, 1)
}

// austenPlot draws the curve for the size of the effect in full, and says how much
// something with the influence of the strongest covariate would have to explain.
func austenPlot(s Study, full regression, g []float64, err error, strongest string, names []string, verdict Verdict, patients float64) (Finding, []AustenPoint) {
	const name = "austen"
	n := len(s.Outcome)
	var points []AustenPoint
	if s.Width == 0 {
		return unknown(name, n, "there are no covariates"), points
	}
	if err != nil {
		return unknown(name, n, "%s", err), points
	}
	all := sequence(n)
	curve := NewAusten(g, s.Exposure, s.Outcome, full.fitted)
	bias := math.Abs(full.effect(1).Estimate)
	for _, alpha := range austenAlphas {
		points = append(points, AustenPoint{number(alpha), number(curve.PartialR2(alpha, bias))})
	}
	j := slices.Index(names, strongest)
	if j < 0 {
		return unknown(name, n, "no covariate can be a yardstick"), points
	}
	fewer := Study{Exposure: s.Exposure, Outcome: s.Outcome, Covariates: dropColumn(s.Covariates, s.Width, j), Width: s.Width - 1, Patients: s.Patients}
	without, err := leastSquares(s.Outcome, fewer.joined())
	if err != nil {
		return unknown(name, n, "%s", err), points
	}
	var gWithout []float64
	if fewer.Width == 0 {
		gWithout = constantOf(mean(s.Exposure), n)
	} else if gWithout, err = fitPredict(fewer.Covariates, fewer.Width, s.Exposure, all, all, 1); err != nil {
		return unknown(name, n, "%s", err), points
	}
	alpha, r2 := AustenReference(g, gWithout, s.Outcome, full.fitted, without.fitted)
	at := math.Max(alpha, .01)
	value := curve.PartialR2(at, bias)
	return found(name, value, n, patients).judge(verdict,
		"something with as much influence on the exposure as %s (α %.3f) would have to explain %.1f %% of what is left of the outcome to account for the association; %s explains %.1f %%",
		strongest, at, 100*value, strongest, 100*r2), points
}

// matchedGamma pairs every exposed row with the nearest unexposed one by the logit
// of the propensity, within 0.2 of its standard deviation (Austin, Pharm Stat
// 2011), each used once, and asks Rosenbaum's bound of their outcomes.
func matchedGamma(s Study, g []float64, err error, patients float64) Finding {
	const name, caliper = "rosenbaum_gamma", .2
	n := len(s.Outcome)
	if s.Width == 0 {
		return unknown(name, n, "there are no covariates to match on")
	}
	if err != nil {
		return unknown(name, n, "%s", err)
	}
	type unit struct {
		at  float64
		row int
	}
	var kinds [2][]unit
	z := make([]float64, n)
	for i, p := range g {
		z[i] = clippedLogit(p)
		kinds[int(s.Exposure[i])] = append(kinds[int(s.Exposure[i])], unit{z[i], i})
	}
	width := caliper * math.Sqrt(meanSquare(z, constantOf(mean(z), n)))
	for _, kind := range kinds {
		slices.SortFunc(kind, func(a, b unit) int { return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(a.row, b.row)) })
	}
	// Both kinds in order of the propensity: greedy, without replacement.
	var differences []float64
	used := 0
	for _, e := range kinds[1] {
		for used < len(kinds[0]) && kinds[0][used].at < e.at-width {
			used++
		}
		if used < len(kinds[0]) && kinds[0][used].at <= e.at+width {
			differences = append(differences, s.Outcome[e.row]-s.Outcome[kinds[0][used].row])
			used++
		}
	}
	total := 0.0
	for _, d := range differences {
		total += d
	}
	direction := "more"
	if total < 0 {
		direction = "less"
		for i := range differences {
			differences[i] = -differences[i]
		}
	}
	gamma := RosenbaumGamma(differences, .025) // two-sided at 0.05
	if math.IsNaN(gamma) {
		return unknown(name, n, "no matched pair differs in the outcome")
	}
	f := found(name, gamma, n, patients)
	f.P = number(math.Min(1, 2*RosenbaumP(differences, 1)))
	if gamma <= 1 {
		return f.judge(OK, "in %d matched pairs the outcome does not certainly differ: there is nothing to explain away", len(differences))
	}
	return f.judge(Warn, "in %d matched pairs the exposed have the event %s often; something unmeasured that changes the odds of exposure within a pair by a factor of %.2f could explain it", len(differences), direction, gamma)
}

// joined is [covariates; exposure last] without columns that repeat others.
func (s Study) joined() *mat.Dense {
	kept := Independent(s.Covariates, s.Width)
	x := mat.NewDense(len(s.Outcome), len(kept)+2, nil)
	for i := range s.Outcome {
		x.Set(i, 0, 1)
		x.Set(i, 1, s.Exposure[i])
		for k, j := range kept {
			x.Set(i, k+2, s.Covariates[i*s.Width+j])
		}
	}
	return x
}

// regression is an ordinary least-squares fit.
type regression struct {
	beta   []float64
	bread  *mat.SymDense // (XᵀX)⁻¹
	sigma2 float64
	df     float64
	fitted []float64
}

func leastSquares(y []float64, x *mat.Dense) (regression, error) {
	n, p := x.Dims()
	gram := mat.NewSymDense(p, nil)
	gram.SymOuterK(1, x.T())
	var factor mat.Cholesky
	if n <= p || !factor.Factorize(gram) {
		return regression{}, ErrDependent
	}
	var cross, beta, fitted mat.VecDense
	cross.MulVec(x.T(), mat.NewVecDense(n, slices.Clone(y)))
	if err := factor.SolveVecTo(&beta, &cross); err != nil {
		return regression{}, ErrDependent
	}
	r := regression{beta: beta.RawVector().Data, bread: mat.NewSymDense(p, nil), df: float64(n - p)}
	if err := factor.InverseTo(r.bread); err != nil {
		return regression{}, ErrDependent
	}
	fitted.MulVec(x, &beta)
	r.fitted = fitted.RawVector().Data
	r.sigma2 = meanSquare(y, r.fitted) * float64(n) / r.df
	return r, nil
}

func (r regression) effect(j int) Effect {
	return Effect{Estimate: r.beta[j], SE: math.Sqrt(r.sigma2 * r.bread.At(j, j)), DF: r.df}
}

// strongestCovariate is the one with the largest partial R² with the exposure, and
// its partial R² with exposure and outcome; "" without any.
func strongestCovariate(names []string, s Study, full regression) (name string, exposure, outcome float64) {
	kept := Independent(s.Covariates, s.Width)
	x := mat.NewDense(len(s.Outcome), len(kept)+1, nil)
	for i := range s.Outcome {
		x.Set(i, 0, 1)
		for k, j := range kept {
			x.Set(i, k+1, s.Covariates[i*s.Width+j])
		}
	}
	fit, err := leastSquares(s.Exposure, x)
	if err != nil {
		return "", math.NaN(), math.NaN()
	}
	for k, j := range kept {
		if r2 := fit.effect(k + 1).PartialR2(); name == "" || r2 > exposure {
			name, exposure, outcome = names[j], r2, full.effect(k+2).PartialR2()
		}
	}
	return name, exposure, outcome
}

func dropColumn(x []float64, width, column int) []float64 {
	var kept []int
	for j := range width {
		if j != column {
			kept = append(kept, j)
		}
	}
	return takeColumns(x, width, kept)
}

func mean(values []float64) float64 {
	sum := 0.0
	for _, v := range values {
		sum += v / float64(len(values))
	}
	return sum
}

func constantOf(v float64, n int) []float64 {
	out := make([]float64, n)
	for i := range out {
		out[i] = v
	}
	return out
}
