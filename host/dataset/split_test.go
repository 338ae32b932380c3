package dataset

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// draw makes a split of a random scheme.
func draw(t *rapid.T, s *Store) (Split, SplitSpec) {
	spec := SplitSpec{Scheme: rapid.SampledFrom([]string{Holdout, KFold, Site, Time}).Draw(t, "scheme")}
	if rapid.Bool().Draw(t, "fractions") {
		f := rapid.Float64Range(0, .5).Draw(t, "train")
		spec.Fractions = []float64{f, .5, .5 - f}
	}
	spec.Folds = rapid.IntRange(3, 8).Draw(t, "folds")
	if spec.Scheme == Site && rapid.Bool().Draw(t, "named") {
		levels := slices.Clone(s.EnvironmentLevels())
		n := rapid.IntRange(1, len(levels)-1).Draw(t, "targets")
		spec.Target = rapid.Permutation(levels).Draw(t, "levels")[:n]
	}
	split, err := s.Split(spec, rapid.IntRange(0, 40).Draw(t, "seed"))
	if err != nil {
		t.Fatal(err)
	}
	return split, spec
}

// No patient, and so no row, is in two parts; parts are in ascending order.
func TestStore_SplitPatients(t *testing.T) {
	s, _ := buildCohort(t)
	rapid.Check(t, func(t *rapid.T) {
		split, spec := draw(t, s)
		of := map[int32]int{}
		rows := 0
		for part, members := range [][]int32{split.Train, split.Validation, split.Test, split.SourceTest} {
			rows += len(members)
			if !slices.IsSorted(members) {
				t.Errorf("part %d of %+v is not in order", part, spec)
			}
			for _, row := range members {
				patient := s.PatientIndex()[row]
				if before, seen := of[patient]; seen && before != part {
					t.Errorf("patient %d is in parts %d and %d of %+v", patient, before, part, spec)
				}
				of[patient] = part
			}
		}
		if rows != s.Rows() && len(spec.Target) == 0 {
			t.Errorf("%d of %d rows are in a part of %+v", rows, s.Rows(), spec)
		}
	})
}

func TestStore_SplitDeterministic(t *testing.T) {
	one, _ := buildCohort(t)
	two, _ := buildCohort(t)
	for _, scheme := range []string{Holdout, KFold, Site, Time} {
		a, err := one.Split(SplitSpec{Scheme: scheme}, 3)
		if err != nil {
			t.Fatal(err)
		}
		b, err := two.Split(SplitSpec{Scheme: scheme}, 3)
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(a.Train, b.Train) || !slices.Equal(a.Test, b.Test) {
			t.Errorf("%s: the same seed gives different parts", scheme)
		}
		c, err := one.Split(SplitSpec{Scheme: scheme}, 4)
		if err != nil {
			t.Fatal(err)
		}
		if scheme != Time && slices.Equal(a.Test, c.Test) {
			t.Errorf("%s: another seed gives the same test rows", scheme)
		}
	}
}

// Folds consecutive seeds test every row exactly once.
func TestStore_SplitKFold(t *testing.T) {
	s, _ := buildCohort(t)
	for _, repetition := range []int{0, 1} {
		tested := make([]int, s.Rows())
		for fold := range 4 {
			split, err := s.Split(SplitSpec{Scheme: KFold, Folds: 4}, repetition*4+fold)
			if err != nil {
				t.Fatal(err)
			}
			for _, row := range split.Test {
				tested[row]++
			}
			if len(split.Train) < len(split.Test) || len(split.Validation) == 0 {
				t.Errorf("fold %d: %d training, %d validation, %d test rows", fold, len(split.Train), len(split.Validation), len(split.Test))
			}
		}
		if slices.Max(tested) != 1 || slices.Min(tested) != 1 {
			t.Errorf("repetition %d: a row is tested %d to %d times, want once", repetition, slices.Min(tested), slices.Max(tested))
		}
	}
}

