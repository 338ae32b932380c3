package report

import (
	"math"
	"slices"
	"strconv"
)

// scale maps values to shares of the width of a plot, from 0 to 1.
type scale struct{ low, high float64 }

// newScale takes in 0 and all rows, with a margin.
func (f Forest) newScale() scale {
	s := scale{0, 0}
	for _, r := range f.Rows {
		for _, v := range []float64{r.At, r.Low, r.High} {
			if !math.IsNaN(v) && !math.IsInf(v, 0) {
				s.low, s.high = min(s.low, v), max(s.high, v)
			}
		}
	}
	margin := (s.high - s.low) / 20
	if margin == 0 {
		margin = 1
	}
	return scale{s.low - margin, s.high + margin}
}

func (s scale) at(v float64) float64 { return (v - s.low) / (s.high - s.low) }

// ticks are round values within the scale, 0 among them.
func (s scale) ticks() []float64 {
	step := math.Pow(10, math.Floor(math.Log10((s.high-s.low)/2)))
	for _, times := range []float64{1, 2, 5, 10} {
		if (s.high-s.low)/(step*times) <= 6 {
			step *= times
			break
		}
	}
	var out []float64
	for k := math.Ceil(s.low / step); k*step <= s.high; k++ {
		out = append(out, k*step)
	}
	return out
}

// tickTexts print ticks with the digits that tell them apart.
func tickTexts(ticks []float64) []string {
	digits := 0
	for digits < 6 && slices.ContainsFunc(ticks, func(v float64) bool {
		p := math.Pow(10, float64(digits))
		return math.Abs(math.Round(v*p)/p-v) > 1e-9
	}) {
		digits++
	}
	out := make([]string, len(ticks))
	for i, v := range ticks {
		out[i] = strconv.FormatFloat(v+0, 'f', digits, 64)
		if math.Abs(v) < 1e-12 {
			out[i] = "0"
		}
	}
	return out
}
