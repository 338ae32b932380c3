package dataset

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/deconfound/deconfound/sdk"
)

// Schemes of splitting. Each keeps all rows of a patient in one part.
const (
	// Holdout assigns patients by hash: u < f0 trains, u < f0+f1 validates. With
	// SplitSpec.FixedTest a hash without the seed decides who is tested.
	Holdout = "holdout"
	// KFold cuts the same u into Folds parts. Seed s tests part s mod Folds of
	// repetition s / Folds, validates on the part after it and trains on the rest:
	// Folds consecutive seeds are one cross-validation.
	KFold = "kfold"
	// Site trains and validates on source environments and tests on all rows of
	// the target environments. The source patients that holdout would have tested
	// are SourceTest.
	Site = "site"
	// Time orders patients by their last time: the earliest train, the latest are
	// tested.
	Time = "time"
)

// SplitSpec says how to split.
type SplitSpec struct {
	Scheme string
	// By is the unit that is not cut apart: "patient", which "" means too.
	By string
	// Fractions of train, validation and test; {.6, .2, .2} by default. A site
	// split applies them to the source environments.
	Fractions []float64
	// FixedTest makes the tested patients of a holdout split, and those a site split
	// holds out of its sources, the same for every seed: none of them is ever
	// trained or validated on, so that a search on one seed has not seen the test
	// rows of another.
	FixedTest bool
	// Folds of a kfold split, at least 3; 5 by default.
	Folds int
	// Source and Target are environments. Without Source all others are; without
	// Target the seed picks one environment after the other.
	Source, Target []string
}

// Split is a partition of rows, each part in ascending order. Rows may be in no
// part.
type Split struct {
	Train, Validation, Test []int32
	// SourceTest holds the rows of the source environments that a site split has
	// held out; nil for other schemes.
	SourceTest []int32
}

// plainTest is the name of the test part as it is.
const plainTest = "test"

// AsIs is the test part as a test set named "test".
func (s Split) AsIs() TestSet { return TestSet{Name: plainTest, Rows: s.Test} }

// Split divides the patients. It depends on the dataset's name, the seed and
// the raw patient identifiers alone, not on the order of rows, and so gives the
// same parts after the table has been reordered or extended.
func (s *Store) Split(spec SplitSpec, seed int) (Split, error) {
	if spec.By != "" && spec.By != "patient" {
		return Split{}, fmt.Errorf("split by %q: rows are split by patient only, so that no patient is in two parts", spec.By)
	}
	if seed < 0 {
		return Split{}, fmt.Errorf("split seed is %d, it must not be negative", seed)
	}
	if s.given != nil {
		return s.given.split(s.card.Name, spec.Scheme)
	}
	cuts, err := spec.cuts()
	if err != nil {
		return Split{}, err
	}
	if spec.FixedTest && (spec.Scheme == KFold || spec.Scheme == Time) {
		return Split{}, fmt.Errorf("split: a fixed test set is for scheme = %q or %q, this is %q", Holdout, Site, spec.Scheme)
	}
	if (len(spec.Source) > 0 || len(spec.Target) > 0) && spec.Scheme != Site {
		return Split{}, fmt.Errorf("split: source and target are for scheme = %q, this is %q", Site, spec.Scheme)
	}
	switch spec.Scheme {
	case "", Holdout:
		return s.assign(func(patient int32) part { return s.part(spec, cuts, seed, patient) }), nil
	case KFold:
		return s.kfold(cmp.Or(spec.Folds, 5), seed)
	case Site:
		return s.site(spec, cuts, seed)
	case Time:
		return s.byTime(cuts)
	}
	schemes := []string{Holdout, KFold, Site, Time}
	return Split{}, fmt.Errorf("split scheme %q is not one of %s%s", spec.Scheme, strings.Join(schemes, ", "), didYouMean(spec.Scheme, schemes))
}

func didYouMean(name string, known []string) string {
	if near := sdk.Nearest(name, known); near != "" {
		return fmt.Sprintf("; did you mean %s?", near)
	}
	return ""
}

// part of a split that a patient falls into.
type part int

const (
	none part = iota
	train
	validation
	test
	sourceTest
)

// cuts are the upper limits of train and validation.
type cuts [2]float64

func (spec SplitSpec) cuts() (cuts, error) {
	f := spec.Fractions
	if len(f) == 0 {
		f = []float64{.6, .2, .2}
	}
	if len(f) != 3 {
		return cuts{}, fmt.Errorf("split fractions %v: give three, for train, validation and test", f)
	}
	for _, x := range f {
		if !(x >= 0 && x <= 1) {
			return cuts{}, fmt.Errorf("split fractions %v: each is between 0 and 1", f)
		}
	}
	if math.Abs(f[0]+f[1]+f[2]-1) > 1e-9 {
		return cuts{}, fmt.Errorf("split fractions %v: they do not add up to 1", f)
	}
	// Rounded, so that .7 + .1 is the .8 of the protocol and of other languages'
	// literals, not .7999999999999999.
	return cuts{f[0], math.Round((f[0]+f[1])*1e12) / 1e12}, nil
}

