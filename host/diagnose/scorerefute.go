package diagnose

import (
	"math"

	"github.com/deconfound/deconfound/host/stats"
)

// Ranking is the estimator AUROC(exposure, outcome) − ½ of a score: 0 for a score
// that knows nothing of the outcome.
func Ranking(s Study) float64 { return stats.AUROC(s.Exposure, s.Outcome, nil) - .5 }

// PartialCorrelation is that of exposure and outcome given the covariates, by least
// squares; NaN where it cannot be had.
func PartialCorrelation(s Study) float64 {
	x := s.joined()
	full, err := leastSquares(s.Outcome, x)
	if err != nil {
		return math.NaN()
	}
	e := full.effect(1)
	return math.Copysign(math.Sqrt(e.PartialR2()), e.Estimate)
}

// Score runs the refuters on what a predictor claims, that its score ranks the
// outcome: Exposure is the score, Outcome 0 or 1, and the covariates are indicators
// of the availability pattern. PlaceboOutcome, which also fails when
// the true outcome is ranked no better, DataSubset and Bootstrap are about the
// AUROC; MaskOutcome asks whether the mask would do; RandomCommonCause is
// about the correlation given the pattern.
func (r Refuters) Score(s Study) []Finding {
	// The score is the same throughout: it is sorted once.
	order := stats.NewOrder(s.Exposure)
	ranking := func(d Study) float64 { return order.AUROC(d.Outcome) - .5 }
	count := make([]int32, len(s.Outcome))
	ofRows := func(rows []int) float64 {
		clear(count)
		for _, i := range rows {
			count[i]++
		}
		return order.CountedAUROC(s.Outcome, count) - .5
	}
	original := ranking(s)
	placebo := r.PlaceboOutcome(s, ranking, original)
	if placebo.Verdict == OK && (original <= 0 || placebo.P > .05) {
		placebo = placebo.judge(Fail, "the true outcome is ranked with AUROC %.3f, no better than permuted ones", .5+original)
	}
	out := []Finding{
		placebo, r.maskOutcome(s, ranking), r.dataSubset(s, ofRows, original), r.bootstrap(s, ofRows, original),
	}
	partial := PartialCorrelation(s)
	n := float64(distinct(s.Patients, len(s.Outcome)))
	r.Repeats = min(r.Repeats, 10) // one covariate of noise is much like another
	return append(out, r.RandomCommonCause(s, PartialCorrelation, partial, (1-partial*partial)/math.Sqrt(n)))
}

// MaskOutcome is the dummy outcome of a score (DoWhy's dummy_outcome_refuter, with
// the availability pattern as the only cause): labels are drawn from
// P(outcome | pattern), which the score should rank no better than chance. It warns
// where it certainly does, beyond 0.02, and fails where that is at least half of
// what it ranks of the true outcome. Values hide behind a pattern too: a score that
// reads them rightly is told apart from one that reads the mask by PlaceboMask.
func (r Refuters) MaskOutcome(s Study) Finding { return r.maskOutcome(s, Ranking) }

// maskOutcome is MaskOutcome with Ranking of the study's score.
func (r Refuters) maskOutcome(s Study, ranking Estimator) Finding {
	const name = "dummy_outcome"
	n, original := len(s.Outcome), ranking(s)
	columns := Independent(s.Covariates, s.Width)
	if len(columns) == 0 {
		return unknown(name, n, "all rows have the same pattern")
	}
	x := takeColumns(s.Covariates, s.Width, columns)
	model, err := FitLogit(x, len(columns), s.Outcome, LogitOptions{L2: 1})
	if err != nil {
		return unknown(name, n, "%s", err)
	}
	chance := model.Predict(x, len(columns))
	values := r.draw(func() float64 {
		d := s
		d.Outcome = make([]float64, n)
		for i, p := range chance {
			if r.Rand.Float64() < p {
				d.Outcome[i] = 1
			}
		}
		return ranking(d)
	})
	f, ok := replicated(name, values, s)
	if !ok || math.IsNaN(original) {
		return unknown(name, n, "the AUROC does not exist")
	}
	const slight = .02
	text := "an outcome that depends on the pattern alone is ranked with AUROC %.3f, the true one with %.3f"
	switch certain := f.Low > 0 && f.Estimate > slight; {
	case certain && float64(f.Estimate) >= original/2:
		return f.judge(Fail, text+": at least half of it could be read off the mask", .5+float64(f.Estimate), .5+original)
	case certain:
		return f.judge(Warn, text, .5+float64(f.Estimate), .5+original)
	}
	return f.judge(OK, text, .5+float64(f.Estimate), .5+original)
}

// PlaceboMask judges a score against the score of the same rows when the model is
// told of a placebo mask, no value being hidden: the ranking must stay. It fails
// when the AUROC moves by 0.02 or more and certainly.
func PlaceboMask(name string, score, placebo, labels []float64, b Bootstrap) Finding {
	f := AUROCChange(name, score, placebo, labels, b, "a placebo mask, with every value kept,")
	if !f.Estimate.Defined() {
		return f
	}
	if math.Abs(float64(f.Estimate)) >= .02 && (f.High < 0 || f.Low > 0) {
		return f.judge(Fail, "%s: the score leans on the mask it is told", f.Reason)
	}
	return f.judge(OK, "%s", f.Reason)
}
