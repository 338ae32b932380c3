package nn

import "math"

var (
	// expTerms and tanhTerms are the polynomials of expf and tanhf in the Cephes
	// library, highest power first.
	expTerms  = [...]float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}
	tanhTerms = [...]float32{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}
	// normalTerms approximate the tail of the normal distribution, highest power
	// first: 1-Φ(a) = e^(-a²/2)·t·(polynomial in t) with t = 1/(1 + normalSlope·a), as
	// in Abramowitz and Stegun, 26.2.17, whose five terms are too few for float32.
	// These interpolate in the Chebyshev nodes of a from 0 to 13.2, where the
	// relative error is below 6e-8.
	normalTerms = [...]float32{
		0.022972341905934786, -0.08652608868671588, 0.07752244349336362,
		0.01751633482101338, 0.053948579780181874, 0.09245401185117195,
		0.09999263736338866, 0.11124661651817436, 0.1108731379318613,
	}
)

const (
	tanhEdge    = 0.625 // the polynomial is for less
	normalSlope = 0.27797028
	density     = 0.3989422804014327 // of the normal distribution at 0
)

// horner is the polynomial at x.
func horner(terms []float32, x float32) float32 {
	p := terms[0]
	for _, c := range terms[1:] {
		p = p*x + c
	}
	return p
}

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
	p := horner(expTerms[:], x)*x*x + x + 1
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
	case a >= tanhEdge:
		y := 1 - 2/(exp32(2*a)+1)
		if x < 0 {
			return -y
		}
		return y
	}
	z := x * x
	return horner(tanhTerms[:], z)*z*x + x
}

func sigmoid32(x float32) float32 {
	if x >= 0 {
		return 1 / (1 + exp32(-x))
	}
	e := exp32(x)
	return e / (1 + e)
}

// gelu32 is x·Φ(x) and its derivative Φ(x) + x·φ(x).
func gelu32(x float32) (y, slope float32) {
	a := float32(math.Abs(float64(x)))
	t := 1 / (1 + normalSlope*a)
	e := exp32(-0.5 * (x * x))
	below := e * (t * horner(normalTerms[:], t))
	if !(x < 0) {
		below = 1 - below
	}
	return x * below, below + x*(density*e)
}
