package diagnose

import (
	"math"

	"github.com/deconfound/deconfound/host/stats"
)

// PairedSensitivity says of a difference between two models on the same patients,
// one number a patient (its mean is the difference, positive is better), how
// strong something that goes with who was tested would have to be to explain it:
// the E-value of the standardised mean (VanderWeele and Ding, Ann Intern Med 2017)
// and Rosenbaum's Γ of the signed ranks. Both look at the size of the difference,
// whatever its sign.
func PairedSensitivity(differences []float64) (evalue, gamma Finding) {
	const nameE, nameG = "e_value", "rosenbaum_gamma"
	n := len(differences)
	m := mean(differences)
	sd := math.Sqrt(meanSquare(differences, constantOf(m, n)) * float64(n) / float64(n-1))
	if n < MinAuditRows || !(sd > 0) {
		const text = "%d patients; at least %d with different answers are needed"
		return unknown(nameE, n, text, n, MinAuditRows), unknown(nameG, n, text, n, MinAuditRows)
	}
	d := m / sd
	e := DifferenceEValue(d, math.Sqrt(1/float64(n)+d*d/(2*float64(n))))
	evalue = found(nameE, float64(e.Estimate), n, float64(n))
	evalue.Low = e.Limit
	better := "smaller"
	if m < 0 {
		better = "larger"
	}
	if e.Limit > 1 {
		evalue = evalue.judge(OK, "the error is %s by %.3f SD over patients; something that goes both with who was tested and with which model does better, by a risk ratio of %.2f each (%.2f for the limit), could explain that",
			better, math.Abs(d), e.Estimate, e.Limit)
	} else {
		evalue = evalue.judge(Warn, "the error is %s by %.3f SD over patients, which may be chance: nothing else is needed to explain it", better, math.Abs(d))
	}

	towards := differences
	if m < 0 {
		towards = make([]float64, n)
		for i, v := range differences {
			towards[i] = -v
		}
	}
	value := RosenbaumGamma(towards, .025) // two-sided at 0.05
	if math.IsNaN(value) {
		return evalue, unknown(nameG, n, "the two never differ")
	}
	gamma = found(nameG, value, n, float64(n))
	gamma.P = number(math.Min(1, 2*RosenbaumP(towards, 1)))
	if value > 1 {
		return evalue, gamma.judge(OK, "patients for whom it is %s outweigh the others; hidden bias would have to change the odds of that within a patient by a factor of %.2f to explain it", better, value)
	}
	return evalue, gamma.judge(Warn, "over patients the signs of the difference are no more than chance: Γ is 1")
}

// PairedScores are the scores of two models for the same rows of one seed.
type PairedScores struct {
	Variant, Baseline []float64
	Outcome           []float64 // 0 or 1
	Levels            []string  // availability pattern
	Patients          []int64
}

// MaskGain is the dummy outcome of a difference: labels are drawn from
// P(outcome | pattern), and the difference of AUROCs variant − baseline, the mean
// over seeds, should vanish. It fails where a gain on the true outcome is matched,
// certainly and at least by half, by one on an outcome that the mask alone decides;
// a loss there is what debiasing is for.
func (r Refuters) MaskGain(seeds []PairedScores) Finding {
	const name = "mask_gain"
	var chances [][]float64
	var variants, baselines []stats.Order
	var n, patients int
	var original float64
	for _, s := range seeds {
		chance, ok := chanceByLevel(s.Levels, s.Outcome)
		if !ok {
			return unknown(name, len(s.Outcome), "fewer than two patterns have %d rows", MinPatternRows)
		}
		chances = append(chances, chance)
		n, patients = max(n, len(s.Outcome)), max(patients, distinct(s.Patients, len(s.Outcome)))
		variants, baselines = append(variants, stats.NewOrder(s.Variant)), append(baselines, stats.NewOrder(s.Baseline))
		original += (variants[len(variants)-1].AUROC(s.Outcome) - baselines[len(baselines)-1].AUROC(s.Outcome)) / float64(len(seeds))
	}
	values := r.draw(func() float64 {
		sum := 0.0
		for k, s := range seeds {
			outcome := make([]float64, len(s.Outcome))
			for i, p := range chances[k] {
				if r.Rand.Float64() < p {
					outcome[i] = 1
				}
			}
			sum += (variants[k].AUROC(outcome) - baselines[k].AUROC(outcome)) / float64(len(seeds))
		}
		return sum
	})
	if len(seeds) == 0 {
		return unknown(name, 0, "no seed has both")
	}
	f, ok := replicated(name, values, Study{Outcome: make([]float64, n)})
	if !ok || math.IsNaN(original) {
		return unknown(name, n, "the difference of AUROCs does not exist")
	}
	f.EffectiveN = number(float64(patients))
	const text = "on an outcome that the pattern alone decides the AUROCs differ by %+.3f, on the true one by %+.3f"
	if f.Low > 0 && original > 0 && float64(f.Estimate) >= original/2 {
		return f.judge(Fail, text+": the gain can be had from the mask", float64(f.Estimate), original)
	}
	return f.judge(OK, text, float64(f.Estimate), original)
}

// chanceByLevel is the share of events in the row's level, rare levels taken
// together; false with one level only.
func chanceByLevel(levels []string, outcome []float64) ([]float64, bool) {
	count, events := map[string]float64{}, map[string]float64{}
	for _, level := range levels {
		count[level]++
	}
	of := func(i int) string {
		if count[levels[i]] < MinPatternRows {
			return PooledLevel
		}
		return levels[i]
	}
	sizes := map[string]float64{}
	for i := range levels {
		sizes[of(i)]++
		events[of(i)] += outcome[i]
	}
	out := make([]float64, len(levels))
	for i := range levels {
		out[i] = events[of(i)] / sizes[of(i)]
	}
	return out, len(sizes) > 1
}
