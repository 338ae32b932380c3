package nn

// The loops of the operations. Slices after the first are at least as long as it
// is, and may be the same but must not overlap otherwise. What becomes of an
// element depends on its values alone.

// addTo adds x to sum.
func addTo(sum, x []float32) {
	if len(sum) == 0 {
		return
	}
	x = x[:len(sum)]
	if hasAVX2 {
		addAVX2(len(sum), &sum[0], &x[0])
		return
	}
	if hasNEON {
		addNEON(len(sum), &sum[0], &x[0])
		return
	}
	for i, v := range x {
		sum[i] += v
	}
}

// addRows adds every row of x [rows, len(sum)] to sum, one after the other.
func addRows(sum, x []float32) {
	n := len(sum)
	if len(x) == 0 || n == 0 {
		return
	}
	if hasAVX2 {
		addRowsAVX2(n, len(x)/n, &sum[0], &x[0])
		return
	}
	for ; len(x) > 0; x = x[n:] {
		addTo(sum, x[:n])
	}
}

// takePositiveRows is takePositive for matrices of n columns, whose rows of out it
// adds to sum, unless that is nil.
func takePositiveRows(out, x, where, sum []float32, n int) {
	if len(out) == 0 || n == 0 {
		return
	}
	if hasAVX2 && sum != nil {
		x, where, sum = x[:len(out)], where[:len(out)], sum[:n]
		takePositiveRowsAVX2(n, len(out)/n, &sum[0], &x[0], &where[0], &out[0])
		return
	}
	takePositive(out, x, where)
	if sum != nil {
		addRows(sum, out)
	}
}

// scale writes c·x to out.
func scale(out []float32, c float32, x []float32) {
	if len(out) == 0 {
		return
	}
	x = x[:len(out)]
	if hasAVX2 {
		scaleAVX2(len(out), &out[0], &x[0], c)
		return
	}
	if hasNEON {
		scaleNEON(len(out), &out[0], &x[0], c)
		return
	}
	for i, v := range x {
		out[i] = c * v
	}
}

// addScaled adds c·x to sum.
func addScaled(sum []float32, c float32, x []float32) {
	if len(sum) == 0 {
		return
	}
	x = x[:len(sum)]
	if hasAVX2 {
		addScaledAVX2(len(sum), &sum[0], &x[0], c)
		return
	}
	if hasNEON {
		addScaledNEON(len(sum), &sum[0], &x[0], c)
		return
	}
	for i, v := range x {
		sum[i] += c * v
	}
}

// addProduct adds x·y to sum.
func addProduct(sum, x, y []float32) {
	if len(sum) == 0 {
		return
	}
	x, y = x[:len(sum)], y[:len(sum)]
	if hasAVX2 {
		addProductAVX2(len(sum), &sum[0], &x[0], &y[0])
		return
	}
	if hasNEON {
		addProductNEON(len(sum), &sum[0], &x[0], &y[0])
		return
	}
	for i, v := range x {
		sum[i] += v * y[i]
	}
}

// addPositive adds those elements of x to sum where the third is above zero.
func addPositive(sum, x, where []float32) {
	if len(sum) == 0 {
		return
	}
	x, where = x[:len(sum)], where[:len(sum)]
	if hasAVX2 {
		addPositiveAVX2(len(sum), &sum[0], &x[0], &where[0])
		return
	}
	if hasNEON {
		addPositiveNEON(len(sum), &sum[0], &x[0], &where[0])
		return
	}
	for i, v := range x {
		if where[i] > 0 {
			sum[i] += v
		}
	}
}

// takePositive writes to out those elements of x where the third is above zero, and
// zeros for the others.
func takePositive(out, x, where []float32) {
	if len(out) == 0 {
		return
	}
	x, where = x[:len(out)], where[:len(out)]
	if hasAVX2 {
		takePositiveAVX2(len(out), &out[0], &x[0], &where[0])
		return
	}
	if hasNEON {
		takePositiveNEON(len(out), &out[0], &x[0], &where[0])
		return
	}
	for i, v := range x {
		if !(where[i] > 0) {
			v = 0
		}
		out[i] = v
	}
}

// plus writes x + y to out.
func plus(out, x, y []float32) {
	if len(out) == 0 {
		return
	}
	x, y = x[:len(out)], y[:len(out)]
	if hasAVX2 {
		plusAVX2(len(out), &out[0], &x[0], &y[0])
		return
	}
	if hasNEON {
		plusNEON(len(out), &out[0], &x[0], &y[0])
		return
	}
	for i, v := range x {
		out[i] = v + y[i]
	}
}

// minus writes x - y to out.
func minus(out, x, y []float32) {
	if len(out) == 0 {
		return
	}
	x, y = x[:len(out)], y[:len(out)]
	if hasAVX2 {
		minusAVX2(len(out), &out[0], &x[0], &y[0])
		return
	}
	if hasNEON {
		minusNEON(len(out), &out[0], &x[0], &y[0])
		return
	}
	for i, v := range x {
		out[i] = v - y[i]
	}
}

