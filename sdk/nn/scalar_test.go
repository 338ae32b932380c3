package nn

import (
	"math"
	"testing"
)

func TestScalarFunctions_AgreeWithFloat64(t *testing.T) {
	// alone is a loop over one value.
	alone := func(loop func(out, x []float32)) func(float32) float32 {
		return func(x float32) float32 {
			out := []float32{0}
			loop(out, []float32{x})
			return out[0]
		}
	}
	sigmoid := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	for name, c := range map[string]struct {
		f    func(float32) float32
		want func(float64) float64
	}{
		"exp":           {exp32, math.Exp},
		"exp, loop":     {alone(exponential), math.Exp},
		"tanh":          {tanh32, math.Tanh},
		"tanh, loop":    {alone(tangent), math.Tanh},
		"sigmoid":       {sigmoid32, sigmoid},
		"sigmoid, loop": {alone(logistic), sigmoid},
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

func TestGELU_AgreesWithFloat64(t *testing.T) {
	for x := float32(-14); x < 14; x += 0.0013 {
		u := float64(x)
		cdf := 0.5 * math.Erfc(-u/math.Sqrt2)
		slope := cdf + u*math.Exp(-u*u/2)/math.Sqrt(2*math.Pi)
		y, d := gelu32(x)
		var loop, loopSlope [1]float32
		gelu(loop[:], loopSlope[:], []float32{x})
		for _, v := range []float32{y, loop[0]} {
			if off := math.Abs(float64(v) - u*cdf); off > 1e-6*math.Abs(u*cdf)*max(1, u*u/2)+1e-37 {
				t.Fatalf("gelu(%v) is %v, want %v", x, v, u*cdf)
			}
		}
		for _, v := range []float32{d, loopSlope[0]} {
			if math.Abs(float64(v)-slope) > 3e-7 {
				t.Fatalf("the slope of gelu at %v is %v, want %v", x, v, slope)
			}
		}
	}
}
