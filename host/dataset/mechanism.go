package dataset

import (
	"math"
	"slices"
	"strconv"

	"github.com/deconfound/deconfound/sdk/rng"
)

// mostDraws bounds how often a row that loses everything is drawn again; then it
// keeps what it has.
const mostDraws = 1000

// law says which label a row has and which modalities it keeps.
type law struct {
	*world
	// keep is the chance that row i, of label y, keeps modality m.
	keep func(i, m, y int) float64
	// patterns, if not nil, are drawn from instead.
	patterns []uint64
	// effect multiplies Beta; independent gives the outcome the hidden value of
	// another row.
	effect      float64
	independent bool
	// purpose names the draws.
	purpose string
}

func everything(int, int, int) float64 { return 1 }

// label of row i: its own, or one that is drawn of the planted outcome.
func (l law) label(i int) int {
	if l.outcome == nil {
		return l.store.class(l.rows[i])
	}
	u := l.hidden[i]
	if l.independent {
		u = l.hidden[min(int(l.uniform("plant hidden", i)*float64(len(l.hidden))), len(l.hidden)-1)]
	}
	if l.uniform("plant label", i) < sigmoid(l.outcome.base+l.outcome.score[i]+l.effect*l.Beta*u) {
		return 1
	}
	return 0
}

// mask is what row i has and keeps, drawn again while it would lose all: modality m
// stays when hash("dataset|purpose|seed|id|modality|draw") < keep.
func (l law) mask(i, y int) uint64 {
	native := l.native(l.rows[i])
	for draw := range mostDraws {
		kept := native
		if l.patterns != nil {
			at := min(int(l.uniform(l.purpose, i, strconv.Itoa(draw))*float64(len(l.patterns))), len(l.patterns)-1)
			kept &= l.patterns[at]
		} else {
			for _, m := range l.droppable() {
				if l.uniform(l.purpose, i, l.store.modalities[l.kept[m]].Name, strconv.Itoa(draw)) >= l.keep(i, m, y) {
					kept &^= 1 << m
				}
			}
		}
		if kept != 0 {
			return kept
		}
	}
	return native
}

// intervention is the do test: masks of the training rows, drawn independently of
// everything, and labels of a hidden value that the features know nothing of.
func (w *world) intervention(training []uint64) law {
	return law{world: w, patterns: slices.Clone(training), effect: 1, independent: true, purpose: "plant do"}
}

// law is that of the training rows.
func (w *world) law() law {
	l := law{world: w, keep: everything, effect: 1, purpose: "plant"}
	if w.Recipe == PlantFlipClass {
		l.keep = w.dropsClass(1)
		return l
	}
	l.keep = w.chances(w.Planting, l)
	return l
}

// reversed is the law of the flip test.
func (w *world) reversed() law {
	l := law{world: w, effect: 1, purpose: "plant flip"}
	switch w.Recipe {
	case PlantFlipClass:
		l.keep = w.dropsClass(0)
	case PlantConfounder:
		l.effect = -1
		l.keep = w.chances(w.Planting, l)
	default:
		l.keep = w.chances(w.mirrored(), l)
	}
	return l
}

func (w *world) dropsClass(class int) func(i, m, y int) float64 {
	modality := slices.Index(w.names(), w.Modality)
	return func(_, m, y int) float64 {
		if m == modality && y == class {
			return 1 - w.Share
		}
		return 1
	}
}

// chances are those of the mechanism of some settings, for rows with the labels of
// a law.
func (w *world) chances(p Planting, l law) func(i, m, y int) float64 {
	switch p.Mask {
	case MaskNone:
		return everything
	case MaskMCAR:
		return func(int, int, int) float64 { return 1 - p.Missing }
	case MaskQuantile:
		return w.censored(p)
	}
	return w.logistic(p, l)
}

// logistic is the chance σ(a + Strength·s) of keeping a modality.
func (w *world) logistic(p Planting, l law) func(i, m, y int) float64 {
	scores, a := map[int][]float64{}, map[int]float64{}
	inputs := w.inputs(p)
	var labels []int
	if p.Mask == MaskLabel {
		for i := range w.rows {
			labels = append(labels, l.label(i))
		}
	}
	for _, m := range w.droppable() {
		if slices.Contains(inputs, m) {
			continue
		}
		scores[m] = w.score(p, m, inputs, labels)
		var z []float64
		for i, s := range scores[m] {
			if w.native(w.rows[i])>>m&1 == 1 {
				z = append(z, p.Strength*s)
			}
		}
		a[m] = intercept(z, 1-p.Missing)
	}
	return func(i, m, y int) float64 {
		switch {
		case slices.Contains(inputs, m) && p.Mask == MaskMAR:
			return 1
		case slices.Contains(inputs, m):
			return 1 - p.Missing
		case p.Mask == MaskLabel:
			return sigmoid(a[m] + p.Strength*float64(2*y-1))
		}
		return sigmoid(a[m] + p.Strength*scores[m][i])
	}
}

