package diagnose

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/stat"

	"github.com/deconfound/deconfound/host/stats"
)

// The bounds of positivity: a propensity outside means that rows like this one
// nearly always or nearly never have the block, so that little can be learned
// about the other case (Crump et al., Biometrika 2009, use 0.1; the wider bounds
// flag less).
const (
	PositivityLow  = 0.05
	PositivityHigh = 0.95
)

// overlapBins is the resolution of Propensity.Overlap.
const overlapBins = 50

// Propensity describes an estimated P(block available | W).
type Propensity struct {
	N, Available int
	// AUROC of the propensity for availability: 0.5 is unrelated to W. Slope is
	// that of recalibration, 1 if the propensities are as extreme as they should be.
	AUROC, Brier, Slope float64
	// Outside is the share of rows beyond the positivity bounds.
	Outside                 float64
	Min, Low99, High99, Max float64 // Low99 and High99 are the 1 % and 99 % quantiles
	// Overlap is ∫ min(f₁, f₀) of the densities of the propensity among rows with
	// and without the block (50 bins on [0, 1]): 1 identical, 0 disjoint.
	Overlap float64
	// Effective are Kish's effective sizes under the stabilised weights, of all
	// rows, of those with and of those without the block; Heaviest is the largest
	// share of the total weight that one row has.
	Effective, EffectiveAvailable, EffectiveMissing float64
	Heaviest                                        float64
}

// DescribePropensity sums up propensities of rows that are available (1) or not
// (0). Figures that need both kinds of rows are NaN without.
func DescribePropensity(propensity, available []float64) Propensity {
	n := len(available)
	check("propensities", len(propensity), n)
	p := Propensity{
		N: n, AUROC: stats.AUROC(propensity, available, nil), Brier: stats.Brier(propensity, available, nil),
		Outside: outsideShare(propensity, nil), Overlap: math.NaN(),
		Min: math.NaN(), Low99: math.NaN(), High99: math.NaN(), Max: math.NaN(),
	}
	p.Slope, _ = stats.Calibration(propensity, available, nil)
	for _, a := range available {
		p.Available += int(a)
	}
	if n > 0 {
		sorted := slices.Clone(propensity)
		slices.Sort(sorted)
		p.Min, p.Max = sorted[0], sorted[n-1]
		p.Low99, p.High99 = stat.Quantile(.01, stat.LinInterp, sorted, nil), stat.Quantile(.99, stat.LinInterp, sorted, nil)
	}
	if p.Available > 0 && p.Available < n {
		p.Overlap = overlap(propensity, available)
	}
	w := StabilisedWeights(propensity, available)
	p.Effective, p.Heaviest = KishSize(w), heaviest(w)
	var with, without []float64
	for i, a := range available {
		if a == 1 {
			with = append(with, w[i])
		} else {
			without = append(without, w[i])
		}
	}
	p.EffectiveAvailable, p.EffectiveMissing = KishSize(with), KishSize(without)
	return p
}

func outsideShare(propensity, weights []float64) float64 {
	var out, total float64
	for i, p := range propensity {
		w := 1.0
		if weights != nil {
			w = weights[i]
		}
		total += w
		if p < PositivityLow || p > PositivityHigh {
			out += w
		}
	}
	return out / total
}

func overlap(propensity, available []float64) float64 {
	var count [2][overlapBins]float64
	var total [2]float64
	for i, p := range propensity {
		k := int(available[i])
		count[k][max(0, min(int(p*overlapBins), overlapBins-1))]++
		total[k]++
	}
	sum := 0.0
	for b := range overlapBins {
		sum += math.Min(count[0][b]/total[0], count[1][b]/total[1])
	}
	return sum
}

// HistogramBins is the resolution of Histogram.
const HistogramBins = 20

// Histogram counts propensities in HistogramBins bins of equal width on [0, 1],
// among the rows with and without the block: the plot of overlap, without a
// patient's own number in it. The last bin holds 1.
type Histogram struct {
	With    []int `json:"with"`
	Without []int `json:"without"`
}

// CountPropensity bins propensities of rows that are available (1) or not (0).
func CountPropensity(propensity, available []float64) Histogram {
	check("propensities", len(propensity), len(available))
	h := Histogram{With: make([]int, HistogramBins), Without: make([]int, HistogramBins)}
	for i, p := range propensity {
		bin := max(0, min(int(p*HistogramBins), HistogramBins-1))
		if available[i] == 1 {
			h.With[bin]++
		} else {
			h.Without[bin]++
		}
	}
	return h
}

