package nn

// The inner loops of attention: some rows of one matrix against some rows of another,
// which begin at the given offsets in it, head by head. Weights are [queries, heads,
// keys].

// attendShape is the number of heads and of their columns.
type attendShape struct{ heads, width int }

// head are the columns of head h in the row that begins at an offset.
func (s attendShape) head(matrix []float32, at, h int) []float32 {
	return matrix[at+h*s.width : at+(h+1)*s.width]
}

// scores writes scale times the inner products of the rows of x and of y.
func (s attendShape) scores(scores []float32, x []float32, queries []int, y []float32, keys []int, scale float32) {
	if hasAVX2 {
		s.check(x, queries)
		s.check(y, keys)
		_ = scores[len(queries)*s.heads*len(keys)-1]
		attendScoresAVX2(len(queries), &queries[0], len(keys), &keys[0], s.heads, s.width, &scores[0], &x[0], &y[0], scale)
		return
	}
	for _, query := range queries {
		for h := range s.heads {
			for j, key := range keys {
				scores[j] = scale * dot(s.head(x, query, h), s.head(y, key, h))
			}
			scores = scores[len(keys):]
		}
	}
}

// mix adds the rows of y, times their weights, to each row of x, or to zero if x is
// fresh.
func (s attendShape) mix(x []float32, queries []int, weights, y []float32, keys []int, fresh bool) {
	s.sum(x, queries, s.heads*len(keys), weights, y, keys, 1, len(keys), fresh)
}

// spread adds the rows of x, times their weights, to each row of y, or to zero if y is
// fresh.
func (s attendShape) spread(y []float32, keys []int, weights, x []float32, queries []int, fresh bool) {
	s.sum(y, keys, 1, weights, x, queries, s.heads*len(keys), len(keys), fresh)
}

// sum adds the rows of x at from, one after the other, times their weights to each row of
// sum. The distances are those of weights from row to row of sum, from term to term and
// from head to head. The rows of a fresh sum differ.
func (s attendShape) sum(sum []float32, to []int, distTo int, weights, x []float32, from []int, distFrom, distHead int, fresh bool) {
	if hasAVX2 {
		s.check(sum, to)
		s.check(x, from)
		_ = weights[len(to)*s.heads*len(from)-1]
		attendSumAVX2(len(to), &to[0], len(from), &from[0], s.heads, s.width, &weights[0], 4*distTo, 4*distFrom, 4*distHead, &sum[0], &x[0], flag(fresh))
		return
	}
	if fresh {
		for _, row := range to {
			clear(sum[row : row+s.heads*s.width])
		}
	}
	for h := range s.heads {
		for i, row := range to {
			for j, term := range from {
				addScaled(s.head(sum, row, h), weights[h*distHead+i*distTo+j*distFrom], s.head(x, term, h))
			}
		}
	}
}

// check panics if a row is not inside the matrix: the assembly does not check.
func (s attendShape) check(matrix []float32, rows []int) {
	for _, at := range rows {
		_ = matrix[at : at+s.heads*s.width]
	}
}
