package dataset

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"github.com/deconfound/deconfound/sdk"
)

// flipped returns the modality to flip: the one named, or the one with the
// strongest association of mask and label in the training rows.
func (s *Store) flipped(train []int32, name string) (int, error) {
	if s.task.Kind == sdk.Multilabel {
		return 0, fmt.Errorf("needs a binary or multiclass label")
	}
	if name != "" {
		m, ok := s.Lookup(name)
		if !ok {
			names := make([]string, len(s.modalities))
			for i, x := range s.modalities {
				names[i] = x.Name
			}
			return 0, fmt.Errorf("%q is not a modality of %s%s", name, s.card.Name, didYouMean(name, names))
		}
		return m, nil
	}
	best, strongest := -1, 0.0
	for m := range s.modalities {
		if v := s.association(train, m); v > strongest {
			best, strongest = m, v
		}
	}
	if best < 0 {
		return 0, fmt.Errorf("no modality's mask varies with the label in the training rows")
	}
	return best, nil
}

// maskTable counts rows by class and by whether modality m is observed.
func (s *Store) maskTable(rows []int32, m int) [][2]float64 {
	table := make([][2]float64, max(s.task.Classes, 2))
	for _, row := range rows {
		table[s.class(row)][s.availability[row]>>m&1]++
	}
	return table
}

// association is Cramér's V of mask and label; for a binary label it is |phi|.
func (s *Store) association(rows []int32, m int) float64 {
	table := s.maskTable(rows, m)
	var n float64
	var mask [2]float64
	for _, c := range table {
		n += c[0] + c[1]
		mask[0] += c[0]
		mask[1] += c[1]
	}
	var chi2 float64
	for _, c := range table {
		for k := range mask {
			if expected := (c[0] + c[1]) * mask[k] / n; expected > 0 {
				chi2 += (c[k] - expected) * (c[k] - expected) / expected
			}
		}
	}
	if n == 0 {
		return 0
	}
	return math.Sqrt(chi2 / n) // min(rows, columns) - 1 is 1: the mask has two values
}

// flip weighs a row of class y and mask k by P(k | y') / P(k | y), at most
// maxWeight, where y' is the class at the mirrored place in the order of
// P(observed | class): the other class of a binary label. Both probabilities
// are those of the rows themselves, so that the swap is exact.
func (s *Store) flip(rows []int32, m int) []float32 {
	table := s.maskTable(rows, m)
	share := func(c, k int) float64 {
		if n := table[c][0] + table[c][1]; n > 0 {
			return table[c][k] / n
		}
		return 0
	}
	var order []int
	for c := range table {
		if table[c][0]+table[c][1] > 0 {
			order = append(order, c)
		}
	}
	slices.SortStableFunc(order, func(a, b int) int {
		return cmp.Compare(share(a, 1), share(b, 1))
	})
	mirror := make([]int, len(table))
	for i, c := range order {
		mirror[c] = order[len(order)-1-i]
	}
	weights := make([]float32, len(rows))
	for i, row := range rows {
		c, k := s.class(row), int(s.availability[row]>>m&1)
		weights[i] = float32(min(share(mirror[c], k)/share(c, k), maxWeight))
	}
	return weights
}

// patternMix weighs a row by P_target(pattern) / P_test(pattern), at most
// maxWeight. Patterns that the target lacks get weight 0; those that only the
// target has cannot be represented.
func (s *Store) patternMix(rows []int32, environment string) ([]float32, error) {
	have := map[uint64]float64{}
	for _, row := range rows {
		have[s.availability[row]]++
	}
	target := map[uint64]float64{}
	if environment == "" {
		for pattern := range have {
			target[pattern] = 1 / float64(len(have))
		}
	} else {
		e := slices.Index(s.EnvironmentLevels(), environment)
		if e < 0 {
			return nil, fmt.Errorf("%q is not an environment of %s%s", environment, s.card.Name, didYouMean(environment, s.EnvironmentLevels()))
		}
		n := 0.0
		for row, pattern := range s.availability {
			if s.environment.Values[row] == int32(e) {
				target[pattern]++
				n++
			}
		}
		for pattern := range target {
			target[pattern] /= n
		}
	}
	weights := make([]float32, len(rows))
	for i, row := range rows {
		pattern := s.availability[row]
		weights[i] = float32(min(target[pattern]*float64(len(rows))/have[pattern], maxWeight))
	}
	return weights, nil
}
