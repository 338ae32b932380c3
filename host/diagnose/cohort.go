package diagnose

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/host/stats"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Cohort is what Audit reads of a dataset.
type Cohort struct {
	// Blocks name the bits of Availability, one mask a row.
	Blocks       []string
	Availability []uint64
	// Events are 1, 0, or NaN where the label is not known.
	Events []float64
	// Covariates name the columns of W, [rows, len(Covariates)]: always observed,
	// known before anybody decided what to measure.
	Covariates []string
	W          []float64
	// Patients is the patient of every row.
	Patients []int64
	// Values is [rows, Width] with NaN where missing, for Little's test; a few
	// columns a block (FirstComponents).
	Values []float64
	Width  int
}

// AuditOptions keys the random draws: folds, permutations and resamples of
// patients.
type AuditOptions struct {
	Seed      uint64
	Resamples int // also the number of permutations
	// Refute runs the refuters on every adjusted odds ratio, which takes some
	// hundred regressions a block.
	Refute bool
}

// MinAuditRows is how many rows must have a block, and how many must miss it,
// before anything is said about why.
const MinAuditRows = 20

// auditFolds of the cross-fitted regressions.
const auditFolds = 5

// Missingness is the audit of why things are missing, with findings in the form
// in which they are shown.
type Missingness struct {
	Covariates []string `json:"covariates"`
	// Label is the AUROC of the label from the pattern alone.
	Label Finding `json:"label"`
	// Information is the mutual information of pattern and label in nats with its
	// permutation p-value, V is Cramér's.
	Information stats.Number `json:"information"`
	P           stats.Number `json:"information_p"`
	V           stats.Number `json:"cramers_v"`
	// Random is Little's test.
	Random Finding      `json:"missing_at_random"`
	Blocks []BlockAudit `json:"blocks"`
}

// BlockAudit is about one block that some rows have and others miss.
type BlockAudit struct {
	Name    string       `json:"name"`
	Missing stats.Number `json:"missing"`
	// Propensity is the AUROC of "has the block" from the covariates.
	Propensity Finding      `json:"propensity"`
	Slope      stats.Number `json:"propensity_slope"`
	Overlap    stats.Number `json:"overlap"`
	// Histogram is that of the propensities; nil without covariates.
	Histogram  *Histogram `json:"histogram,omitempty"`
	Positivity Finding    `json:"positivity"`
	Effective  Finding    `json:"effective_size"`
	// EffectiveWith and EffectiveWithout are the effective sizes of the rows with
	// and without the block, relative to their numbers.
	EffectiveWith    stats.Number `json:"effective_size_with"`
	EffectiveWithout stats.Number `json:"effective_size_without"`
	// Balance compares the covariates of rows with and without the block.
	Balance []Balance `json:"balance,omitempty"`
	// Crude and Adjusted are the odds ratios of the event when the block is
	// missing, without and given the covariates; EValue is about Adjusted.
	Crude    stats.Interval `json:"odds_ratio_missing"`
	Adjusted stats.Interval `json:"odds_ratio_missing_given_covariates"`
	EValue   EValue         `json:"e_value"`
	// Sensitivity says how strong something unmeasured would have to be to explain
	// Adjusted.
	Sensitivity []Finding `json:"sensitivity,omitempty"`
	// Refuters are what Adjusted should survive; the placebo mask is permuted
	// within tenths of the propensity.
	Refuters []Finding `json:"refuters,omitempty"`
	// Adjustable says whether the covariates can take account of what is missing.
	Adjustable Finding `json:"adjustable"`
	// Words say the same in sentences.
	Words []string `json:"words"`
}

