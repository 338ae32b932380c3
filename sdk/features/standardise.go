package features

import "math"

// standardise scales one step or row, of at least one column, with the same bits on
// every machine. It subtracts in float64: a column such as a year has a mean that is
// large against its spread.
func standardise(out, src []float32, s Scaling) {
	n := len(out)
	src = src[:n]
	if s.Mean == nil {
		if hasAVX2 {
			finiteAVX2(n, &out[0], &src[0])
			return
		}
		for c, x := range src {
			out[c] = finite(x)
		}
		return
	}
	mean, scale := s.Mean[:n], s.Scale[:n]
	if hasAVX2 {
		standardiseAVX2(n, &out[0], &src[0], &mean[0], &scale[0])
		return
	}
	for c, x := range src {
		out[c] = standardised(x, mean[c], scale[c])
	}
}

// standardised is the definition of standardise.
func standardised(x, mean, scale float32) float32 {
	if scale > 0 {
		return finite(float32((float64(x) - float64(mean)) / float64(scale)))
	}
	return 0
}

func finite(x float32) float32 {
	if math.Float32bits(x)&0x7f800000 == 0x7f800000 { // NaN or infinite
		return 0
	}
	return x
}
