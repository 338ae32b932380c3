package dataset

import (
	"fmt"
	"math"
	"strings"
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
	// Truth is P(Y = 1 | do(x)) by position; nil where it is not known.
	Truth []float64
	// Confounder is the latent U by position; nil where it is not known.
	Confounder []float64
}

// Tests returns the test part as it is, named "test", followed by the shifted
// test sets. Those of a made dataset were made with it.
func (s *Store) Tests(names []string, split Split, seed int) ([]TestSet, error) {
	if s.given != nil {
		return s.given.named(names)
	}
	shifts, err := s.Shifts(names, split, seed)
	if err != nil {
		return nil, err
	}
	return append([]TestSet{split.AsIs()}, shifts...), nil
}

// Shifts returns the named shifted test sets of a split. Interventions depend on
// the dataset's name, the seed and raw row identifiers alone. What a test set
// needs to learn from data, such as the modality to flip, it learns from the
// training rows. A made dataset has none but its own, see Tests.
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
