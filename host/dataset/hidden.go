package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// component begins the name of a hidden principal component.
const component = "pc:"

// hide returns the hidden variable by row of the store, NaN where it is not known,
// and takes it out of what rows show. Of a variable with levels it is their place
// in the order of the label's prevalence.
func (w *world) hide() ([]float64, error) {
	s := w.store
	if name, ok := strings.CutPrefix(w.Hidden, component); ok {
		m, known := s.Lookup(name)
		if !known {
			return nil, fmt.Errorf("hidden is %q: no modality %q in %s%s", w.Hidden, name, s.card.Name, didYouMean(name, s.modalityNames()))
		}
		out := s.firstComponent(m)
		if k := slices.Index(w.kept, m); k >= 0 {
			w.kept, w.columns = slices.Delete(w.kept, k, k+1), slices.Delete(w.columns, k, k+1)
		}
		return out, nil
	}
	var out []float64
	if g, ok := s.Group(w.Hidden); ok {
		out = s.ranked(g)
	}
	var known []string
	if s.environment != nil {
		known = append(known, "environment")
	}
	for _, g := range s.groups {
		known = append(known, g.Name)
	}
	for m, modality := range s.modalities {
		for c, name := range modality.Columns {
			if known = append(known, name); name == w.Hidden && out == nil {
				for row := range int32(s.Rows()) {
					out = append(out, s.cell(m, row, c))
				}
			}
		}
	}
	for c, name := range s.covariate {
		if known = append(known, name); name == w.Hidden && out == nil {
			for row := range s.Rows() {
				out = append(out, float64(s.covariates[row*len(s.covariate)+c]))
			}
		}
	}
	if out == nil {
		return nil, fmt.Errorf("hidden is %q, which %s does not have; name the environment, a subgroup, a column, or pc:MODALITY%s", w.Hidden, s.card.Name, didYouMean(w.Hidden, known))
	}
	// The levels of a categorical column are columns named column=level.
	shows := func(name string) bool { return name == w.Hidden || strings.HasPrefix(name, w.Hidden+"=") }
	for k := len(w.kept) - 1; k >= 0; k-- {
		modality := s.modalities[w.kept[k]]
		w.columns[k] = slices.DeleteFunc(w.columns[k], func(c int) bool { return c < len(modality.Columns) && shows(modality.Columns[c]) })
		if len(w.columns[k]) == 0 {
			w.kept, w.columns = slices.Delete(w.kept, k, k+1), slices.Delete(w.columns, k, k+1)
		}
	}
	w.covariates = slices.DeleteFunc(w.covariates, func(c int) bool { return shows(s.covariate[c]) })
	return out, nil
}

// ranked numbers the levels of a group by the prevalence of the label.
func (s *Store) ranked(g Group) []float64 {
	events, rows := make([]float64, len(g.Levels)), make([]float64, len(g.Levels))
	for row, level := range g.Values {
		events[level] += float64(s.labels[row])
		rows[level]++
	}
	order := sequence(len(g.Levels))
	slices.SortStableFunc(order, func(a, b int) int {
		switch x, y := events[a]/max(rows[a], 1), events[b]/max(rows[b], 1); {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
	place := make([]float64, len(g.Levels))
	for i, level := range order {
		place[level] = float64(i)
	}
	out := make([]float64, len(g.Values))
	for row, level := range g.Values {
		out[row] = place[level]
	}
	return out
}

// firstComponent is the first principal component of the standardised columns of a
// modality, NaN for rows that miss it; a missing cell counts as the mean. Of the two
// signs it has the one with which the columns load positively in sum.
func (s *Store) firstComponent(m int) []float64 {
	width := s.modalities[m].Width
	columns := make([][]float64, width)
	for c := range columns {
		for row := range int32(s.Rows()) {
			columns[c] = append(columns[c], s.cell(m, row, c))
		}
		standardise(columns[c], nil)
	}
	covariance := mat.NewSymDense(width, nil)
	for a := range width {
		for b := a; b < width; b++ {
			sum := 0.0
			for row, x := range columns[a] {
				sum += x * columns[b][row]
			}
			covariance.SetSym(a, b, sum/float64(s.Rows()))
		}
	}
	var eigen mat.EigenSym
	out := make([]float64, s.Rows())
	if !eigen.Factorize(covariance, true) {
		return out // does not vary, which is reported
	}
	var vectors mat.Dense
	eigen.VectorsTo(&vectors)
	sign, sum := 1.0, 0.0
	for c := range width {
		sum += vectors.At(c, width-1) // eigenvalues ascend
	}
	if sum < 0 {
		sign = -1
	}
	for row := range out {
		if s.availability[row]>>m&1 == 0 {
			out[row] = math.NaN()
			continue
		}
		for c := range width {
			out[row] += sign * vectors.At(c, width-1) * columns[c][row]
		}
	}
	return out
}
