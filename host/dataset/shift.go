package dataset

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// Shifted test sets, by name. A name may carry an argument after a colon.
const (
	// ShiftDo drops each observed modality of a test row with probability one
	// half: availability by intervention, do(mask).
	ShiftDo = "do"
	// ShiftFlip re-weights the test rows so that P(modality observed | label) is
	// swapped between the classes. The modality is the argument, by default the
	// one whose mask goes most with the label in the training rows.
	ShiftFlip = "flip"
	// ShiftPatternMix re-weights the test rows to another mix of availability
	// patterns: uniform, or that of the environment in the argument.
	ShiftPatternMix = "pattern_mix"
	// ShiftFlipClass drops the modality (as for ShiftFlip) from most test rows of
	// the class that has it more often in training, the MNAR test of MultiModN
	// (Swamy et al., NeurIPS 2023). Store.Induce makes the training side of it.
	ShiftFlipClass = "flip_class"
	// ShiftSourceTest is the held-out part of the source environments of a site
	// split.
	ShiftSourceTest = "idsrc"
)

// shiftAliases are other names of the same tests; a test set bears the name it
// was asked for by.
var shiftAliases = map[string]string{"pattern_flip": ShiftFlip}

const (
	// maxWeight caps the weight of a row in a re-weighted test set.
	maxWeight = 20
	// flipClassShare is the share of rows that lose the modality.
	flipClassShare = .8
)

// TestSet is a set of rows to score, perhaps under an intervention.
type TestSet struct {
	Name string
	Rows []int32
	// Availability by position, nil for the data's own; Weights by position, nil
	// for 1.
	Availability []uint64
	Weights      []float32
}

// Tests returns the test part as it is, named "test", followed by the shifted
// test sets.
func (s *Store) Tests(names []string, split Split, seed int) ([]TestSet, error) {
	shifts, err := s.Shifts(names, split, seed)
	if err != nil {
		return nil, err
	}
	return append([]TestSet{split.AsIs()}, shifts...), nil
}

// Shifts returns the named shifted test sets of a split. Interventions depend on
// the dataset's name, the seed and raw row identifiers alone. What a test set
// needs to learn from data, such as the modality to flip, it learns from the
// training rows.
func (s *Store) Shifts(names []string, split Split, seed int) ([]TestSet, error) {
	for _, rows := range [][]int32{split.Train, split.Test, split.SourceTest} {
		if err := s.checkRows(rows); err != nil {
			return nil, err
		}
	}
	sets := make([]TestSet, 0, len(names))
	for _, name := range names {
		set, err := s.shift(name, split, seed)
		if err != nil {
			return nil, fmt.Errorf("shifted test set %q: %w", name, err)
		}
		set.Name = name
		sets = append(sets, set)
	}
	return sets, nil
}

func (s *Store) shift(name string, split Split, seed int) (TestSet, error) {
	kind, argument, hasArgument := strings.Cut(name, ":")
	if alias, ok := shiftAliases[kind]; ok {
		kind = alias
	}
	if hasArgument && (kind == ShiftDo || kind == ShiftSourceTest) {
		return TestSet{}, fmt.Errorf("%s takes no argument", kind)
	}
	rows := split.Test
	switch kind {
	case ShiftDo:
		return TestSet{Rows: rows, Availability: s.do(rows, seed)}, nil
	case ShiftSourceTest:
		if split.SourceTest == nil {
			return TestSet{}, fmt.Errorf("needs a split with scheme = %q", Site)
		}
		return TestSet{Rows: split.SourceTest}, nil
	case ShiftPatternMix:
		weights, err := s.patternMix(rows, argument)
		return TestSet{Rows: rows, Weights: weights}, err
	case ShiftFlip, ShiftFlipClass:
		m, err := s.flipped(split.Train, argument)
		if err != nil {
			return TestSet{}, err
		}
		if kind == ShiftFlip {
			return TestSet{Rows: rows, Weights: s.flip(rows, m)}, nil
		}
		class := s.richest(split.Train, m)
		return TestSet{Rows: rows, Availability: s.dropClass(rows, m, class, flipClassShare, "flip_class", seed)}, nil
	case Site:
		return TestSet{}, fmt.Errorf("needs another training: use split.scheme = %q, whose test part is the target environments, and the test set %q", Site, ShiftSourceTest)
	}
	known := []string{ShiftDo, ShiftFlip, "pattern_flip", ShiftPatternMix, ShiftFlipClass, ShiftSourceTest}
	return TestSet{}, fmt.Errorf("is not one of %s%s", strings.Join(known, ", "), didYouMean(kind, known))
}

// do drops each observed modality when hash("dataset|do|seed|id|modality") < .5.
// The always-observed block stays. In a dataset without one, a row that would
// lose everything keeps the modality with the largest hash.
func (s *Store) do(rows []int32, seed int) []uint64 {
	out := make([]uint64, len(rows))
	for i, row := range rows {
		spared, largest := uint64(0), math.Inf(-1)
		for m, modality := range s.modalities {
			bit := uint64(1) << m
			if s.availability[row]&bit == 0 {
				continue
			}
			u := 1.0
			if !modality.Always {
				u = uniform(s.card.Name, "do", seedLabel(seed), s.ids[row], modality.Name)
			}
			if u >= .5 {
				out[i] |= bit
			}
			if u > largest {
				spared, largest = bit, u
			}
		}
		if out[i] == 0 {
			out[i] = spared
		}
	}
	return out
}

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
		switch d := share(a, 1) - share(b, 1); {
		case d < 0:
			return -1
		case d > 0:
			return 1
		}
		return 0
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
