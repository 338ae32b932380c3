package diagnose

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/deconfound/deconfound/host/stats"
)

// Study is what an estimator reads: the exposure (is the block there?), an
// outcome, and covariates, [n, Width].
type Study struct {
	Exposure, Outcome []float64
	Covariates        []float64
	Width             int
	Patients          []int64
}

// Estimator returns an effect that is 0 where there is none, such as a log odds
// ratio; NaN where it cannot be had.
type Estimator func(Study) float64

// LogOddsRatio is the log odds ratio of a 0/1 outcome
// given the covariates.
func LogOddsRatio(s Study) float64 {
	ratio, err := AdjustedOddsRatio(s.Exposure, s.Outcome, s.Covariates, s.Width, nil)
	if err != nil {
		return math.NaN()
	}
	return math.Log(float64(ratio.Estimate))
}

// Refuters are tests that an estimate should survive (Sharma and Kiciman, DoWhy,
// 2020). Repeats is how often each is drawn.
type Refuters struct {
	Repeats int
	// Strata, if not nil, are groups of equal covariates: a placebo exposure is
	// permuted within them, so that it still depends on the covariates.
	Strata []int
	// Subset is the share of patients of DataSubset.
	Subset float64
	Rand   *rand.Rand
}

// All runs every refuter in a fixed order.
func (r Refuters) All(s Study, estimate Estimator) []Finding {
	original := estimate(s)
	boot := r.Bootstrap(s, estimate, original)
	scale := math.NaN() // of the sampling error
	if boot.Low.Defined() {
		scale = float64(boot.High-boot.Low) / (2 * z95)
	}
	return []Finding{
		r.PlaceboMask(s, estimate, original), r.PlaceboOutcome(s, estimate, original), r.DummyOutcome(s, estimate, original),
		r.RandomCommonCause(s, estimate, original, scale), r.DataSubset(s, estimate, original), boot,
	}
}

// PlaceboMask permutes the exposure over the rows, within Strata if there are any:
// the effect must vanish.
func (r Refuters) PlaceboMask(s Study, estimate Estimator, original float64) Finding {
	return r.vanishes("placebo_mask", s, original, func() float64 {
		s := s
		s.Exposure = r.permuted(s.Exposure)
		return estimate(s)
	})
}

// PlaceboOutcome permutes the outcome over all rows: the effect must vanish.
func (r Refuters) PlaceboOutcome(s Study, estimate Estimator, original float64) Finding {
	return r.vanishes("placebo_outcome", s, original, func() float64 {
		s := s
		s.Outcome = slices.Clone(s.Outcome)
		r.Rand.Shuffle(len(s.Outcome), func(i, j int) { s.Outcome[i], s.Outcome[j] = s.Outcome[j], s.Outcome[i] })
		return estimate(s)
	})
}

// DummyOutcome draws the outcome from a logistic model of the covariates alone: an
// estimator that adjusts for them must find nothing. The outcome must be 0 or 1.
func (r Refuters) DummyOutcome(s Study, estimate Estimator, original float64) Finding {
	const name = "dummy_outcome"
	columns := Independent(s.Covariates, s.Width)
	x := takeColumns(s.Covariates, s.Width, columns)
	if len(columns) == 0 {
		return unknown(name, len(s.Outcome), "there are no covariates to draw an outcome from")
	}
	model, err := FitLogit(x, len(columns), s.Outcome, LogitOptions{L2: 1})
	if err != nil {
		return unknown(name, len(s.Outcome), "%s", err)
	}
	chance := model.Predict(x, len(columns))
	return r.vanishes(name, s, original, func() float64 {
		s := s
		s.Outcome = make([]float64, len(chance))
		for i, p := range chance {
			if r.Rand.Float64() < p {
				s.Outcome[i] = 1
			}
		}
		return estimate(s)
	})
}

// RandomCommonCause adds a covariate of noise: the estimate must stay. It fails
// when the mean moves by more than a quarter of the estimate's standard error, which
// a reader of the interval would hardly see; an honest estimator moves by a small
// part of that.
func (r Refuters) RandomCommonCause(s Study, estimate Estimator, original, se float64) Finding {
	const name = "random_common_cause"
	values := r.draw(func() float64 {
		s := s
		x := make([]float64, 0, len(s.Outcome)*(s.Width+1))
		for i := range s.Outcome {
			x = append(x, s.Covariates[i*s.Width:(i+1)*s.Width]...)
			x = append(x, r.Rand.NormFloat64())
		}
		s.Covariates, s.Width = x, s.Width+1
		return estimate(s)
	})
	f, ok := replicated(name, values, s)
	if !ok || math.IsNaN(original) || math.IsNaN(se) {
		return unknown(name, len(s.Outcome), "the estimate does not exist")
	}
	moved := math.Abs(float64(f.Estimate) - original)
	if moved > se/4 {
		return f.judge(Fail, "a covariate of noise moves the estimate from %.3f to %.3f", original, float64(f.Estimate))
	}
	return f.judge(OK, "a covariate of noise leaves the estimate at %.3f", float64(f.Estimate))
}

// DataSubset estimates on a share of the patients: the estimate on all must lie
// within the central 95 % of the repeats, which scatter about it.
func (r Refuters) DataSubset(s Study, estimate Estimator, original float64) Finding {
	return r.dataSubset(s, func(rows []int) float64 { return estimate(s.rows(rows)) }, original)
}

