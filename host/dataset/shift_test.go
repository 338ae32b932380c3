package dataset

import (
	"math"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestStore_ShiftDo(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	sets, err := s.Shifts([]string{"do"}, split, 7)
	if err != nil {
		t.Fatal(err)
	}
	if sets[0].Name != "do" || !slices.Equal(sets[0].Rows, split.Test) || sets[0].Weights != nil {
		t.Errorf("got test set %s of %d rows", sets[0].Name, len(sets[0].Rows))
	}
	for i, row := range sets[0].Rows {
		got, own := sets[0].Availability[i], s.Availability()[row]
		if got&^own != 0 {
			t.Errorf("row %d: got pattern %b out of %b", row, got, own)
		}
		if got&1 == 0 {
			t.Errorf("row %d has lost the block that is always there", row)
		}
		for m := 1; m < 3; m++ {
			kept := uniform("demo", "do", "7", s.ids[row], s.modalities[m].Name) >= .5
			if own>>m&1 == 1 && (got>>m&1 == 1) != kept {
				t.Errorf("row %d: modality %d kept %v, want %v", row, m, !kept, kept)
			}
		}
	}
}

// Without an always-observed block no row loses everything.
func TestStore_ShiftDoKeepsOne(t *testing.T) {
	s, _ := buildCohort(t)
	bare := *s
	bare.modalities = slices.Clone(s.modalities)
	bare.modalities[0].Always = false
	all := make([]int32, s.Rows())
	for row := range all {
		all[row] = int32(row)
	}
	dropped := 0
	for i, pattern := range bare.do(all, 1) {
		if pattern == 0 {
			t.Errorf("row %d has lost every modality", i)
		}
		if pattern&1 == 0 {
			dropped++
		}
	}
	if dropped == 0 {
		t.Error("the first modality was never dropped")
	}
}

// After re-weighting P(mask | y) is that of the other class.
func TestStore_ShiftFlip(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{Fractions: []float64{.4, .1, .5}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	sets, err := s.Shifts([]string{"flip:labs", "pattern_flip", "flip"}, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	table := s.maskTable(split.Test, 1)
	share := func(c int) float64 { return table[c][1] / (table[c][0] + table[c][1]) }
	var observed, total [2]float64
	for i, row := range sets[0].Rows {
		w := float64(sets[0].Weights[i])
		total[s.class(row)] += w
		if s.Availability()[row]>>1&1 == 1 {
			observed[s.class(row)] += w
		}
	}
	for c := range 2 {
		if got, want := observed[c]/total[c], share(1-c); math.Abs(got-want) > 1e-5 {
			t.Errorf("class %d: got weighted P(observed) %v, want %v", c, got, want)
		}
	}
	// The label goes with ecg, so that is what is flipped; and no case misses it,
	// so cases get weight 0 or at most the cap.
	if sets[1].Name != "pattern_flip" || !slices.Equal(sets[1].Weights, sets[2].Weights) {
		t.Error("pattern_flip and flip differ")
	}
	if want := s.flip(split.Test, 2); !slices.Equal(sets[2].Weights, want) {
		t.Error("flip is not of the modality that goes with the label")
	}
	for _, w := range sets[2].Weights {
		if !(w >= 0 && w <= maxWeight) {
			t.Errorf("got weight %v", w)
		}
	}
}

func TestStore_ShiftPatternMix(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	sets, err := s.Shifts([]string{"pattern_mix", "pattern_mix:A"}, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	byPattern := map[uint64]float64{}
	for i, row := range sets[0].Rows {
		byPattern[s.Availability()[row]] += float64(sets[0].Weights[i])
	}
	want := float64(len(split.Test)) / float64(len(byPattern))
	for pattern, got := range byPattern {
		if math.Abs(got-want) > 1e-3 {
			t.Errorf("pattern %b: got weight %v in all, want %v", pattern, got, want)
		}
	}
	total, n := 0.0, 0.0
	for i, row := range sets[1].Rows {
		if s.Availability()[row] == 1 {
			total += float64(sets[1].Weights[i])
		}
	}
	of := 0.0
	for row, e := range s.Environment() {
		if e == 0 {
			n++
			if s.Availability()[row] == 1 {
				of++
			}
		}
	}
	if got := total / float64(len(split.Test)); math.Abs(got-of/n) > 1e-5 {
		t.Errorf("share of the pattern in environment A: got %v, want %v", got, of/n)
	}
}

func TestStore_ShiftFlipClass(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{Fractions: []float64{.4, .1, .5}}, 2)
	if err != nil {
		t.Fatal(err)
	}
	induced, err := s.Induce(Induced{Modality: "labs", Share: 1}, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	for _, rows := range [][]int32{split.Train, split.Validation} {
		for _, row := range rows {
			if s.class(row) == 1 && induced.Availability()[row]>>1&1 == 1 {
				t.Errorf("training row %d of class 1 has kept the modality", row)
			}
			if s.class(row) == 0 && induced.Availability()[row] != s.Availability()[row] {
				t.Errorf("training row %d of class 0 has changed", row)
			}
		}
	}
	for _, row := range split.Test {
		if induced.Availability()[row] != s.Availability()[row] {
			t.Errorf("test row %d has changed", row)
		}
	}
	// Now class 0 has the modality in training: the test drops it there.
	sets, err := induced.Shifts([]string{"flip_class:labs"}, split, 0)
	if err != nil {
		t.Fatal(err)
	}
	had, lost := 0, 0
	for i, row := range sets[0].Rows {
		own, got := induced.Availability()[row], sets[0].Availability[i]
		if s.class(row) == 1 && got != own {
			t.Errorf("test row %d of class 1 has changed", row)
		}
		if s.class(row) == 0 && own>>1&1 == 1 {
			had++
			if got>>1&1 == 0 {
				lost++
			}
		}
	}
	if share := float64(lost) / float64(had); share < .6 || share > .97 {
		t.Errorf("%d of %d test rows of class 0 have lost the modality, want about .8", lost, had)
	}
}

func TestStore_ShiftErr(t *testing.T) {
	s, _ := buildCohort(t)
	split, err := s.Split(SplitSpec{}, 0)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"flipp": "did you mean flip?", "flip:lab": "did you mean labs?", "idsrc": "scheme = \"site\"", "site": "split.scheme",
		"pattern_mix:Z": "not an environment", "do:x": "no argument",
	} {
		if _, err := s.Shifts([]string{name}, split, 0); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got error %v, want it to contain %q", name, err, want)
		}
	}
	if _, err := s.Shifts([]string{"do"}, Split{Test: []int32{9999}}, 0); err == nil {
		t.Error("rows of another store: got no error")
	}
	for _, spec := range []Induced{{"base", .5}, {"xray", .5}, {"labs", 2}} {
		if _, err := s.Induce(spec, split, 0); err == nil {
			t.Errorf("induce %+v: got no error", spec)
		}
	}
}

// Weights of every re-weighted test set are finite, not negative and capped.
func TestStore_ShiftWeights(t *testing.T) {
	s, _ := buildCohort(t)
	rapid.Check(t, func(t *rapid.T) {
		split, _ := draw(t, s)
		if len(split.Train) == 0 || len(split.Test) == 0 {
			return
		}
		for _, name := range []string{"flip:labs", "flip:ecg", "flip:base", "pattern_mix", "pattern_mix:C"} {
			sets, err := s.Shifts([]string{name}, split, 0)
			if err != nil {
				t.Fatal(err)
			}
			for i, w := range sets[0].Weights {
				if !(w >= 0 && w <= maxWeight) {
					t.Fatalf("%s: weight %d is %v", name, i, w)
				}
			}
			if len(sets[0].Weights) != len(sets[0].Rows) {
				t.Fatalf("%s: %d weights for %d rows", name, len(sets[0].Weights), len(sets[0].Rows))
			}
		}
	})
}