// Audit asks of a cohort what is missing for which reasons. It needs seconds for
// ten thousand rows.
func Audit(c Cohort, o AuditOptions) Missingness {
	n := len(c.Availability)
	check("labels", len(c.Events), n)
	check("patients", len(c.Patients), n)
	check("covariates", len(c.W), n*len(c.Covariates))
	m := Missingness{Covariates: c.Covariates}
	m.Label, m.Information, m.P, m.V = c.maskOnly(o)
	m.Random = JudgeLittle("missing_completely_at_random", c.Values, c.Width)
	for b := range c.Blocks {
		if audit, ok := c.auditBlock(b, o); ok {
			m.Blocks = append(m.Blocks, audit)
		}
	}
	return m
}

func (c Cohort) bootstrap(o AuditOptions, rows []int, labels ...any) Bootstrap {
	patients := make([]int64, len(rows))
	for i, row := range rows {
		patients[i] = c.Patients[row]
	}
	return Bootstrap{patients, o.Resamples, rng.Stream(o.Seed, labels...)}
}

// known are the rows whose label is known.
func (c Cohort) known() []int {
	return knownOf(c.Events)
}

// maskOnly predicts the label from the pattern alone; patterns with fewer than
// MinPatternRows rows count as one.
func (c Cohort) maskOnly(o AuditOptions) (f Finding, information, p, v stats.Number) {
	const name = "mask_only_auroc"
	rows := c.known()
	y := pick(c.Events, rows)
	count := map[uint64]int{}
	for _, row := range rows {
		count[c.Availability[row]]++
	}
	codeOf := map[uint64]int{} // 0 holds the rare patterns
	codes, labels := make([]int, len(rows)), make([]int, len(rows))
	events := 0
	for i, row := range rows {
		pattern := c.Availability[row]
		if count[pattern] >= MinPatternRows {
			if codeOf[pattern] == 0 {
				codeOf[pattern] = len(codeOf) + 1
			}
			codes[i] = codeOf[pattern]
		}
		labels[i] = int(y[i])
		events += labels[i]
	}
	nan := number(math.NaN())
	if events < stats.MinEvents || len(rows)-events < stats.MinEvents {
		return unknown(name, len(rows), "%d events and %d non-events are too few", events, len(rows)-events), nan, nan, nan
	}
	a := Associate(codes, labels, o.Resamples, rng.Stream(o.Seed, "audit", "permutation"))
	information, p, v = number(a.Information), number(a.Permuted), number(a.CramersV)
	width := len(codeOf)
	x := make([]float64, len(rows)*width)
	for i, code := range codes {
		if code > 0 {
			x[i*width+code-1] = 1
		}
	}
	b := c.bootstrap(o, rows, "audit", "mask")
	scores, err := CrossFit(x, width, y, Folds(b.Clusters, auditFolds, rng.Stream(o.Seed, "audit", "folds")), 1)
	if err != nil {
		return unknown(name, len(rows), "%s", err), information, p, v
	}
	f = found(name, stats.AUROC(scores, y, nil), len(rows), float64(distinct(b.Clusters, len(rows))))
	f.Interval = b.interval(WeightedAUROC(scores, y))
	f.P = p
	if f.Low > .5 && f.Estimate > .55 {
		return f.judge(Warn, "what is missing tells the label: a model can learn who is measured instead of what was measured"), information, p, v
	}
	return f.judge(OK, "what is missing says little about the label"), information, p, v
}

// WeightedAUROC sorts the scores once and answers the AUROC of 0/1 labels under any
// weights of the rows.
func WeightedAUROC(scores, labels []float64) func(weights []float64) float64 {
	check("labels", len(labels), len(scores))
	order := sequence(len(scores))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(scores[a], scores[b]) })
	y, last := make([]float64, len(order)), make([]bool, len(order)) // last of equal scores
	for k, i := range order {
		y[k] = labels[i]
		last[k] = k == len(order)-1 || scores[order[k+1]] != scores[i]
	}
	return func(w []float64) float64 {
		var below, events, area float64 // weight of non-events so far
		var e, ne float64
		for k, i := range order {
			e += w[i] * y[k]
			ne += w[i] * (1 - y[k])
			if last[k] {
				area += e * (below + ne/2)
				below, events = below+ne, events+e
				e, ne = 0, 0
			}
		}
		return area / (events * below)
	}
}

