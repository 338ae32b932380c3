package dataset

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"github.com/deconfound/deconfound/sdk/features"
)

// Pseudonymise writes below root, as Build does, a store with the same content in
// which nothing is left that was made from an identifier without the installation
// key: rows and patients have keyed hashes for names, the rows are in the order of
// these, and patients are numbered by first appearance. It may leave the machine.
//
// Unit hashes stay what they were, so that predictions match those of before. Splits
// and interventions are functions of the names that a store has: they are the same
// wherever this one is used, and others than those of s. So its hash is another, and
// depends on the key, which must be the one that s was built with. A store that was
// made with its parts (Make) follows from the one that it was made from, and is
// refused.
func Pseudonymise(s *Store, root string, key []byte) (*Store, error) {
	fail := func(err error) (*Store, error) { return nil, fmt.Errorf("pseudonymise %s: %w", s.Name(), err) }
	if s.key != KeyID(key) {
		return fail(fmt.Errorf("the store was built with another installation key"))
	}
	if s.given != nil {
		return fail(fmt.Errorf("it was generated"))
	}
	order := make([]int, s.Rows()) // row of s by place
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(uint64(s.unit[a]), uint64(s.unit[b])) })
	for i, row := range order[1:] {
		if s.unit[row] == s.unit[order[i]] {
			return fail(fmt.Errorf("two rows have the same unit hash"))
		}
	}
	sum := sha256.Sum256([]byte("pseudonymous\n" + s.hash + "\n" + s.key))
	out := &Source{content: s.content, hash: hex.EncodeToString(sum[:]), unit: permuted(s.unit, order), pseudonymous: true}
	c := &out.content
	c.availability = permuted(s.availability, order)
	c.labels = permutedRows(s.labels, order)
	c.covariates = permutedRows(s.covariates, order)
	c.time = permutedRows(s.time, order)
	c.groups = nil
	for _, g := range s.groups {
		c.groups = append(c.groups, Group{Name: g.Name, Levels: g.Levels, Values: permuted(g.Values, order)})
	}
	if e := s.environment; e != nil {
		c.environment = &Group{Name: e.Name, Levels: e.Levels, Values: permuted(e.Values, order)}
	}
	c.ids, c.patient, c.patients = nil, nil, nil
	number := map[int32]int32{} // of a patient of s
	for _, row := range order {
		c.ids = append(c.ids, pseudonym(s.unit[row]))
		patient := s.patient[row]
		p, known := number[patient]
		if !known {
			p = int32(len(c.patients))
			number[patient] = p
			c.patients = append(c.patients, pseudonym(unitHash(key, s.Name(), s.patients[patient])))
		}
		c.patient = append(c.patient, p)
	}
	for m := range s.modalities {
		values, err := s.permutedValues(m, order)
		if err != nil {
			return fail(err)
		}
		out.values = append(out.values, values)
	}
	built, err := Build(out, root, key)
	if err != nil {
		return fail(err)
	}
	return built, nil
}

// pseudonym is a unit hash as the name of a row.
func pseudonym(unit int64) string { return fmt.Sprintf("%016x", uint64(unit)) }

// permutedRows is permuted for any number of values a row.
func permutedRows[T any](values []T, order []int) []T {
	if values == nil {
		return nil
	}
	width := len(values) / len(order)
	out := make([]T, 0, len(values))
	for _, row := range order {
		out = append(out, values[row*width:(row+1)*width]...)
	}
	return out
}

// permutedValues copies a modality with its rows in another order.
func (s *Store) permutedValues(m int, order []int) (features.Values, error) {
	var out features.Values
	for _, row := range order {
		raw, err := s.features.Raw(m, int32(row))
		if err != nil {
			return features.Values{}, err
		}
		out.Data = append(out.Data, raw...)
	}
	if s.modalities[m].Kind != features.Sequence {
		return out, nil
	}
	lengths := make([]int32, len(order))
	rows := make([]int32, len(order))
	for place, row := range order {
		rows[place] = int32(row)
	}
	if err := s.features.Lengths(m, rows, lengths); err != nil {
		return features.Values{}, err
	}
	out.Lengths = lengths
	return out, nil
}