// dataSubset is DataSubset with an estimate of rows of the study.
func (r Refuters) dataSubset(s Study, estimate func(rows []int) float64, original float64) Finding {
	const name = "data_subset"
	subset := r.subsets(s.Patients)
	values := r.draw(func() float64 { return estimate(subset()) })
	return stays(name, values, s, original, "on parts of the patients")
}

// Bootstrap resamples patients: the estimate must lie within its own interval, the
// central 95 % of the repeats. It fails an estimator that answers otherwise when rows
// come twice.
func (r Refuters) Bootstrap(s Study, estimate Estimator, original float64) Finding {
	return r.bootstrap(s, func(rows []int) float64 { return estimate(s.rows(rows)) }, original)
}

// bootstrap is Bootstrap with an estimate of rows of the study.
func (r Refuters) bootstrap(s Study, estimate func(rows []int) float64, original float64) Finding {
	const name = "bootstrap"
	ids, of := numbered(s.Patients)
	members := make([][]int, len(ids))
	for i, k := range of {
		members[k] = append(members[k], i)
	}
	values := r.draw(func() float64 {
		var rows []int
		for range members {
			rows = append(rows, members[r.Rand.IntN(len(members))]...)
		}
		return estimate(rows)
	})
	return stays(name, values, s, original, "on resampled patients")
}

// vanishes judges replicates that should scatter about 0: 0 must lie within their
// central 95 %, and P is the share that reach the original.
func (r Refuters) vanishes(name string, s Study, original float64, one func() float64) Finding {
	values := r.draw(one)
	f, ok := replicated(name, values, s)
	if !ok || math.IsNaN(original) {
		return unknown(name, len(s.Outcome), "the estimate does not exist")
	}
	hits := 0
	for _, v := range values {
		if math.Abs(v) >= math.Abs(original) {
			hits++
		}
	}
	f.P = number(float64(1+hits) / float64(1+len(values)))
	if f.Low > 0 || f.High < 0 {
		return f.judge(Fail, "an effect of %.3f remains where there can be none", float64(f.Estimate))
	}
	return f.judge(OK, "nothing is found where nothing is (%.3f; the estimate is %.3f)", float64(f.Estimate), original)
}

func stays(name string, values []float64, s Study, original float64, where string) Finding {
	f, ok := replicated(name, values, s)
	if !ok || math.IsNaN(original) {
		return unknown(name, len(s.Outcome), "the estimate does not exist")
	}
	if original < float64(f.Low) || original > float64(f.High) {
		return f.judge(Fail, "the estimate %.3f lies outside what is found %s", original, where)
	}
	return f.judge(OK, "the estimate %.3f lies within what is found %s", original, where)
}

// draw keeps the replicates that exist.
func (r Refuters) draw(one func() float64) []float64 {
	var values []float64
	for range r.Repeats {
		if v := one(); !math.IsNaN(v) {
			values = append(values, v)
		}
	}
	return values
}

// replicated is mean and central 95 % of at least 5 replicates.
func replicated(name string, values []float64, s Study) (Finding, bool) {
	const least = 5
	if len(values) < least {
		return Finding{}, false
	}
	sorted := slices.Clone(values)
	slices.Sort(sorted)
	mean := 0.0
	for _, v := range sorted {
		mean += v / float64(len(sorted))
	}
	n := len(s.Outcome)
	f := found(name, mean, n, float64(distinct(s.Patients, n)))
	cut := int(.025 * float64(len(sorted)))
	f.Interval = stats.Interval{Estimate: number(mean), Low: number(sorted[cut]), High: number(sorted[len(sorted)-1-cut])}
	return f, true
}

func (r Refuters) permuted(values []float64) []float64 {
	out := slices.Clone(values)
	members := map[int][]int{}
	for i := range out {
		stratum := 0
		if r.Strata != nil {
			stratum = r.Strata[i]
		}
		members[stratum] = append(members[stratum], i)
	}
	for _, stratum := range sortedKeys(members) {
		of := members[stratum]
		r.Rand.Shuffle(len(of), func(i, j int) { out[of[i]], out[of[j]] = out[of[j]], out[of[i]] })
	}
	return out
}

// subsets draws the rows of a share of the patients, again with each call.
func (r Refuters) subsets(patients []int64) func() []int {
	ids, of := numbered(patients)
	chosen := make([]bool, len(ids))
	return func() []int {
		clear(chosen)
		for _, k := range r.Rand.Perm(len(ids))[:int(math.Ceil(r.Subset*float64(len(ids))))] {
			chosen[k] = true
		}
		var rows []int
		for i, k := range of {
			if chosen[k] {
				rows = append(rows, i)
			}
		}
		return rows
	}
}

// numbered are the distinct patients in ascending order, and where in it each row's is.
func numbered(patients []int64) (ids []int64, of []int) {
	ids = slices.Clone(patients)
	slices.Sort(ids)
	ids = slices.Compact(ids)
	of = make([]int, len(patients))
	for i, p := range patients {
		of[i], _ = slices.BinarySearch(ids, p)
	}
	return ids, of
}

// rows takes rows of a study, perhaps more than once.
func (s Study) rows(rows []int) Study {
	out := Study{Exposure: pick(s.Exposure, rows), Outcome: pick(s.Outcome, rows), Width: s.Width}
	for _, i := range rows {
		out.Covariates = append(out.Covariates, s.Covariates[i*s.Width:(i+1)*s.Width]...)
		out.Patients = append(out.Patients, s.Patients[i])
	}
	return out
}

func sortedKeys[K int | int64, V any](m map[K]V) []K {
	keys := make([]K, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
