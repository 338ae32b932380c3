package nn

import "math"

// The loops of LayerNorm, for one row of at least one column. Sums are in float64.

// normRow writes the affine image of the standardised row x to y, and returns its mean
// and the inverse of its standard deviation.
func normRow(y, x, gain, bias []float32) (mean float64, inverse float32) {
	n := len(y)
	x, gain, bias = x[:n], gain[:n], bias[:n]
	if hasAVX2 {
		inverse = normRowAVX2(n, &x[0], &y[0], &gain[0], &bias[0], float64(n), normEpsilon, &mean)
		return mean, inverse
	}
	var sum, variance float64
	many := 0
	if hasNEON {
		many = n &^ 3
		sum = sum64NEON(many, &x[0])
	}
	mean = (sum + sum64(x[many:])) / float64(n)
	if hasNEON {
		variance = centreNEON(many, &y[0], &x[0], mean)
	}
	for j := many; j < n; j++ {
		y[j] = float32(float64(x[j]) - mean)
		variance += float64(y[j]) * float64(y[j])
	}
	inverse = float32(1 / math.Sqrt(variance/float64(n)+normEpsilon))
	if hasNEON {
		affineNEON(n, &y[0], &gain[0], &bias[0], inverse)
		return mean, inverse
	}
	for j, centred := range y {
		hat := centred * inverse
		y[j] = bias[j] + hat*gain[j]
	}
	return mean, inverse
}

// normHat writes the standardised row x to hat.
func normHat(hat, x []float32, mean float64, inverse float32) {
	n := len(hat)
	x = x[:n]
	if hasAVX2 {
		normHatAVX2(n, &hat[0], &x[0], mean, inverse)
		return
	}
	if hasNEON {
		normHatNEON(n, &hat[0], &x[0], mean, inverse)
		return
	}
	for j, v := range x {
		hat[j] = float32(float64(v)-mean) * inverse
	}
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
	many := 0
	if hasNEON {
		many = n &^ 3
		sum, along = normSumsNEON(many, &d[0], &dy[0], &hat[0], &gain[0], &dgain[0], &dbias[0])
	}
	for j := many; j < n; j++ {
		g := dy[j]
		dgain[j] += g * hat[j]
		dbias[j] += g
		d[j] = g * gain[j]
		sum += float64(d[j])
		along += float64(d[j]) * float64(hat[j])
	}
	return sum, along
}

// normSpread adds inverse·d + mean + along·hat to dx, or writes it there if dx is fresh.
func normSpread(dx, d, hat []float32, inverse, mean, along float32, fresh bool) {
	n := len(dx)
	d, hat = d[:n], hat[:n]
	switch {
	case hasAVX2 && fresh:
		normSetAVX2(n, &dx[0], &d[0], &hat[0], inverse, mean, along)
		return
	case hasAVX2:
		normSpreadAVX2(n, &dx[0], &d[0], &hat[0], inverse, mean, along)
		return
	case fresh:
		clear(dx)
	}
	if hasNEON {
		normSpreadNEON(n, &dx[0], &d[0], &hat[0], inverse, mean, along)
		return
	}
	for j := range dx {
		dx[j] = dx[j] + inverse*d[j] + mean + along*hat[j]
	}
}