// inputs are the modalities that decide of the others: three in ten of those that
// may be dropped, drawn by the seed. A MAR mask needs none where every row has
// something anyway.
func (w *world) inputs(p Planting) []int {
	if p.Mask != MaskMNAR && (p.Mask != MaskMAR || len(w.alwaysColumns()) > 0) {
		return nil
	}
	droppable := w.droppable()
	n := (3*len(droppable) + 9) / 10
	r := rng.Stream(uint64(w.seed), "plant", w.store.card.Name, "inputs")
	r.Shuffle(len(droppable), func(i, j int) { droppable[i], droppable[j] = droppable[j], droppable[i] })
	return droppable[:n]
}

// score is s of modality m, by row; only rows that have m matter.
func (w *world) score(p Planting, m int, inputs, labels []int) []float64 {
	var columns [][]float64
	switch p.Mask {
	case MaskConfounder:
		return w.hidden
	case MaskLabel:
		out := make([]float64, len(labels))
		for i, y := range labels {
			out[i] = float64(2*y - 1)
		}
		return out
	case MaskSelf, MaskQuantile:
		columns = w.split(m)
	case MaskMNAR, MaskMAR:
		for _, k := range inputs {
			columns = append(columns, w.split(k)...)
		}
		if len(inputs) == 0 {
			columns = w.alwaysColumns()
		}
	}
	weights := rng.Stream(uint64(w.seed), "plant", w.store.card.Name, "mask", w.store.modalities[w.kept[m]].Name)
	out := make([]float64, len(w.rows))
	for _, column := range columns {
		weight := weights.NormFloat64()
		for i, x := range column {
			out[i] += weight * x
		}
	}
	standardise(out, func(i int) bool { return w.native(w.rows[i])>>m&1 == 1 })
	return out
}

// split returns the columns of a modality, each by row.
func (w *world) split(m int) [][]float64 {
	width := len(w.columns[m])
	out := make([][]float64, width)
	for i := range w.rows {
		for c := range out {
			out[c] = append(out[c], w.z[m][i*width+c])
		}
	}
	return out
}

// alwaysColumns are the columns that every row has: of the always-observed blocks,
// and the covariates.
func (w *world) alwaysColumns() [][]float64 {
	var out [][]float64
	for k, m := range w.kept {
		if w.store.modalities[m].Always {
			out = append(out, w.split(k)...)
		}
	}
	p := len(w.store.covariate)
	for _, c := range w.covariates {
		values := make([]float64, len(w.rows))
		for i, row := range w.rows {
			values[i] = float64(w.store.covariates[int(row)*p+c])
		}
		if standardise(values, nil) {
			out = append(out, values)
		}
	}
	return out
}

// censored drops rows beyond a quantile of their own score.
func (w *world) censored(p Planting) func(i, m, y int) float64 {
	type bounds struct{ low, high float64 }
	scores, limit := map[int][]float64{}, map[int]bounds{}
	for _, m := range w.droppable() {
		scores[m] = w.score(p, m, nil, nil)
		var known []float64
		for i, s := range scores[m] {
			if w.native(w.rows[i])>>m&1 == 1 {
				known = append(known, s)
			}
		}
		slices.Sort(known)
		b := bounds{math.Inf(-1), math.Inf(1)}
		below := func(q float64) int { return int(math.Round(q * float64(len(known)))) }
		switch p.Cut {
		case "upper":
			b.high = at(known, len(known)-below(p.Quantile))
		case "lower":
			b.low = at(known, below(p.Quantile)-1)
		default:
			b = bounds{at(known, below(p.Quantile/2)-1), at(known, len(known)-below(p.Quantile/2))}
		}
		limit[m] = b
	}
	return func(i, m, _ int) float64 {
		if s := scores[m][i]; s <= limit[m].low || s >= limit[m].high {
			return 1 - p.Missing/p.Quantile
		}
		return 1
	}
}

// at is the element of sorted values, infinite beyond either end.
func at(sorted []float64, i int) float64 {
	switch {
	case i < 0:
		return math.Inf(-1)
	case i >= len(sorted):
		return math.Inf(1)
	}
	return sorted[i]
}