func (c cuts) part(u float64) part {
	switch {
	case u < c[0]:
		return train
	case u < c[1]:
		return validation
	}
	return test
}

// part is the part of a patient in a holdout split.
func (s *Store) part(spec SplitSpec, cuts cuts, seed int, patient int32) part {
	if !spec.FixedTest {
		return cuts.part(s.uniform(seed, patient))
	}
	if uniform(s.card.Name, "test", s.patients[patient]) >= cuts[1] {
		return test
	}
	return cuts.part(s.uniform(seed, patient) * cuts[1])
}

func (s *Store) uniform(seed int, patient int32) float64 {
	return uniform(s.card.Name, seedLabel(seed), s.patients[patient])
}

// assign asks for the part of every patient once and distributes the rows.
func (s *Store) assign(of func(patient int32) part) Split {
	parts := make([]part, len(s.patients))
	for p := range parts {
		parts[p] = of(int32(p))
	}
	var split Split
	for row, p := range s.patient {
		switch row := int32(row); parts[p] {
		case train:
			split.Train = append(split.Train, row)
		case validation:
			split.Validation = append(split.Validation, row)
		case test:
			split.Test = append(split.Test, row)
		case sourceTest:
			split.SourceTest = append(split.SourceTest, row)
		}
	}
	return split
}

func (s *Store) kfold(folds, seed int) (Split, error) {
	if folds < 3 {
		return Split{}, fmt.Errorf("split folds is %d, it must be at least 3: train, validation, test", folds)
	}
	tested, repetition := seed%folds, seed/folds
	return s.assign(func(patient int32) part {
		switch fold := min(int(s.uniform(repetition, patient)*float64(folds)), folds-1); fold {
		case tested:
			return test
		case (tested + 1) % folds:
			return validation
		}
		return train
	}), nil
}

func (s *Store) site(spec SplitSpec, cuts cuts, seed int) (Split, error) {
	if s.environment == nil {
		return Split{}, fmt.Errorf("split scheme %q needs an environment; dataset %s declares none (rows.environment)", Site, s.card.Name)
	}
	levels := s.environment.Levels
	role := make([]part, len(levels)) // none, train = source, test = target
	mark := func(names []string, as part) error {
		for _, name := range names {
			i := slices.Index(levels, name)
			if i < 0 {
				return fmt.Errorf("split: %q is not an environment of %s, which has %s%s", name, s.card.Name, strings.Join(levels, ", "), didYouMean(name, levels))
			}
			if role[i] != none {
				return fmt.Errorf("split: environment %q is listed twice", name)
			}
			role[i] = as
		}
		return nil
	}
	target := spec.Target
	if len(target) == 0 && len(spec.Source) == 0 {
		target = levels[seed%len(levels):][:1]
	}
	if err := mark(target, test); err != nil {
		return Split{}, err
	}
	if err := mark(spec.Source, train); err != nil {
		return Split{}, err
	}
	for i := range role {
		if role[i] == none && len(spec.Source) == 0 {
			role[i] = train
		} else if role[i] == none && len(target) == 0 {
			role[i] = test
		}
	}
	// A patient with a row in a target environment is not trained on, even with
	// the rows from elsewhere.
	inTarget := make([]bool, len(s.patients))
	for row, e := range s.environment.Values {
		if role[e] == test {
			inTarget[s.patient[row]] = true
		}
	}
	var split Split
	for row, p := range s.patient {
		row := int32(row)
		switch as := role[s.environment.Values[row]]; {
		case as == test:
			split.Test = append(split.Test, row)
		case as == none || inTarget[p]:
		default:
			switch s.part(spec, cuts, seed, p) {
			case train:
				split.Train = append(split.Train, row)
			case validation:
				split.Validation = append(split.Validation, row)
			default:
				split.SourceTest = append(split.SourceTest, row)
			}
		}
	}
	return split, nil
}

// byTime gives every patient the time of the last row, so that no training row
// is later than the first cut. Patients with the same time stay together.
func (s *Store) byTime(cuts cuts) (Split, error) {
	if s.time == nil {
		return Split{}, fmt.Errorf("split scheme %q needs a time; dataset %s declares none (rows.time)", Time, s.card.Name)
	}
	last := make([]float64, len(s.patients))
	for p := range last {
		last[p] = math.Inf(-1)
	}
	for row, p := range s.patient {
		last[p] = max(last[p], s.time[row])
	}
	order := slices.Clone(last)
	slices.Sort(order)
	return s.assign(func(patient int32) part {
		rank, _ := slices.BinarySearch(order, last[patient])
		return cuts.part(float64(rank) / float64(len(order)))
	}), nil
}
