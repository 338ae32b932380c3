package main

import (
	"math/bits"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// epsilon is added to variances and to the sums of links.
const (
	epsilon   = 1e-5
	linkFloor = 1e-8
)

// graph encodes the rows of the batch and answers A, [Size, Size], and the stabiliser.
// The first known rows are those of the bank: they alone set means, variances and
// bandwidths, and are linked to each other; a row after them is linked to them and
// itself. With known 0 all rows are alike in training, and so they are if links are
// to the batch.
func (m *model) graph(t *nn.Tape, b *backbone.Batch, known int) (links, norms *nn.Var) {
	alike := b.Train || !m.frozen
	norms = t.Const(1, 1, t.Scratch(1))
	sum := t.Const(b.Size, b.Size, t.Scratch(b.Size*b.Size))
	m.embedding = m.embedding[:0]
	for i := range m.channels {
		e, rows := m.encoders.Observed(t, b, i)
		m.has[i] = m.has[i][:0]
		for row := range b.Size {
			m.has[i] = append(m.has[i], b.Has(row, i))
		}
		if e == nil {
			m.embedding = append(m.embedding, t.Const(b.Size, m.width, t.Scratch(b.Size*m.width)))
			continue
		}
		m.embedding = append(m.embedding, t.Scatter(e, rows, b.Size))
		reference := len(rows)
		if !alike {
			reference = 0
			for reference < len(rows) && int(rows[reference]) < known {
				reference++
			}
		}
		c := &m.channels[i]
		projected := c.space.Apply(t, e)
		norms = t.Add(norms, t.WeightedMean(t.Abs(t.Sub(norm(t, projected), norm(t, e))), nil))
		near := kernel(t, standardise(t, t.ReLU(projected), c.projected, reference), reference)
		plain := kernel(t, standardise(t, e, c.raw, reference), reference)
		mix := spread(t, t.Sigmoid(t.Param(c.mix)), len(rows))
		similar := t.Add(near, t.MulRow(t.Sub(plain, near), mix))
		// The kernel is symmetric: spread its rows, then those of the transpose.
		half := t.Transpose(t.Scatter(similar, rows, b.Size))
		sum = t.Add(sum, t.Scatter(half, rows, b.Size))
	}
	share := t.Scratch(b.Size * b.Size)
	for i, mine := range b.Availability {
		for j, other := range b.Availability {
			if both := bits.OnesCount64(mine & other); both > 0 && (alike || j < known || i == j) {
				share[i*b.Size+j] = 1 / float32(both)
			}
		}
	}
	mean := t.Mul(sum, t.Const(b.Size, b.Size, share))
	links = t.ReLU(t.AddRow(mean, t.Scale(spread(t, t.Sigmoid(t.Param(m.threshold)), b.Size), -1)))
	return t.MulRows(links, inverse(t, t.Shift(t.SumCols(links), linkFloor))), norms
}

// spread is a scalar in n columns, [1, n].
func spread(t *nn.Tape, x *nn.Var, n int) *nn.Var { return t.Transpose(t.Repeat(x, n)) }

// norm is the Euclidean norm of every row, [n, 1].
func norm(t *nn.Tape, x *nn.Var) *nn.Var {
	return t.Sqrt(t.Shift(t.SumCols(t.Square(x)), 1e-12))
}

// standardise shifts and scales the columns of x to mean 0 and variance 1 over its
// first rows; without any it is x.
func standardise(t *nn.Tape, x *nn.Var, moments *nn.Running, reference int) *nn.Var {
	switch reference {
	case 0:
		return x
	case x.Rows:
		return t.Standardise(x, epsilon)
	}
	for j := range x.Cols {
		var mean, variance float64
		for i := range reference {
			mean += float64(x.Value[i*x.Cols+j]) / float64(reference)
		}
		for i := range reference {
			off := float64(x.Value[i*x.Cols+j]) - mean
			variance += off * off / float64(reference)
		}
		moments.Mean[j], moments.Variance[j] = float32(mean), float32(variance)
	}
	ones := t.Scratch(x.Cols)
	for i := range ones {
		ones[i] = 1
	}
	return t.BatchNorm(x, t.Const(1, x.Cols, ones), t.Const(1, x.Cols, t.Scratch(x.Cols)), moments, false)
}

// kernel is k of every pair of rows, [n, n]. The bandwidth, over the first rows, is
// not differentiated.
func kernel(t *nn.Tape, x *nn.Var, reference int) *nn.Var {
	n := x.Rows
	ones := t.Scratch(n)
	for i := range ones {
		ones[i] = 1
	}
	one, square := t.Const(n, 1, ones), t.SumCols(t.Square(x))
	distance := t.MatMulT(t.Concat(x, square, one), t.Concat(t.Scale(x, -2), one, square))
	var mean float64
	for i := range reference {
		for j := range reference {
			if i != j {
				mean += float64(distance.Value[i*n+j])
			}
		}
	}
	if mean /= float64(max(1, reference*(reference-1))); mean <= 0 {
		mean = 1
	}
	narrow, middle, wide := t.Exp(t.Scale(distance, -2/mean)), t.Exp(t.Scale(distance, -1/mean)), t.Exp(t.Scale(distance, -1/(2*mean)))
	return t.Scale(t.Sum(narrow, middle, wide), 1.0/3)
}
