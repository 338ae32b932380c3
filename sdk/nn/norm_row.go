package nn

import "math"

// The loops of LayerNorm, for one row of at least one column. Sums are in float64.

// normRow writes the standardised row x to hat and its affine image to y, and returns
// the inverse of its standard deviation.
func normRow(hat, x, y, gain, bias []float32) float32 {
	n := len(hat)
	x, y, gain, bias = x[:n], y[:n], gain[:n], bias[:n]
	if hasAVX2 {
		return normRowAVX2(n, &hat[0], &x[0], &y[0], &gain[0], &bias[0], float64(n), normEpsilon)
	}
	mean := sum64(x) / float64(n)
	var variance float64
	for j, v := range x {
		hat[j] = float32(float64(v) - mean)
		variance += float64(hat[j]) * float64(hat[j])
	}
	inverse := float32(1 / math.Sqrt(variance/float64(n)+normEpsilon))
	for j := range hat {
		hat[j] *= inverse
		y[j] = bias[j] + hat[j]*gain[j]
	}
	return inverse
}

// normSums writes dy·gain to d, adds dy·hat and dy to the gradients of gain and bias,
// and returns the sums of d and d·hat.
func normSums(d, dy, hat, gain, dgain, dbias []float32) (sum, along float64) {
	n := len(d)
	dy, hat, gain, dgain, dbias = dy[:n], hat[:n], gain[:n], dgain[:n], dbias[:n]
	if hasAVX2 {
		var sums [2]float64
		normSumsAVX2(n, &d[0], &dy[0], &hat[0], &gain[0], &dgain[0], &dbias[0], &sums[0])
		return sums[0], sums[1]
	}
	for j, g := range dy {
		dgain[j] += g * hat[j]
		dbias[j] += g
		d[j] = g * gain[j]
		sum += float64(d[j])
		along += float64(d[j]) * float64(hat[j])
	}
	return sum, along
}

// normSpread adds inverse·d + mean + along·hat to dx.
func normSpread(dx, d, hat []float32, inverse, mean, along float32) {
	n := len(dx)
	d, hat = d[:n], hat[:n]
	if hasAVX2 {
		normSpreadAVX2(n, &dx[0], &d[0], &hat[0], inverse, mean, along)
		return
	}
	for j := range dx {
		dx[j] = dx[j] + inverse*d[j] + mean + along*hat[j]
	}
}
