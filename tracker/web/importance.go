package web

import (
	"cmp"
	"math"
	"slices"

	"gonum.org/v1/gonum/stat"
)

// fewestTrials is below which a cell says nothing about a setting.
const fewestTrials = 5

// importance is how a setting of the search goes with the validation metric: the mean
// over cells of Spearman's rank correlation among a cell's trials. It sees monotone
// effects of one setting at a time, no interactions.
type importance struct {
	Parameter   string
	Correlation float64
	Strength    float64 // mean absolute correlation, by which settings are ordered
	Cells       int
	Trials      int
	Bar         intervalBar
}

// trialResult is a trial that is done.
type trialResult struct {
	Run                        int64
	Dataset, Backbone, Variant string
	Settings                   map[string]any // that were searched
	Value                      float64        // of the metric on validation rows
}

// rankSettings orders the numeric settings by how closely the metric follows them.
func rankSettings(trials []trialResult) []importance {
	type cell struct{ dataset, backbone, variant string }
	type points struct{ x, y []float64 }
	found := map[string]map[cell]*points{}
	for _, t := range trials {
		for name, value := range t.Settings {
			x, ok := value.(float64)
			if !ok {
				continue
			}
			if found[name] == nil {
				found[name] = map[cell]*points{}
			}
			at := cell{t.Dataset, t.Backbone, t.Variant}
			if found[name][at] == nil {
				found[name][at] = &points{}
			}
			p := found[name][at]
			p.x, p.y = append(p.x, x), append(p.y, t.Value)
		}
	}
	var out []importance
	for name, cells := range found {
		i := importance{Parameter: name}
		var all []float64
		for _, p := range cells {
			if len(p.x) < fewestTrials {
				continue
			}
			if rho := stat.Correlation(ranksOf(p.x), ranksOf(p.y), nil); !math.IsNaN(rho) {
				all = append(all, rho)
				i.Cells, i.Trials = i.Cells+1, i.Trials+len(p.x)
			}
		}
		if i.Cells == 0 {
			continue
		}
		slices.Sort(all) // so that the sum does not depend on the order of cells
		for _, rho := range all {
			i.Correlation += rho / float64(len(all))
			i.Strength += math.Abs(rho) / float64(len(all))
		}
		i.Bar = newIntervalBar(newScale(-1, 1), i.Correlation, math.Min(i.Correlation, 0), math.Max(i.Correlation, 0))
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b importance) int {
		return cmp.Or(cmp.Compare(b.Strength, a.Strength), cmp.Compare(a.Parameter, b.Parameter))
	})
	return out
}

// ranksOf are mid-ranks.
func ranksOf(values []float64) []float64 {
	order := make([]int, len(values))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(values[a], values[b]) })
	out := make([]float64, len(values))
	for from := 0; from < len(order); {
		to := from
		for to < len(order) && values[order[to]] == values[order[from]] {
			to++
		}
		for _, i := range order[from:to] {
			out[i] = float64(from) + float64(to-from+1)/2
		}
		from = to
	}
	return out
}
