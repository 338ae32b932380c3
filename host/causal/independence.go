package causal

import "math"

// penalty measures how much z_c and z_b, both [rows, width], depend on each
// other. Rows with share 0 have no influence on value or gradient.
type penalty interface {
	// apply returns the value and adds scale times its gradient to dc and db.
	apply(c, b []float32, width int, share []float64, scale float64, dc, db []float32) float64
}

// orthogonality is the mean squared cosine of the two parts of a row. Cheap, and
// weaker than independence: orthogonal vectors can still be dependent.
type orthogonality struct{}

func (orthogonality) apply(c, b []float32, width int, share []float64, scale float64, dc, db []float32) float64 {
	value := 0.0
	for _, i := range present(share) {
		from, to := int(i)*width, (int(i)+1)*width
		x, y := c[from:to], b[from:to]
		var xx, yy, xy float64
		for j := range x {
			xx += float64(x[j]) * float64(x[j])
			yy += float64(y[j]) * float64(y[j])
			xy += float64(x[j]) * float64(y[j])
		}
		norm := math.Sqrt(xx * yy)
		if norm < 1e-12 {
			continue
		}
		cosine := xy / norm
		value += share[i] * cosine * cosine
		g := scale * share[i] * 2 * cosine
		for j := range x {
			dc[from+j] += float32(g * (float64(y[j])/norm - cosine*float64(x[j])/xx))
			db[from+j] += float32(g * (float64(x[j])/norm - cosine*float64(y[j])/yy))
		}
	}
	return value
}
