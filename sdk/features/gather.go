package features

import (
	"errors"
	"fmt"
)

// Scaling standardises the columns of a modality: a value x becomes
// (x - Mean) / Scale. A column with Scale 0 was constant or never seen in the
// training rows and becomes 0 throughout. The zero Scaling leaves values as they
// are.
type Scaling struct {
	Mean  []float32 // [width]
	Scale []float32 // [width], standard deviations
	// Erasure is applied to the standardised columns.
	Erasure Erasure
}

// Erasure takes linear components out of standardised columns z: what remains is
// z - Write' (Read z - Offset). The zero value erases nothing.
type Erasure struct {
	Directions  int
	Read, Write []float32 // [Directions, width]
	Offset      []float32 // [Directions]
}

// Check reports arrays that do not fit a modality of the given width.
func (e Erasure) Check(width int) error {
	if size := e.Directions * width; e.Directions < 0 || len(e.Read) != size || len(e.Write) != size || len(e.Offset) != e.Directions {
		return fmt.Errorf("erasure of %d directions has %d, %d and %d values for %d columns", e.Directions, len(e.Read), len(e.Write), len(e.Offset), width)
	}
	return nil
}

// apply erases in place; component is scratch, [Directions].
func (e Erasure) apply(z []float32, component []float64) {
	for k := range component {
		component[k] = -float64(e.Offset[k])
		for c, r := range e.Read[k*len(z) : (k+1)*len(z)] {
			component[k] += float64(r) * float64(z[c])
		}
	}
	for c := range z {
		x := float64(z[c])
		for k, v := range component {
			x -= float64(e.Write[k*len(z)+c]) * v
		}
		z[c] = finite(float32(x))
	}
}

// Gather writes the standardised values of rows of a modality into dst, row
// after row, RowSize values each; a sequence row is [length, width], padded with
// zeros after its last step. Every value written is finite: cells that are
// missing, or infinite, become 0. Rows may repeat.
func (s *Store) Gather(modality int, rows []int32, scaling Scaling, dst []float32) error {
	m, a, err := s.modality(modality)
	if err != nil {
		return err
	}
	size, width := m.RowSize(), m.Width
	if len(dst) != len(rows)*size {
		return fmt.Errorf("gather %s: dst has %d values, %d rows need %d", m.Name, len(dst), len(rows), len(rows)*size)
	}
	if scaling.Mean != nil || scaling.Scale != nil {
		if len(scaling.Mean) != width || len(scaling.Scale) != width {
			return fmt.Errorf("gather %s: scaling has %d means and %d scales for %d columns", m.Name, len(scaling.Mean), len(scaling.Scale), width)
		}
	}
	if err := scaling.Erasure.Check(width); err != nil {
		return fmt.Errorf("gather %s: %w", m.Name, err)
	}
	component := make([]float64, scaling.Erasure.Directions)
	for i, row := range rows {
		if row < 0 || int(row) >= s.index.Rows {
			return fmt.Errorf("gather %s: row %d of a store with %d rows", m.Name, row, s.index.Rows)
		}
		src, out := a.values[int(row)*size:int(row+1)*size], dst[i*size:(i+1)*size]
		if m.Kind == Sequence {
			end := steps(a.lengths[row], m.Length) * width
			clear(out[end:])
			src, out = src[:end], out[:end]
		}
		for j := 0; j < len(src); j += width {
			standardise(out[j:j+width], src[j:j+width], scaling)
			if len(component) > 0 {
				scaling.Erasure.apply(out[j:j+width], component)
			}
		}
	}
	return nil
}

// Lengths writes the number of steps of rows of a sequence modality into dst.
func (s *Store) Lengths(modality int, rows []int32, dst []int32) error {
	m, a, err := s.modality(modality)
	if err != nil {
		return err
	}
	if m.Kind != Sequence {
		return fmt.Errorf("lengths of %s: it is %s, not a sequence", m.Name, m.Kind)
	}
	if len(dst) != len(rows) {
		return fmt.Errorf("lengths of %s: dst has %d values for %d rows", m.Name, len(dst), len(rows))
	}
	for i, row := range rows {
		if row < 0 || int(row) >= s.index.Rows {
			return fmt.Errorf("lengths of %s: row %d of a store with %d rows", m.Name, row, s.index.Rows)
		}
		dst[i] = int32(steps(a.lengths[row], m.Length))
	}
	return nil
}

// Raw returns the stored values of one row, NaN where a cell is missing and
// beyond the last step of a sequence. It aliases the file: it must not be
// written to, nor used after Close.
func (s *Store) Raw(modality int, row int32) ([]float32, error) {
	m, a, err := s.modality(modality)
	if err != nil {
		return nil, err
	}
	if row < 0 || int(row) >= s.index.Rows {
		return nil, fmt.Errorf("read %s: row %d of a store with %d rows", m.Name, row, s.index.Rows)
	}
	size := m.RowSize()
	return a.values[int(row)*size : int(row+1)*size : int(row+1)*size], nil
}

func (s *Store) modality(i int) (Modality, *array, error) {
	if i < 0 || i >= len(s.index.Modalities) {
		return Modality{}, nil, fmt.Errorf("modality %d of a store with %d", i, len(s.index.Modalities))
	}
	if a := &s.arrays[i]; a.maps != nil {
		return s.index.Modalities[i], a, nil
	}
	return Modality{}, nil, errors.New("feature store is closed")
}

// steps guards against a length that a damaged file made absurd.
func steps(n int32, length int) int {
	return min(max(int(n), 0), length)
}
