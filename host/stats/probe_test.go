package stats

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/rng"
)

func TestLinearProbe(t *testing.T) {
	const n = 4000
	r := rng.Stream(1, "probe")
	var x []float32
	var held, half, none []float64
	for range n {
		a, b := r.NormFloat64(), r.NormFloat64()
		x = append(x, float32(a), float32(b), 7, float32(3*a-b)) // one constant, one redundant
		held = append(held, 2*a+b-5)
		half = append(half, a+r.NormFloat64())
		none = append(none, r.NormFloat64())
	}
	for _, test := range []struct {
		what      string
		y         []float64
		low, high float64
	}{{"held", held, .999, 1}, {"half", half, .45, .55}, {"none", none, -.02, .02}} {
		if got := LinearProbe(x, 4, test.y); got < test.low || got > test.high {
			t.Errorf("%s: R² is %.4f, want %v to %v", test.what, got, test.low, test.high)
		}
	}
	if got := LinearProbe(x[:12], 4, held[:3]); !math.IsNaN(got) {
		t.Errorf("three rows give %v", got)
	}
	if got := LinearProbe(x, 4, make([]float64, n)); !math.IsNaN(got) {
		t.Errorf("a constant gives %v", got)
	}
}
