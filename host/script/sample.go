package script

import (
	"fmt"
	"math"
	"strconv"

	"github.com/deconfound/deconfound/host/dataset"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/rng"
)

// sample is a list of rows as a script sees them.
type sample struct {
	keys         []int64
	rows         []int32
	availability []uint64
	labelled     bool
}

// scored are the places of a test set's rows in a sample, by position.
type scored []int

// addressed are the rows that the script must predict, by key: first those of the
// validation sample, then those of the test sample.
type addressed map[int64]int

// plainSample has rows as they are, with labels.
func plainSample(store *dataset.Store, rows []int32) sample {
	s := sample{rows: rows, labelled: true}
	for _, row := range rows {
		s.keys = append(s.keys, store.UnitHash()[row])
		s.availability = append(s.availability, store.Availability()[row])
	}
	return s
}

// testSample has every row of every test set once for each availability that it is
// tested with, without labels, and in an order that does not tell the sets apart.
func testSample(store *dataset.Store, tests []dataset.TestSet, seed uint64) (sample, []scored) {
	type unit struct {
		row          int32
		availability uint64
	}
	at := map[unit]int{}
	var units []unit
	for _, t := range tests {
		for i, row := range t.Rows {
			u := unit{row, availability(store, t, i)}
			if _, known := at[u]; !known {
				at[u] = len(units)
				units = append(units, u)
			}
		}
	}
	place := rng.Stream(seed, "test order").Perm(len(units))
	s := sample{keys: make([]int64, len(units)), rows: make([]int32, len(units)), availability: make([]uint64, len(units))}
	for i, u := range units {
		key := store.UnitHash()[u.row]
		if u.availability != store.Availability()[u.row] {
			key = int64(rng.Derive(uint64(key), "shown", u.availability))
		}
		s.keys[place[i]], s.rows[place[i]], s.availability[place[i]] = key, u.row, u.availability
	}
	sets := make([]scored, len(tests))
	for t, set := range tests {
		for i, row := range set.Rows {
			sets[t] = append(sets[t], place[at[unit{row, availability(store, set, i)}]])
		}
	}
	return s, sets
}

func availability(store *dataset.Store, t dataset.TestSet, i int) uint64 {
	if t.Availability != nil {
		return t.Availability[i]
	}
	return store.Availability()[t.Rows[i]]
}

// address finds rows by key.
func address(samples ...sample) (addressed, error) {
	out := addressed{}
	for _, s := range samples {
		for _, key := range s.keys {
			if _, taken := out[key]; taken {
				return nil, fmt.Errorf("two rows have the same hash %d", key)
			}
			out[key] = len(out)
		}
	}
	return out, nil
}

// columns names the columns of a table, without those of key and labels: for every
// modality whether it is there, and its values, those of a sequence step by step.
func columns(store *dataset.Store) []string {
	var out []string
	for _, m := range store.Modalities() {
		out = append(out, m.Name+".available")
		for step := range max(m.Length, 1) {
			for c := range m.Width {
				name := m.Name + "."
				if m.Length > 0 {
					name += strconv.Itoa(step) + "."
				}
				if m.Columns != nil {
					name += m.Columns[c]
				} else {
					name += strconv.Itoa(c)
				}
				out = append(out, name)
			}
		}
	}
	return out
}

// labelColumns names the labels: one, or one for each label of a multilabel task.
func labelColumns(store *dataset.Store) []string {
	if store.Task().LabelWidth() == 1 {
		return []string{"label"}
	}
	var out []string
	for _, name := range store.Classes() {
		out = append(out, "label."+name)
	}
	return out
}

// values are those of row i under columns: as they were recorded, NaN where there is
// none. Of a modality that the row does not have, or is not to be shown, all are NaN.
func (s sample) values(store *dataset.Store, i int) ([]float32, error) {
	var out []float32
	for m, modality := range store.Modalities() {
		raw, err := store.Features().Raw(m, s.rows[i])
		if err != nil {
			return nil, err
		}
		seen := s.availability[i]>>m&1 == 1
		steps := max(modality.Length, 1)
		if modality.Kind == features.Sequence {
			length := []int32{0}
			if err := store.Features().Lengths(m, s.rows[i:i+1], length); err != nil {
				return nil, err
			}
			steps = int(length[0])
		}
		if seen {
			out = append(out, 1)
		} else {
			out = append(out, 0)
		}
		for j, v := range raw {
			if !seen || j >= steps*modality.Width || math.IsInf(float64(v), 0) {
				v = float32(math.NaN())
			}
			out = append(out, v)
		}
	}
	return out, nil
}

// labels are those of row i.
func (s sample) labels(store *dataset.Store, i int) []float32 {
	width := store.Task().LabelWidth()
	return store.Labels()[int(s.rows[i])*width : int(s.rows[i]+1)*width]
}