func TestStore_SplitSite(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{Scheme: Site, Target: []string{"B"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range split.Test {
		if s.EnvironmentLevels()[s.Environment()[row]] != "B" {
			t.Errorf("row %d of another environment is tested", row)
		}
	}
	if len(split.Test) != 40 || len(split.Train)+len(split.Validation)+len(split.SourceTest) != 80 {
		t.Errorf("got %d test and %d source rows, want 40 and 80", len(split.Test), len(split.Train)+len(split.Validation)+len(split.SourceTest))
	}
	only, err := s.Split(SplitSpec{Scheme: Site, Source: []string{"A"}, Target: []string{"B"}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(only.Train) + len(only.Validation) + len(only.SourceTest); n != 40 {
		t.Errorf("got %d source rows of environment A, want 40", n)
	}
	sets, err := s.Tests([]string{ShiftSourceTest}, split, 0)
	if err != nil || len(sets) != 2 || sets[0].Name != "test" || !slices.Equal(sets[1].Rows, split.SourceTest) {
		t.Errorf("got test sets %+v, %v", sets, err)
	}
}

// No training row is later than any validation row's patient, and so on.
func TestStore_SplitTime(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{Scheme: Time, Fractions: []float64{.5, .25, .25}}, 0)
	if err != nil {
		t.Fatal(err)
	}
	latest := func(rows []int32) (low, high float64) {
		last := map[int32]float64{}
		for _, row := range rows {
			p := s.patient[row]
			last[p] = max(last[p], s.time[row])
		}
		low, high = math.Inf(1), math.Inf(-1)
		for _, v := range last {
			low, high = min(low, v), max(high, v)
		}
		return low, high
	}
	_, train := latest(split.Train)
	first, validation := latest(split.Validation)
	test, _ := latest(split.Test)
	if !(train < first && validation < test) {
		t.Errorf("got training to %v, validation %v to %v, test from %v", train, first, validation, test)
	}
	if n := len(split.Train); n < 50 || n > 70 {
		t.Errorf("got %d training rows, want about 60", n)
	}
}

func TestStore_SplitErr(t *testing.T) {
	s, _ := buildCohort(t)
	for name, c := range map[string]struct {
		spec SplitSpec
		seed int
		want string
	}{
		"scheme":         {SplitSpec{Scheme: "holdut"}, 0, "did you mean holdout?"},
		"by":             {SplitSpec{By: "row"}, 0, "by patient only"},
		"two fractions":  {SplitSpec{Fractions: []float64{.5, .5}}, 0, "give three"},
		"sum":            {SplitSpec{Fractions: []float64{.5, .5, .5}}, 0, "add up"},
		"negative":       {SplitSpec{Fractions: []float64{1.5, -.5, 0}}, 0, "between"},
		"nan":            {SplitSpec{Fractions: []float64{math.NaN(), .5, .5}}, 0, "between"},
		"folds":          {SplitSpec{Scheme: KFold, Folds: 2}, 0, "at least 3"},
		"environment":    {SplitSpec{Scheme: Site, Target: []string{"Z"}}, 0, "not an environment"},
		"both":           {SplitSpec{Scheme: Site, Target: []string{"A"}, Source: []string{"A"}}, 0, "twice"},
		"target holdout": {SplitSpec{Target: []string{"A"}}, 0, "scheme"},
		"seed":           {SplitSpec{}, -1, "negative"},
	} {
		if _, err := s.Split(c.spec, c.seed); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got error %v, want it to contain %q", name, err, c.want)
		}
	}
	bare := *s
	bare.environment, bare.time = nil, nil
	for _, scheme := range []string{Site, Time} {
		if _, err := bare.Split(SplitSpec{Scheme: scheme}, 0); err == nil {
			t.Errorf("%s without its column: got no error", scheme)
		}
	}
}

// With a fixed test set no seed trains or validates on a row that any seed tests,
// while the parts keep their shares and the rest is drawn anew.
func TestStore_SplitFixedTest(t *testing.T) {
	s, _ := buildCohort(t)
	for _, scheme := range []string{Holdout, Site} {
		tested := func(p Split) []int32 {
			if scheme == Site {
				return p.SourceTest
			}
			return p.Test
		}
		spec := SplitSpec{Scheme: scheme, FixedTest: true}
		if scheme == Site {
			spec.Target = s.EnvironmentLevels()[:1]
		}
		first, err := s.Split(spec, 0)
		if err != nil {
			t.Fatal(err)
		}
		if len(tested(first)) == 0 {
			t.Fatalf("%s: nothing is tested", scheme)
		}
		var trains, validates int
		moved := false
		for seed := range 20 {
			split, err := s.Split(spec, seed)
			if err != nil {
				t.Fatal(err)
			}
			if !slices.Equal(tested(split), tested(first)) {
				t.Errorf("%s: seed %d tests other rows than seed 0", scheme, seed)
			}
			trains, validates = trains+len(split.Train), validates+len(split.Validation)
			moved = moved || !slices.Equal(split.Train, first.Train)
		}
		if !moved {
			t.Errorf("%s: all seeds train on the same rows", scheme)
		}
		if share := float64(trains) / float64(trains+validates); math.Abs(share-.75) > .05 {
			t.Errorf("%s: %.3f of the other rows are trained on, want .6 of .8", scheme, share)
		}
	}
	for _, scheme := range []string{KFold, Time} {
		if _, err := s.Split(SplitSpec{Scheme: scheme, FixedTest: true}, 0); err == nil || !strings.Contains(err.Error(), "fixed test set") {
			t.Errorf("%s: got %v", scheme, err)
		}
	}
}