func (c Cohort) auditBlock(b int, o AuditOptions) (BlockAudit, bool) {
	n := len(c.Availability)
	available, have := make([]float64, n), 0
	for i, mask := range c.Availability {
		available[i] = float64(mask >> b & 1)
		have += int(mask >> b & 1)
	}
	if have == 0 || have == n {
		return BlockAudit{}, false
	}
	nan := number(math.NaN())
	a := BlockAudit{
		Name: c.Blocks[b], Missing: number(1 - float64(have)/float64(n)), Slope: nan, Overlap: nan, EffectiveWith: nan, EffectiveWithout: nan,
		Crude: undefined(), Adjusted: undefined(), EValue: EValue{nan, nan},
	}
	if have < MinAuditRows || n-have < MinAuditRows {
		reason := fmt.Sprintf("%d rows have the block and %d miss it; at least %d of both are needed", have, n-have, MinAuditRows)
		for f, name := range map[*Finding]string{&a.Propensity: "propensity", &a.Positivity: "positivity", &a.Effective: "effective_size", &a.Adjustable: "adjustable"} {
			*f = unknown(name, n, "%s", reason)
		}
		a.Words = []string{reason + "."}
		return a, true
	}
	propensity := c.explain(&a, available, o)
	study := c.associate(&a, available)
	if a.Adjusted.Estimate.Defined() {
		a.Sensitivity = AnalyseSensitivity(c.Covariates, study).Findings()
	}
	if o.Refute && a.Adjusted.Estimate.Defined() && propensity != nil {
		a.Refuters = Refuters{
			Repeats: refuterRepeats, Strata: tenths(pick(propensity, c.known())), Subset: .8, Rand: rng.Stream(o.Seed, "audit", "refute", a.Name),
		}.All(study, LogOddsRatio)
	}
	a.Adjustable = a.adjustable(n, len(c.Covariates))
	a.Words = a.words()
	return a, true
}

// refuterRepeats is how often each refuter is drawn.
const refuterRepeats = 20

// tenths numbers ten groups of rows of increasing value.
func tenths(values []float64) []int {
	order := sequence(len(values))
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	out := make([]int, len(values))
	for place, i := range order {
		out[i] = place * 10 / len(order)
	}
	return out
}

// explain asks what the covariates know about who has the block, and returns the
// propensities; nil when there are none.
func (c Cohort) explain(a *BlockAudit, available []float64, o AuditOptions) []float64 {
	n, width := len(available), len(c.Covariates)
	all := sequence(n)
	boot := func(what string) Bootstrap { return c.bootstrap(o, all, "audit", what, a.Name) }
	undo := func(reason string) {
		a.Propensity, a.Positivity, a.Effective = unknown("propensity", n, "%s", reason), unknown("positivity", n, "%s", reason), unknown("effective_size", n, "%s", reason)
	}
	if width == 0 {
		undo("the dataset names no covariates")
		return nil
	}
	p, err := CrossFit(c.W, width, available, Folds(c.Patients, auditFolds, rng.Stream(o.Seed, "audit", "folds")), 1)
	if err != nil {
		undo(err.Error())
		return nil
	}
	d := DescribePropensity(p, available)
	w := StabilisedWeights(p, available)
	a.Slope, a.Overlap = number(d.Slope), number(d.Overlap)
	a.EffectiveWith = number(d.EffectiveAvailable / float64(d.Available))
	a.EffectiveWithout = number(d.EffectiveMissing / float64(n-d.Available))
	h := CountPropensity(p, available)
	a.Histogram = &h
	a.Balance = CompareCovariates(c.Covariates, c.W, width, available, w)
	a.Positivity = Positivity("positivity", p, float64(d.Available)/float64(n), boot("positivity"))
	a.Effective = EffectiveSize("effective_size", w, boot("effective"))
	b := boot("propensity")
	f := found("propensity", d.AUROC, n, float64(distinct(c.Patients, n)))
	f.Interval = b.interval(WeightedAUROC(p, available))
	switch {
	case f.Low > .5 && f.Estimate > .55:
		a.Propensity = f.judge(Warn, "the covariates tell who has the block")
	default:
		a.Propensity = f.judge(OK, "the covariates say little about who has the block")
	}
	return p
}

