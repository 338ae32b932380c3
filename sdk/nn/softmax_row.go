package nn

import "math"

// The loops of softmax, for rows of at least one column.

// shortRow is the number of columns below which rows are faster without the masks of the
// assembly.
const shortRow = 8

// softmaxRows writes the softmax of rows of n values to y, which may be x.
func softmaxRows(y, x []float32, n int) {
	if n == 0 || len(x) == 0 {
		return
	}
	y = y[:len(x)]
	subtractTops(y, x, n)
	exponential(y, y)
	if hasAVX2 && n >= shortRow {
		softmaxScaleAVX2(n, len(y)/n, &y[0])
		return
	}
	for ; len(y) > 0; y = y[n:] {
		row := y[:n]
		var sum float64
		for _, v := range row {
			sum += float64(v)
		}
		if sum == 0 { // all were -Inf
			continue
		}
		f := float32(1 / sum)
		for j := range row {
			row[j] *= f
		}
	}
}

// subtractTops writes every row of x less its largest value, if that is not -Inf, to y.
func subtractTops(y, x []float32, n int) {
	if hasAVX2 && n >= shortRow {
		softmaxTopAVX2(n, len(x)/n, &y[0], &x[0])
		return
	}
	for at := 0; at < len(x); at += n {
		top := float32(math.Inf(-1))
		for _, v := range x[at : at+n] {
			top = max(top, v)
		}
		if math.IsInf(float64(top), -1) {
			top = 0
		}
		for j, v := range x[at : at+n] {
			y[at+j] = v - top
		}
	}
}

// softmaxSlopes replaces the gradients of weights, of which every row of n sums to one, by
// scale times those of the scores.
func softmaxSlopes(slopes, weights []float32, n int, scale float32) {
	if len(slopes) == 0 {
		return
	}
	weights = weights[:len(slopes)]
	if hasAVX2 && n >= shortRow {
		softmaxSlopesAVX2(n, len(slopes)/n, &slopes[0], &weights[0], scale)
		return
	}
	for ; len(slopes) > 0; slopes, weights = slopes[n:], weights[n:] {
		w, d := weights[:n], slopes[:n]
		var mean float64
		for j, v := range w {
			mean += float64(v) * float64(d[j])
		}
		for j, v := range w {
			d[j] = scale * v * (d[j] - float32(mean))
		}
	}
}
