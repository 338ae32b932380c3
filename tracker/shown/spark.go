package shown

import "math"

// Spark draws a curve in one line of at most width characters, the lowest value as
// the lowest block. More values than that are thinned out to the last of every
// equal part, so that the end of the curve is always its last value; one that is
// undefined is a space, a curve that is flat runs in the middle.
func Spark(values []float64, width int) string {
	const blocks = "▁▂▃▄▅▆▇█"
	levels := []rune(blocks)
	if width < len(values) {
		thin := make([]float64, max(width, 0))
		for i := range thin {
			thin[i] = values[(i+1)*len(values)/len(thin)-1]
		}
		values = thin
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		if !math.IsNaN(v) && !math.IsInf(v, 0) {
			low, high = min(low, v), max(high, v)
		}
	}
	out := make([]rune, len(values))
	for i, v := range values {
		switch {
		case math.IsNaN(v) || math.IsInf(v, 0):
			out[i] = ' '
		case high == low:
			out[i] = levels[3]
		default:
			out[i] = levels[min(int(8*((v/2-low/2)/(high/2-low/2))), 7)] // halves: the difference may be too large
		}
	}
	return string(out)
}