// associate asks how the label goes with missing the block, and returns what it
// looked at.
func (c Cohort) associate(a *BlockAudit, available []float64) Study {
	rows := c.known()
	width := len(c.Covariates)
	y, missing, x := pick(c.Events, rows), make([]float64, len(rows)), make([]float64, 0, len(rows)*width)
	absent, event := make([]bool, len(rows)), make([]bool, len(rows))
	for i, row := range rows {
		missing[i] = 1 - available[row]
		absent[i], event[i] = missing[i] == 1, y[i] == 1
		x = append(x, c.W[row*width:(row+1)*width]...)
	}
	a.Crude = OddsRatio(absent, event)
	study := Study{Exposure: missing, Outcome: y, Covariates: x, Width: width, Patients: c.bootstrap(AuditOptions{}, rows).Clusters}
	var clusters []int64
	if distinct(c.Patients, len(c.Patients)) < len(c.Patients) {
		clusters = study.Patients
		// The same odds ratio with limits that know of the patients.
		if crude, err := AdjustedOddsRatio(missing, y, nil, 0, clusters); err == nil {
			a.Crude = crude
		}
	}
	if width == 0 {
		return study
	}
	adjusted, err := AdjustedOddsRatio(missing, y, x, width, clusters)
	if err != nil {
		return study
	}
	prevalence := 0.0
	for _, v := range y {
		prevalence += v / float64(len(y))
	}
	a.Adjusted, a.EValue = adjusted, OddsRatioEValue(adjusted, prevalence)
	return study
}

// unbalanced lists the covariates whose |SMD|, weighted or not, exceeds a bound,
// the largest first.
func (a BlockAudit) unbalanced(bound float64, weighted bool) []Balance {
	smd := func(b Balance) float64 {
		if weighted {
			return math.Abs(float64(b.WeightedSMD))
		}
		return math.Abs(float64(b.SMD))
	}
	var out []Balance
	for _, b := range a.Balance {
		if smd(b) > bound {
			out = append(out, b)
		}
	}
	slices.SortStableFunc(out, func(x, y Balance) int { return cmp.Compare(smd(y), smd(x)) })
	return out
}

// decided reports whether an interval of a ratio leaves out 1.
func decided(ratio stats.Interval) bool { return ratio.Low > 1 || ratio.High < 1 }

