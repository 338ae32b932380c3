package nn

import "math"

// exp32 is e^x to about one unit in the last place, the expf of the Cephes
// library. Its value depends on x alone.
func exp32(x float32) float32 {
	// Outside, where results are near the ends of the range, and for NaN.
	if !(x > -87 && x < 88) {
		return float32(math.Exp(float64(x)))
	}
	half := float32(0.5)
	if x < 0 {
		half = -0.5
	}
	n := int32(x*1.44269504088896341 + half)
	z := float32(n)
	// ln 2 in two parts, the first exact in few bits.
	x -= z * 0.693359375
	x -= z * -2.12194440e-4
	p := float32(1.9875691500e-4)
	p = p*x + 1.3981999507e-3
	p = p*x + 8.3334519073e-3
	p = p*x + 4.1665795894e-2
	p = p*x + 1.6666665459e-1
	p = p*x + 5.0000001201e-1
	p = p*x*x + x + 1
	return p * math.Float32frombits(uint32(n+127)<<23)
}

// tanh32 is the tanhf of the Cephes library.
func tanh32(x float32) float32 {
	a := x
	if a < 0 {
		a = -a
	}
	switch {
	case a > 9:
		return float32(math.Copysign(1, float64(x)))
	case a >= 0.625:
		y := 1 - 2/(exp32(2*a)+1)
		if x < 0 {
			return -y
		}
		return y
	}
	z := x * x
	p := float32(-5.70498872745e-3)
	p = p*z + 2.06390887954e-2
	p = p*z - 5.37397155531e-2
	p = p*z + 1.33314422036e-1
	p = p*z - 3.33332819422e-1
	return p*z*x + x
}

func sigmoid32(x float32) float32 {
	if x >= 0 {
		return 1 / (1 + exp32(-x))
	}
	e := exp32(x)
	return e / (1 + e)
}