// times writes x·y to out.
func times(out, x, y []float32) {
	if len(out) == 0 {
		return
	}
	x, y = x[:len(out)], y[:len(out)]
	if hasAVX2 {
		timesAVX2(len(out), &out[0], &x[0], &y[0])
		return
	}
	if hasNEON {
		timesNEON(len(out), &out[0], &x[0], &y[0])
		return
	}
	for i, v := range x {
		out[i] = v * y[i]
	}
}

// relu writes max(x, 0) to out.
func relu(out, x []float32) {
	if len(out) == 0 {
		return
	}
	x = x[:len(out)]
	if hasAVX2 {
		reluAVX2(len(out), &out[0], &x[0])
		return
	}
	if hasNEON {
		reluNEON(len(out), &out[0], &x[0])
		return
	}
	for i, v := range x {
		out[i] = max(v, 0)
	}
}

// dot is the inner product.
func dot(x, y []float32) float32 {
	if len(x) == 0 {
		return 0
	}
	y = y[:len(x)]
	if hasAVX2 {
		return dotAVX2(len(x), &x[0], &y[0])
	}
	var sum float32
	if hasNEON {
		many := len(x) &^ 3
		sum = dotNEON(many, &x[0], &y[0])
		x, y = x[many:], y[many:]
	}
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// dot64 is the inner product, summed in float64.
func dot64(x, y []float32) float64 {
	if len(x) == 0 {
		return 0
	}
	y = y[:len(x)]
	if hasAVX2 {
		return dot64AVX2(len(x), &x[0], &y[0])
	}
	var sum float64
	if hasNEON {
		many := len(x) &^ 3
		sum = dot64NEON(many, &x[0], &y[0])
		x, y = x[many:], y[many:]
	}
	for i, v := range x {
		sum += float64(v) * float64(y[i])
	}
	return sum
}

// exponential writes e^x to out.
func exponential(out, x []float32) {
	if len(out) == 0 {
		return
	}
	x = x[:len(out)]
	if hasAVX2 {
		expAVX2(len(out), &out[0], &x[0])
		return
	}
	if hasNEON {
		expNEON(len(out), &out[0], &x[0])
		return
	}
	for i, v := range x {
		out[i] = exp32(v)
	}
}

// tangent writes tanh x to out.
func tangent(out, x []float32) {
	if len(out) == 0 {
		return
	}
	x = x[:len(out)]
	if hasAVX2 {
		tanhAVX2(len(out), &out[0], &x[0])
		return
	}
	if hasNEON {
		tanhNEON(len(out), &out[0], &x[0])
		return
	}
	for i, v := range x {
		out[i] = tanh32(v)
	}
}

// tangentSlope adds g·(1 - y²) to sum, the gradient through y = tanh x.
func tangentSlope(sum, g, y []float32) {
	if len(sum) == 0 {
		return
	}
	g, y = g[:len(sum)], y[:len(sum)]
	if hasAVX2 {
		tanhSlopeAVX2(len(sum), &sum[0], &g[0], &y[0])
		return
	}
	if hasNEON {
		tanhSlopeNEON(len(sum), &sum[0], &g[0], &y[0])
		return
	}
	for i, v := range y {
		sum[i] += g[i] * (1 - v*v)
	}
}

// logisticSlope adds g·y·(1 - y) to sum, the gradient through y = 1/(1 + e^-x).
func logisticSlope(sum, g, y []float32) {
	if len(sum) == 0 {
		return
	}
	g, y = g[:len(sum)], y[:len(sum)]
	if hasAVX2 {
		sigmoidSlopeAVX2(len(sum), &sum[0], &g[0], &y[0])
		return
	}
	if hasNEON {
		sigmoidSlopeNEON(len(sum), &sum[0], &g[0], &y[0])
		return
	}
	for i, v := range y {
		sum[i] += g[i] * v * (1 - v)
	}
}

// logistic writes 1/(1 + e^-x) to out.
func logistic(out, x []float32) {
	if len(out) == 0 {
		return
	}
	x = x[:len(out)]
	if hasAVX2 {
		sigmoidAVX2(len(out), &out[0], &x[0])
		return
	}
	if hasNEON {
		sigmoidNEON(len(out), &out[0], &x[0])
		return
	}
	for i, v := range x {
		out[i] = sigmoid32(v)
	}
}

// gelu writes x·Φ(x) to out and its derivative to slope.
func gelu(out, slope, x []float32) {
	if len(out) == 0 {
		return
	}
	slope, x = slope[:len(out)], x[:len(out)]
	if hasAVX2 {
		geluAVX2(len(out), &out[0], &slope[0], &x[0])
		return
	}
	if hasNEON {
		geluNEON(len(out), &out[0], &x[0], &slope[0])
		return
	}
	for i, v := range x {
		out[i], slope[i] = gelu32(v)
	}
}

// flag is b for the assembly.
func flag(b bool) int {
	if b {
		return 1
	}
	return 0
}
