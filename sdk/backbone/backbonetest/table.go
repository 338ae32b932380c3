package backbonetest

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/rng"
)

// table is a source in memory.
type table struct {
	modalities   []sdk.Modality
	rows         int
	values       [][]float32 // of modality m, [rows, size]
	lengths      [][]int32
	availability []uint64
}

// newTable draws rows; every modality is missing in about a third of them, and the
// last row has none. What a row lacks is poison.
func newTable(modalities []sdk.Modality, rows int, seed uint64, poison float32) *table {
	s := &table{modalities: modalities, rows: rows, availability: make([]uint64, rows)}
	pattern := rng.Stream(seed, "pattern")
	for i := range rows - 1 {
		for s.availability[i] == 0 {
			for m := range modalities {
				if pattern.Float64() < 0.65 {
					s.availability[i] |= 1 << uint(m)
				}
			}
		}
	}
	for m, modality := range modalities {
		r := rng.Stream(seed, "values", m)
		size := size(modality)
		values, lengths := make([]float32, rows*size), make([]int32, rows)
		for i := range rows {
			lengths[i] = int32(1 + r.IntN(max(modality.Length, 1)))
			for j := range size {
				x := float32(r.NormFloat64())
				if modality.Kind == sdk.Sequence && j >= int(lengths[i])*modality.Width {
					x = 0
				}
				if s.availability[i]>>uint(m)&1 == 0 {
					x = poison
				}
				values[i*size+j] = x
			}
		}
		s.values, s.lengths = append(s.values, values), append(s.lengths, lengths)
	}
	return s
}

func size(m sdk.Modality) int { return m.Width * max(m.Length, 1) }

func (s *table) Rows() int { return s.rows }

func (s *table) Gather(m int, rows []int32, dst []float32) error {
	n := size(s.modalities[m])
	for i, r := range rows {
		copy(dst[i*n:(i+1)*n], s.values[m][int(r)*n:])
	}
	return nil
}

func (s *table) Lengths(m int, rows []int32, dst []int32) error {
	for i, r := range rows {
		dst[i] = s.lengths[m][r]
	}
	return nil
}

// labels draws labels for rows; one in ten of a multilabel task is unknown.
func labels(task sdk.Task, rows int, seed uint64) []float32 {
	r := rng.Stream(seed, "labels")
	out := make([]float32, rows*task.LabelWidth())
	for i := range out {
		out[i] = float32(r.IntN(max(task.Classes, 2)))
		if task.Kind == sdk.Multilabel {
			out[i] = float32(r.IntN(2))
			if r.Float64() < 0.1 {
				out[i] = float32(math.NaN())
			}
		}
	}
	return out
}

// sequence is 0, 1, …, n-1.
func sequence(n int) []int32 {
	out := make([]int32, n)
	for i := range out {
		out[i] = int32(i)
	}
	return out
}
