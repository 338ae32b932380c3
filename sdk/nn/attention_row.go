package nn

// The inner loops of attention: one row against some rows of a matrix, which begin
// at the given offsets in it and are as long as the one.

// attendScores writes scale times the inner products of x with the rows.
func attendScores(scores []float32, rows []int, x, matrix []float32, scale float32) {
	_ = matrix[rows[len(rows)-1]+len(x)-1] // offsets increase
	if hasAVX2 {
		attendScoresAVX2(len(rows), &rows[0], len(x), &scores[0], &x[0], &matrix[0], scale)
		return
	}
	for j, at := range rows {
		scores[j] = scale * dot(x, matrix[at:])
	}
}

// attendMix adds the rows, each times its weight, to sum.
func attendMix(sum []float32, rows []int, weights, matrix []float32) {
	_ = matrix[rows[len(rows)-1]+len(sum)-1]
	if hasAVX2 {
		attendMixAVX2(len(rows), &rows[0], len(sum), &weights[0], &sum[0], &matrix[0])
		return
	}
	for j, at := range rows {
		addScaled(sum, weights[j], matrix[at:])
	}
}

// attendSpread adds x, times the weight of each row, to the rows.
func attendSpread(matrix []float32, rows []int, weights, x []float32) {
	_ = matrix[rows[len(rows)-1]+len(x)-1]
	if hasAVX2 {
		attendSpreadAVX2(len(rows), &rows[0], len(x), &weights[0], &x[0], &matrix[0])
		return
	}
	for j, at := range rows {
		addScaled(matrix[at:at+len(x)], weights[j], x)
	}
}
