package shown_test

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/tracker/shown"
)

func TestSpark(t *testing.T) {
	nan := math.NaN()
	for _, c := range []struct {
		values []float64
		width  int
		want   string
	}{
		{nil, 10, ""},
		{[]float64{0.5}, 10, "▄"},
		{[]float64{2, 2, 2}, 10, "▄▄▄"},
		{[]float64{0, 1, 2, 3, 4, 5, 6, 7}, 10, "▁▂▃▄▅▆▇█"},
		{[]float64{0, nan, 1, math.Inf(1)}, 10, "▁ █ "},
		{[]float64{nan, nan}, 10, "  "},
		{[]float64{0, 9, 1, 9, 2, 9, 8, 7}, 4, "███▁"}, // the second of every two
		{[]float64{0, 1, 2}, 1, "▄"},
		{[]float64{0, 1}, 0, ""},
		{[]float64{-math.MaxFloat64, 0, math.MaxFloat64}, 3, "▁▅█"},
	} {
		if got := shown.Spark(c.values, c.width); got != c.want {
			t.Errorf("%v in %d: got %q, want %q", c.values, c.width, got, c.want)
		}
	}
}
