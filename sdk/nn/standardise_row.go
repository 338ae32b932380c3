package nn

// The loops of Standardise and BatchNorm, for one row. What they sum of every column is
// in float64; slices after the first are at least as long as it is.

// columnSums adds x to sums.
func columnSums(sums []float64, x []float32) {
	if len(sums) == 0 {
		return
	}
	x = x[:len(sums)]
	if hasAVX2 {
		columnSumsAVX2(len(sums), &sums[0], &x[0])
		return
	}
	for j, v := range x {
		sums[j] += float64(v)
	}
}

// columnSquares adds (x - mean)² to sums.
func columnSquares(sums, mean []float64, x []float32) {
	if len(sums) == 0 {
		return
	}
	mean, x = mean[:len(sums)], x[:len(sums)]
	if hasAVX2 {
		columnSquaresAVX2(len(sums), &sums[0], &mean[0], &x[0])
		return
	}
	for j, v := range x {
		d := float64(v) - mean[j]
		sums[j] += d * d
	}
}

// standardiseRow writes (x - mean)·inverse to y.
func standardiseRow(y, x []float32, mean, inverse []float64) {
	if len(y) == 0 {
		return
	}
	x, mean, inverse = x[:len(y)], mean[:len(y)], inverse[:len(y)]
	if hasAVX2 {
		standardiseRowAVX2(len(y), &y[0], &x[0], &mean[0], &inverse[0])
		return
	}
	for j, v := range x {
		y[j] = float32((float64(v) - mean[j]) * inverse[j])
	}
}

// standardiseSums adds d to mean and d·hat to along.
func standardiseSums(mean, along []float64, d, hat []float32) {
	if len(mean) == 0 {
		return
	}
	along, d, hat = along[:len(mean)], d[:len(mean)], hat[:len(mean)]
	if hasAVX2 {
		standardiseSumsAVX2(len(mean), &mean[0], &along[0], &d[0], &hat[0])
		return
	}
	for j, v := range d {
		mean[j] += float64(v)
		along[j] += float64(v) * float64(hat[j])
	}
}

// standardiseSpread adds inverse·(d - mean - hat·along) to dx.
func standardiseSpread(dx, d, hat []float32, inverse, mean, along []float64) {
	n := len(dx)
	if n == 0 {
		return
	}
	d, hat, inverse, mean, along = d[:n], hat[:n], inverse[:n], mean[:n], along[:n]
	if hasAVX2 {
		standardiseSpreadAVX2(n, &dx[0], &d[0], &hat[0], &inverse[0], &mean[0], &along[0])
		return
	}
	for j, v := range d {
		dx[j] += float32(inverse[j] * (float64(v) - mean[j] - float64(hat[j])*along[j]))
	}
}
