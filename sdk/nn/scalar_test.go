package nn

import (
	"math"
	"testing"
)

func TestScalarFunctions_AgreeWithFloat64(t *testing.T) {
	for name, c := range map[string]struct {
		f    func(float32) float32
		want func(float64) float64
	}{
		"exp":     {exp32, math.Exp},
		"tanh":    {tanh32, math.Tanh},
		"sigmoid": {sigmoid32, func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }},
	} {
		var worst float64
		for x := float32(-110); x < 110; x += 0.0037 {
			got, want := float64(c.f(x)), c.want(float64(x))
			if float64(float32(want)) == got {
				continue
			}
			off := math.Abs(got-want) / max(math.Abs(want), math.SmallestNonzeroFloat32)
			if want < 1e-37 && want > 0 {
				off = math.Abs(got-want) / 1e-37
			}
			if worst = max(worst, off); off > 4e-7 {
				t.Fatalf("%s(%v) is %v, want %v", name, x, got, want)
			}
		}
		t.Logf("%s is off by %.2g at most", name, worst)
		if v := c.f(float32(math.NaN())); v == v {
			t.Errorf("%s(NaN) is %v", name, v)
		}
		for _, x := range []float64{math.Inf(1), math.Inf(-1)} {
			if got, want := float64(c.f(float32(x))), c.want(x); got != want {
				t.Errorf("%s(%v) is %v, want %v", name, x, got, want)
			}
		}
	}
}
