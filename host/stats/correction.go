package stats

import (
	"cmp"
	"math"
	"slices"
)

// Holm returns p-values adjusted for the family-wise error rate (Holm 1979,
// step-down). NaN entries were not tested: they stay NaN and are no part of the
// family.
func Holm(p []float64) []float64 {
	adjusted, order := ordered(p)
	m, running := len(order), 0.0
	for k, i := range order {
		running = max(running, min(1, float64(m-k)*p[i]))
		adjusted[i] = running
	}
	return adjusted
}

// BenjaminiHochberg returns p-values adjusted for the false discovery rate
// (Benjamini and Hochberg 1995, step-up). NaN as in Holm.
func BenjaminiHochberg(p []float64) []float64 {
	adjusted, order := ordered(p)
	m, running := len(order), 1.0
	for k := m - 1; k >= 0; k-- {
		i := order[k]
		running = min(running, float64(m)/float64(k+1)*p[i])
		adjusted[i] = running
	}
	return adjusted
}

func ordered(p []float64) (adjusted []float64, order []int) {
	adjusted = make([]float64, len(p))
	for i, v := range p {
		adjusted[i] = math.NaN()
		if !math.IsNaN(v) {
			order = append(order, i)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	return adjusted, order
}
