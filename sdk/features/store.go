package features

import (
	"errors"
	"fmt"
	"path/filepath"
	"slices"
)

// Store is an open, read-only feature store. Its methods may be called from
// many goroutines at once, but none during or after Close.
type Store struct {
	index  Index
	arrays []array
}

// array holds the mapped values of one modality. The slices alias the files.
type array struct {
	values  []float32
	lengths []int32
	maps    []*mapping
}

// Open maps the store in dir. Close releases it. Stores of one process that are
// open at the same time share the memory of their files.
func Open(dir string) (_ *Store, err error) {
	index, err := readIndex(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{index: index, arrays: make([]array, len(index.Modalities))}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Close())
		}
	}()
	for i, m := range index.Modalities {
		a := &s.arrays[i]
		values, err := mapArray(filepath.Join(dir, m.Array), "<f4", m.shape(index.Rows))
		if err != nil {
			return nil, fmt.Errorf("open feature store: modality %s: %w", m.Name, err)
		}
		a.maps = append(a.maps, values)
		a.values = view[float32](values)
		if m.Kind != Sequence {
			continue
		}
		lengths, err := mapArray(filepath.Join(dir, m.Lengths), "<i4", []int{index.Rows})
		if err != nil {
			return nil, fmt.Errorf("open feature store: modality %s: %w", m.Name, err)
		}
		a.maps = append(a.maps, lengths)
		a.lengths = view[int32](lengths)
	}
	return s, nil
}

// Close unmaps the store. It may be called more than once.
func (s *Store) Close() error {
	var errs []error
	for i := range s.arrays {
		a := &s.arrays[i]
		a.values, a.lengths = nil, nil
		for _, m := range a.maps {
			errs = append(errs, m.close())
		}
		a.maps = nil
	}
	return errors.Join(errs...)
}

// Rows is the number of rows.
func (s *Store) Rows() int { return s.index.Rows }

// Modalities describes the arrays, in dataset order: bit m of an availability
// mask is Modalities()[m].
func (s *Store) Modalities() []Modality { return slices.Clone(s.index.Modalities) }

// Lookup returns the position of a modality.
func (s *Store) Lookup(name string) (int, bool) {
	i := slices.IndexFunc(s.index.Modalities, func(m Modality) bool { return m.Name == name })
	return i, i >= 0
}
