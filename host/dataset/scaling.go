package dataset

import (
	"math"

	"github.com/deconfound/deconfound/sdk/features"
)

// moments accumulates mean and variance of finite values (Welford, Technometrics
// 1962), with the extremes, which tell a constant column without rounding.
type moments struct {
	n         int
	mean, m2  float64
	low, high float64
}

func (m *moments) add(x float32) {
	v := float64(x)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		return
	}
	if m.n == 0 {
		m.low, m.high = v, v
	}
	m.n++
	d := v - m.mean
	m.mean += d / float64(m.n)
	m.m2 += d * (v - m.mean)
	m.low, m.high = min(m.low, v), max(m.high, v)
}

// scaling returns mean and population standard deviation; the latter is 0 for a
// column without two different values.
func (m *moments) scaling() (mean, scale float32) {
	if m.n == 0 || m.low == m.high {
		return float32(m.mean), 0
	}
	return float32(m.mean), float32(math.Sqrt(m.m2 / float64(m.n)))
}

// Scaling returns the statistics of every modality over the rows train, and no
// other. Missing cells do not count, nor do the steps of a sequence beyond its
// length. The levels of a categorical column stay 0 and 1, a missing one is 0 in
// all of them: divided by its deviation, a level that is rare in training would
// outweigh everything wherever it is common. A level that no training row has, or
// every one, comes out as 0 in every row.
func (s *Store) Scaling(train []int32) []Scaling {
	out := make([]Scaling, len(s.modalities))
	for i, m := range s.modalities {
		columns := make([]moments, m.Width)
		length := []int32{1}
		for _, row := range train {
			values, err := s.features.Raw(i, row)
			if err != nil {
				continue // not a row of this store
			}
			if m.Kind == features.Sequence {
				if err := s.features.Lengths(i, []int32{row}, length); err != nil {
					continue
				}
			}
			for j, x := range values[:int(length[0])*m.Width] {
				columns[j%m.Width].add(x)
			}
		}
		out[i] = Scaling{Mean: make([]float32, m.Width), Scale: make([]float32, m.Width)}
		for c := range columns {
			out[i].Mean[c], out[i].Scale[c] = columns[c].scaling()
		}
		for _, c := range m.OneHot {
			out[i].Mean[c] = 0
			if out[i].Scale[c] != 0 {
				out[i].Scale[c] = 1
			}
		}
	}
	return out
}