// StabilisedWeights are P(δ)/P(δ|W), the inverse-probability weights that keep
// the share of available rows (Robins, Hernán and Brumback, Epidemiology 2000).
func StabilisedWeights(propensity, available []float64) []float64 {
	check("propensities", len(propensity), len(available))
	share := stat.Mean(available, nil)
	w := make([]float64, len(available))
	for i, a := range available {
		if a == 1 {
			w[i] = share / propensity[i]
		} else {
			w[i] = (1 - share) / (1 - propensity[i])
		}
	}
	return w
}

// KishSize is (Σw)²/Σw² (Kish 1965): the number of equally weighted rows with the
// same precision. NaN without weight.
func KishSize(weights []float64) float64 {
	var sum, square float64
	for _, w := range weights {
		sum += w
		square += w * w
	}
	return sum * sum / square
}

func heaviest(weights []float64) float64 {
	sum, largest := 0.0, math.NaN()
	for _, w := range weights {
		sum += w
		if !(w <= largest) {
			largest = w
		}
	}
	return largest / sum
}

// Bootstrap says how intervals are had: percentile limits over resampled
// patients (stats.BootstrapInterval).
type Bootstrap struct {
	// Clusters is the patient of every row.
	Clusters  []int64
	Resamples int
	Rand      *rand.Rand
}

func (b Bootstrap) interval(statistic func(weights []float64) float64) stats.Interval {
	return stats.BootstrapInterval(statistic, b.Clusters, nil, b.Resamples, 0.95, b.Rand)
}

// of is the bootstrap of some of the rows.
func (b Bootstrap) of(rows []int) Bootstrap {
	clusters := make([]int64, len(rows))
	for k, i := range rows {
		clusters[k] = b.Clusters[i]
	}
	return Bootstrap{clusters, b.Resamples, b.Rand}
}

// Positivity judges the share of rows whose propensity lies outside the bounds:
// ok up to 5 %. Beyond 20 % it fails, unless that is only so because the block is
// rare or common: then the preference scores, the propensities as they would be if
// share, the share of rows with the block, were a half (logit F = logit p − logit
// share; Walker et al., Comparative Effectiveness Research 2013), lie inside.
func Positivity(name string, propensity []float64, share float64, b Bootstrap) Finding {
	n := len(propensity)
	if n == 0 {
		return unknown(name, 0, "there are no rows")
	}
	f := found(name, outsideShare(propensity, nil), n, float64(distinct(b.Clusters, n)))
	f.Interval = b.interval(func(w []float64) float64 { return outsideShare(propensity, w) })
	preferred := outsideShare(preference(propensity, share), nil)
	const few, many = .05, .20
	text := fmt.Sprintf("%.1f %% of rows have a probability of being measured below %.2f or above %.2f", 100*float64(f.Estimate), PositivityLow, PositivityHigh)
	switch {
	case f.Estimate <= few:
		return f.judge(OK, "%s", text)
	case f.Estimate > many && preferred > many:
		return f.judge(Fail, "%s", text)
	case f.Estimate > many:
		return f.judge(Warn, "%s, mostly because %.0f %% have the block at all", text, 100*share)
	}
	return f.judge(Warn, "%s", text)
}

func preference(propensity []float64, share float64) []float64 {
	out := make([]float64, len(propensity))
	for i, p := range propensity {
		with, without := p*(1-share), (1-p)*share
		out[i] = with / (with + without)
	}
	return out
}

// EffectiveSize judges Kish's effective size of the weighted rows relative to
// their number: ok from 0.5, a failure below 0.3.
func EffectiveSize(name string, weights []float64, b Bootstrap) Finding {
	n := len(weights)
	if n == 0 {
		return unknown(name, 0, "there are no rows")
	}
	size := KishSize(weights)
	f := found(name, size/float64(n), n, size)
	f.Interval = b.interval(func(w []float64) float64 {
		var rows, sum, square float64
		for i, v := range weights {
			rows += w[i]
			sum += w[i] * v
			square += w[i] * v * v
		}
		return sum * sum / square / rows
	})
	verdict := OK
	switch ratio := f.Estimate; {
	case !(ratio >= .3):
		verdict = Fail
	case ratio < .5:
		verdict = Warn
	}
	return f.judge(verdict, "weighted for availability, %d rows are worth %.0f", n, size)
}
