package dataset

import (
	"math"
	"slices"
	"strings"
	"testing"
)

const leakManifest = `categorical = ["unit"]
covariates = ["age"]
` + head + `
[[modality]]
name = "base"
always = true
columns = ["age", "unit"]
[[modality]]
name = "labs"
columns = ["hb"]
[[table]]
name = "visits"
file = "visits.csv"
key = "id"
long = true
[[modality]]
name = "vitals"
kind = "sequence"
table = "visits"
time = "day"
columns = ["pulse"]
length = 3
`

// leakFiles makes the tables; rows with a poisoned identifier have extreme
// numbers, a unit that nobody else has, the other label and more visits.
func leakFiles(poisoned map[string]bool) map[string]string {
	var main, visits strings.Builder
	main.WriteString("id,y,age,unit,hb\n")
	visits.WriteString("id,day,pulse\n")
	for i := range 80 {
		id := "r" + itoa(i)
		y, age, unit, hb, pulse, days := i%2, itoa(40+i%30), "unit"+itoa(i%3), itoa(9+i%7), itoa(60+i%20), 1+i%3
		if i%5 == 0 {
			hb = ""
		}
		if poisoned[id] {
			y, age, unit, hb, pulse, days = 1-y, "1e9", "a new one", "-1e12", "1e15", 3
		}
		main.WriteString(strings.Join([]string{id, itoa(y), age, unit, hb}, ",") + "\n")
		for day := range days {
			visits.WriteString(id + "," + itoa(day) + "," + pulse + "\n")
		}
	}
	return map[string]string{"main.csv": main.String(), "visits.csv": visits.String()}
}

// Whatever stands in the rows that are not trained on, nothing that training
// reads of its own rows changes, to the last bit: neither scale nor imputed
// value nor one-hot column. A level that only the others have is a column of 0.
func TestStore_NoLeak(t *testing.T) {
	open := func(poisoned map[string]bool) *Store {
		s, err := Build(mustLoad(t, leakManifest, leakFiles(poisoned)), t.TempDir(), testKey)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { s.Close() })
		return s
	}
	clean := open(nil)
	split, err := clean.Split(SplitSpec{}, 3)
	if err != nil {
		t.Fatal(err)
	}
	poisoned := map[string]bool{}
	for _, row := range slices.Concat(split.Validation, split.Test) {
		poisoned[clean.ids[row]] = true
	}
	dirty := open(poisoned)
	again, err := dirty.Split(SplitSpec{}, 3)
	if err != nil || !slices.Equal(split.Train, again.Train) {
		t.Fatalf("the training rows have changed (%v)", err)
	}
	want, got := trainingColumns(t, clean, split.Train), trainingColumns(t, dirty, split.Train)
	if len(want) != 7 || len(got) != 8 {
		t.Fatalf("got %d and %d columns, want 7, and one more with the new level", len(want), len(got))
	}
	for name, values := range got {
		if name == "base/unit=a new one" {
			if slices.ContainsFunc(values, func(v float32) bool { return v != 0 }) {
				t.Errorf("%s: got %v in training rows, want 0", name, values)
			}
		} else if !slices.Equal(values, want[name]) {
			t.Errorf("%s: training values have changed:\n%v\n%v", name, values, want[name])
		}
	}
	changed := trainingColumns(t, dirty, dirty.allRows())
	if slices.Equal(changed["base/age"], trainingColumns(t, clean, clean.allRows())["base/age"]) {
		t.Error("the other rows were not poisoned")
	}
	for _, w := range dirty.Covariates(split.Test, split.Train) {
		if math.Abs(float64(w)) < 1e6 {
			t.Errorf("got covariate %v of a poisoned row, want it far off the scale of training", w)
		}
	}
}

func (s *Store) allRows() []int32 {
	rows := make([]int32, s.Rows())
	for row := range rows {
		rows[row] = int32(row)
	}
	return rows
}

// trainingColumns is what a training on rows reads of them: every column of
// every modality as a plugin gets it, and the covariates.
func trainingColumns(t *testing.T, s *Store, rows []int32) map[string][]float32 {
	t.Helper()
	columns := map[string][]float32{}
	for m, scaling := range s.Scaling(rows) {
		modality := s.Modalities()[m]
		values := make([]float32, len(rows)*modality.Width*max(modality.Length, 1))
		if err := s.Features().Gather(m, rows, scaling, values); err != nil {
			t.Fatal(err)
		}
		for i, v := range values {
			name := modality.Name + "/" + modality.Columns[i%modality.Width]
			columns[name] = append(columns[name], v)
		}
	}
	columns["covariates"] = s.Covariates(rows, rows)
	return columns
}