// adjustable fails when weighting leaves too little of the rows with or without
// the block, and warns of everything else that adjustment does not cure.
func (a BlockAudit) adjustable(n, covariates int) Finding {
	const name = "adjustable"
	if covariates == 0 || !a.Propensity.Estimate.Defined() {
		return unknown(name, n, "%s", a.Propensity.Reason)
	}
	f := found(name, math.NaN(), n, float64(a.Effective.EffectiveN))
	f.Interval = a.Adjusted
	verdict := OK
	var reasons []string
	reason := func(v Verdict, format string, args ...any) {
		if verdict != Fail {
			verdict = v
		}
		reasons = append(reasons, fmt.Sprintf(format, args...))
	}
	const least, shared = .3, .1
	if a.Overlap < shared {
		reason(Fail, "the covariates all but decide who has it, so that there is nobody to compare with")
	}
	for _, group := range []struct {
		which string
		share stats.Number
	}{{"with", a.EffectiveWith}, {"without", a.EffectiveWithout}} {
		if group.share < least {
			reason(Fail, "weighted, the rows %s it are worth %.0f %% of their number: too few of them resemble the others", group.which, 100*float64(group.share))
		}
	}
	if a.Positivity.Verdict == Fail || a.Positivity.Verdict == Warn {
		reason(Warn, "%s", a.Positivity.Reason)
	}
	if left := a.unbalanced(Balanced, true); len(left) > 0 && !math.IsInf(float64(left[0].WeightedSMD), 0) {
		reason(Warn, "weighting leaves %s different by %.2f SD", left[0].Covariate, math.Abs(float64(left[0].WeightedSMD)))
	}
	switch {
	case decided(a.Adjusted):
		reason(Warn, "the label goes with missing it also among people with the same covariates")
	case !a.Adjusted.Estimate.Defined():
		reason(Warn, "how the label goes with missing it among people with the same covariates is not known")
	}
	for _, r := range a.Refuters {
		if r.Verdict == Fail {
			reason(Warn, "the odds ratio does not survive the refuter %s: %s", r.Name, r.Reason)
		}
	}
	if verdict == OK {
		return f.judge(OK, "the covariates account for who has it, and no association with the label is left")
	}
	return f.judge(verdict, "%s", strings.Join(reasons, "; "))
}

// words are the page's sentences about the block.
func (a BlockAudit) words() []string {
	var out []string
	say := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if who := a.unbalanced(Balanced, false); len(who) > 0 {
		const most = 3
		var parts []string
		for _, b := range who[:min(len(who), most)] {
			direction := "lower"
			switch {
			case b.Indicator && b.SMD < 0:
				direction = "more frequent"
			case b.Indicator:
				direction = "less frequent"
			case b.SMD < 0:
				direction = "higher"
			}
			if math.IsInf(float64(b.SMD), 0) {
				parts = append(parts, b.Covariate+" alone decides it")
				continue
			}
			parts = append(parts, fmt.Sprintf("%s is %s (%.2f SD)", b.Covariate, direction, math.Abs(float64(b.SMD))))
		}
		say("Who misses it: %.0f %% of rows; in them %s.", 100*float64(a.Missing), strings.Join(parts, ", "))
	} else if len(a.Balance) > 0 {
		say("Who misses it: %.0f %% of rows; they differ in no covariate by more than %.1f SD.", 100*float64(a.Missing), Balanced)
	} else {
		say("Who misses it: %.0f %% of rows; no covariates are named that could tell who.", 100*float64(a.Missing))
	}
	if !a.Crude.Estimate.Defined() {
		say("Label: too few events to say how it goes with missing the block.")
	} else {
		text := fmt.Sprintf("Label: missing the block goes with %.2f times the odds (%.2f to %.2f)", a.Crude.Estimate, a.Crude.Low, a.Crude.High)
		if a.Adjusted.Estimate.Defined() {
			text += fmt.Sprintf("; among people with the same covariates, %.2f times (%.2f to %.2f)", a.Adjusted.Estimate, a.Adjusted.Low, a.Adjusted.High)
			if (a.Crude.Estimate-1)*(a.Adjusted.Estimate-1) < 0 && (decided(a.Crude) || decided(a.Adjusted)) {
				text += ". The direction turns: the crude figure is about who is measured"
			}
		}
		out = append(out, text+".")
	}
	switch a.Adjustable.Verdict {
	case OK:
		say("Can be adjusted: %s.", a.Adjustable.Reason)
	case Warn:
		say("Can be adjusted in part: %s.", a.Adjustable.Reason)
	case Fail:
		say("Cannot be adjusted: %s.", a.Adjustable.Reason)
	case None:
		say("Not known whether it can be adjusted: %s.", a.Adjustable.Reason)
	}
	if decided(a.Adjusted) && a.EValue.Limit.Defined() {
		say("Something nobody recorded, or the outcome itself, may decide who is measured: it would have to go with both by a risk ratio of at least %.1f to explain the rest away.", a.EValue.Limit)
	}
	return out
}
