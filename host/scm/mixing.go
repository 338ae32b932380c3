package scm

import "math"

// mix draws the rotations of every modality.
func (m *Model) mix() {
	if m.Mixing == None {
		return
	}
	for k := range m.Modalities {
		m.mixing = append(m.mixing, [2][]float64{m.rotation(k, 0), m.rotation(k, 1)})
	}
}

// rotation is a random orthogonal matrix: normal rows, made orthonormal one after
// the other (modified Gram-Schmidt).
func (m *Model) rotation(modality, layer int) []float64 {
	n := m.Columns()
	r, q := m.stream("mixing", modality, layer), make([]float64, n*n)
	for i := range q {
		q[i] = r.NormFloat64()
	}
	for i := range n {
		row := q[i*n : (i+1)*n]
		for k := range i {
			before := q[k*n : (k+1)*n]
			along := dot(row, before)
			for j := range row {
				row[j] -= along * before[j]
			}
		}
		length := math.Sqrt(dot(row, row))
		for j := range row {
			row[j] /= length
		}
	}
	return q
}

func dot(a, b []float64) float64 {
	sum := 0.0
	for i, x := range a {
		sum += x * b[i]
	}
	return sum
}

// Columns writes what a model sees of modality k of row i to dst, [Columns]:
// [X_c; X_s; X_n], mixed.
func (r *Rows) Columns(dst []float64, i, k int) {
	m := r.model
	x := dst[:0]
	for _, part := range []struct {
		values []float64
		width  int
	}{{r.Causal, m.Causal}, {r.Spurious, m.Spurious}, {r.Noise, m.Noise}} {
		from := (i*m.Modalities + k) * part.width
		x = append(x, part.values[from:from+part.width]...)
	}
	if m.mixing == nil {
		return
	}
	rotate(x, m.mixing[k][0])
	if m.Mixing == Warp {
		for j, z := range x {
			x[j] = z + math.Tanh(2*z)/2
		}
		rotate(x, m.mixing[k][1])
	}
}

// rotate replaces x by the product of a square matrix with it.
func rotate(x, matrix []float64) {
	n := len(x)
	out := make([]float64, n)
	for i := range out {
		out[i] = dot(matrix[i*n:(i+1)*n], x)
	}
	copy(x, out)
}
