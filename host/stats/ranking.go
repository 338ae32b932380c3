package stats

import (
	"cmp"
	"math"
	"slices"
)

// AUROC is the area under the receiver operating characteristic: the weighted
// share of (event, non-event) pairs in which the event has the higher score,
// ties counting one half. Scores may be any real numbers. It is NaN when events
// or non-events have no weight.
func AUROC(scores, labels, weights []float64) float64 {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	r, ok := newRanking(scores, labels, sequence(len(scores)))
	if !ok || !validWeights(w) {
		return math.NaN()
	}
	return r.auroc(w)
}

// AUPRC is the average precision Σ (Rₙ − Rₙ₋₁) Pₙ over the distinct scores in
// descending order, as scikit-learn defines it (no interpolation). It is NaN
// when events or non-events have no weight: with one class alone the figure
// says nothing about the scores.
func AUPRC(scores, labels, weights []float64) float64 {
	checkLengths(scores, labels, weights)
	w := orOnes(weights, len(scores))
	r, ok := newRanking(scores, labels, sequence(len(scores)))
	if !ok || !validWeights(w) {
		return math.NaN()
	}
	return r.auprc(w)
}

// Order is scores sorted once, for AUROCs of the same rows under many outcomes.
type Order struct {
	rows  []int32
	last  []bool // of the rows with the same score
	known bool   // no score is NaN
}

// NewOrder sorts; scores are read, not kept.
func NewOrder(scores []float64) Order {
	o := Order{rows: sequence(len(scores)), last: make([]bool, len(scores)), known: !slices.ContainsFunc(scores, math.IsNaN)}
	slices.SortFunc(o.rows, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
	for k, i := range o.rows {
		o.last[k] = k == len(o.rows)-1 || scores[o.rows[k+1]] != scores[i]
	}
	return o
}

// AUROC is that of the scores for labels that are 0 or 1, to the bit the same as
// AUROC without weights; NaN for other labels.
func (o Order) AUROC(labels []float64) float64 {
	if len(labels) != len(o.rows) {
		panic("stats: scores and labels differ in length")
	}
	if !o.known || slices.ContainsFunc(labels, func(y float64) bool { return y != 0 && y != 1 }) {
		return math.NaN()
	}
	return o.counted(labels, nil)
}

// CountedAUROC is AUROC of the rows as often as count says, 0 or more.
func (o Order) CountedAUROC(labels []float64, count []int32) float64 {
	if len(labels) != len(o.rows) || len(count) != len(o.rows) {
		panic("stats: scores, labels and counts differ in length")
	}
	if !o.known || slices.ContainsFunc(labels, func(y float64) bool { return y != 0 && y != 1 }) {
		return math.NaN()
	}
	return o.counted(labels, count)
}

// counted is CountedAUROC without its checks; without counts every row counts once.
func (o Order) counted(labels []float64, count []int32) float64 {
	var events, nonEvents, groupEvents, groupAll, twice int64
	for k, i := range o.rows {
		times := int64(1)
		if count != nil {
			times = int64(count[i])
		}
		groupAll += times
		groupEvents += times * int64(labels[i])
		if o.last[k] {
			groupNon := groupAll - groupEvents
			twice += groupNon * (2*events + groupEvents)
			events += groupEvents
			nonEvents += groupNon
			groupEvents, groupAll = 0, 0
		}
	}
	return areaOf(twice, events, nonEvents)
}

// areaOf is the AUROC of twice the number of pairs in which the event is ahead.
func areaOf(twice, events, nonEvents int64) float64 {
	if events == 0 || nonEvents == 0 {
		return math.NaN()
	}
	return float64(twice) / 2 / (float64(events) * float64(nonEvents))
}

// ranking is a binary problem sorted once, so that a metric under other weights
// costs one pass: bootstrap replicates only change the weights.
type ranking []ranked

type ranked struct {
	label float64
	row   int32 // index into the weights
	event int8  // all bits of an event, none of a non-event: cheaper than to branch
	last  bool  // of the rows with the same score
}

// newRanking sorts by descending score; rows[i] is the index of the i-th
// weight. It is false on NaN scores and labels other than 0, 1 and NaN.
func newRanking(scores, labels []float64, rows []int32) (ranking, bool) {
	order := make([]int32, 0, len(scores))
	for i, y := range labels {
		if math.IsNaN(y) {
			continue
		}
		if math.IsNaN(scores[i]) || (y != 0 && y != 1) {
			return nil, false
		}
		order = append(order, int32(i))
	}
	slices.SortFunc(order, func(a, b int32) int { return cmp.Compare(scores[b], scores[a]) })
	r := make(ranking, len(order))
	for k, i := range order {
		last := k == len(order)-1 || scores[order[k+1]] != scores[i]
		r[k] = ranked{label: labels[i], row: rows[i], event: -int8(labels[i]), last: last}
	}
	return r, true
}

func (r ranking) auroc(weights []float64) float64 {
	var events, nonEvents, groupEvents, groupAll, area float64
	for _, e := range r {
		w := weights[e.row]
		groupAll += w
		groupEvents += w * e.label
		if e.last {
			groupNon := groupAll - groupEvents
			area += groupNon * (events + groupEvents/2)
			events += groupEvents
			nonEvents += groupNon
			groupEvents, groupAll = 0, 0
		}
	}
	if !(events > 0) || !(nonEvents > 0) {
		return math.NaN()
	}
	return area / (events * nonEvents)
}

// area is the AUROC of a ranking.
type area struct{ ranking }

func (a area) value(weights []float64) float64 { return a.auroc(weights) }

// counted is value for weights that are whole numbers.
func (a area) counted(weights []int32) float64 {
	var events, nonEvents, groupEvents, groupAll, twice int64
	for i := range a.ranking {
		e := &a.ranking[i]
		w := int64(weights[e.row])
		groupAll += w
		groupEvents += w & int64(e.event)
		if e.last {
			groupNon := groupAll - groupEvents
			twice += groupNon * (2*events + groupEvents)
			events += groupEvents
			nonEvents += groupNon
			groupEvents, groupAll = 0, 0
		}
	}
	return areaOf(twice, events, nonEvents)
}

func (r ranking) auprc(weights []float64) float64 {
	var events, all, groupEvents, sum float64
	for _, e := range r {
		w := weights[e.row]
		all += w
		groupEvents += w * e.label
		if e.last {
			events += groupEvents
			if groupEvents > 0 {
				sum += groupEvents * events / all
			}
			groupEvents = 0
		}
	}
	if !(events > 0) || !(all > events) {
		return math.NaN()
	}
	return sum / events
}
