package dataset

import (
	"fmt"
	"slices"

	"gonum.org/v1/gonum/mat"

	"github.com/deconfound/deconfound/host/diagnose"
	"github.com/deconfound/deconfound/sdk/rng"
)

// truthDraws is the number of values that the truth is averaged over.
const truthDraws = 500

// mostOutcomeColumns bounds the columns that the outcome is fitted to.
const mostOutcomeColumns = 256

// outcome is a planted one:
//
//	Y ~ Bernoulli σ(base + Σ_m score_m(x_m) + β U)
//
// The scores are those of a logistic regression (L2, C = 1) of the real label on
// the standardised causal columns of all rows of the world.
type outcome struct {
	world *world
	base  float64
	// causal are the modalities with a score; parts are the scores, by causal
	// modality and row, and score is their sum.
	causal []int
	parts  [][]float64
	score  []float64
	// hidden are evenly spaced quantiles of U, in random order, [truthDraws].
	hidden []float64
	cache  map[uint64]*completion
}

// completion is what is known of the missing scores given the observed causal
// columns of a pattern: their mean by row, and quantiles of what is left.
type completion struct {
	observed, expected []float64 // by row
	rest               []float64 // [truthDraws]
}

func (w *world) fit() (*outcome, error) {
	o := &outcome{world: w, cache: map[uint64]*completion{}}
	width := 0
	for k, name := range w.names() {
		if len(w.Causal) == 0 || slices.Contains(w.Causal, name) {
			o.causal = append(o.causal, k)
			width += len(w.columns[k])
		}
	}
	if width > mostOutcomeColumns {
		return nil, fmt.Errorf("causal modalities have %d columns, at most %d can be fitted; name fewer", width, mostOutcomeColumns)
	}
	x, y := o.design(o.causal), make([]float64, len(w.rows))
	for i, row := range w.rows {
		y[i] = float64(w.store.labels[row])
	}
	fitted, err := diagnose.FitLogit(x, width, y, diagnose.LogitOptions{L2: 1})
	if err != nil {
		return nil, fmt.Errorf("causal modalities cannot be fitted to the label: %w", err)
	}
	o.score = make([]float64, len(w.rows))
	weights := fitted.Coefficients[1:]
	for _, k := range o.causal {
		n := len(w.columns[k])
		part := make([]float64, len(w.rows))
		for i := range part {
			for c, z := range w.z[k][i*n : (i+1)*n] {
				part[i] += weights[c] * z
			}
			o.score[i] += part[i]
		}
		o.parts, weights = append(o.parts, part), weights[n:]
	}
	prevalence := w.Prevalence
	logit := make([]float64, len(w.rows))
	for i := range logit {
		logit[i] = o.score[i] + w.Beta*w.hidden[i]
		if w.Prevalence == 0 {
			prevalence += y[i] / float64(len(y))
		}
	}
	o.base = intercept(logit, prevalence)
	o.hidden = quantiles(w.hidden)
	rng.Stream(uint64(w.seed), "plant", w.store.card.Name, "truth").Shuffle(truthDraws, func(i, j int) { o.hidden[i], o.hidden[j] = o.hidden[j], o.hidden[i] })
	return o, nil
}

// design puts the columns of modalities side by side, [rows, columns].
func (o *outcome) design(modalities []int) []float64 {
	var out []float64
	for i := range o.world.rows {
		for _, k := range modalities {
			n := len(o.world.columns[k])
			out = append(out, o.world.z[k][i*n:(i+1)*n]...)
		}
	}
	return out
}

// quantiles are the truthDraws evenly spaced ones of values.
func quantiles(values []float64) []float64 {
	sorted := slices.Sorted(slices.Values(values))
	out := make([]float64, truthDraws)
	for i := range out {
		out[i] = sorted[int((float64(i)+.5)/truthDraws*float64(len(sorted)))]
	}
	return out
}

// truth is P(Y = 1 | do(X_observed = x)) of row i with the given modalities. Setting
// x tells nothing of U, so that it is averaged over the U of all rows, whose effect
// is β times the given one; what is missing is as likely as the observed causal
// columns say: the mean of the missing scores is their linear regression on them,
// and what is left is averaged over, too. The average is over truthDraws pairs of
// quantiles. It is exact but for that number where the row has all causal
// modalities, and as good as the regression where it has not.
func (o *outcome) truth(i int, mask uint64, effect float64) float64 {
	var known uint64
	for _, k := range o.causal {
		known |= mask & (1 << k)
	}
	c := o.cache[known]
	if c == nil {
		c = o.complete(known)
		o.cache[known] = c
	}
	center, sum := o.base+c.observed[i]+c.expected[i], 0.0
	for draw, u := range o.hidden {
		sum += sigmoid(center + c.rest[draw] + effect*o.world.Beta*u)
	}
	return sum / truthDraws
}

func (o *outcome) complete(known uint64) *completion {
	n := len(o.world.rows)
	c := &completion{observed: make([]float64, n), expected: make([]float64, n), rest: make([]float64, truthDraws)}
	missing := make([]float64, n)
	var observed []int
	for at, k := range o.causal {
		to := missing
		if known>>k&1 == 1 {
			to, observed = c.observed, append(observed, k)
		}
		for i, part := range o.parts[at] {
			to[i] += part
		}
	}
	if len(observed) == len(o.causal) {
		return c
	}
	c.expected = regress(o.design(observed), missing)
	left := make([]float64, n)
	for i := range left {
		left[i] = missing[i] - c.expected[i]
	}
	c.rest = quantiles(left)
	return c
}

// regress returns the fitted values of a linear regression with intercept of y on
// x, [len(y), columns]. Columns may be dependent.
func regress(x, y []float64) []float64 {
	n := len(y)
	width := len(x) / n
	p := width + 1
	gram, right := mat.NewSymDense(p, nil), mat.NewVecDense(p, nil)
	row := make([]float64, p)
	for i := range y {
		row[0] = 1
		copy(row[1:], x[i*width:(i+1)*width])
		for a, v := range row {
			right.SetVec(a, right.AtVec(a)+v*y[i])
			for b := a; b < p; b++ {
				gram.SetSym(a, b, gram.At(a, b)+v*row[b])
			}
		}
	}
	for a := range p {
		gram.SetSym(a, a, gram.At(a, a)+1e-8*float64(n)) // dependent columns share
	}
	var factor mat.Cholesky
	var beta mat.VecDense
	if !factor.Factorize(gram) || factor.SolveVecTo(&beta, right) != nil {
		panic("dataset: a ridge keeps the normal equations regular")
	}
	out := make([]float64, n)
	for i := range out {
		out[i] = beta.AtVec(0)
		for c := range width {
			out[i] += beta.AtVec(c+1) * x[i*width+c]
		}
	}
	return out
}
