package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// constant is row i of the table lanes of package nn.
func constant(i int) Mem { return global("lanes", 32*i) }

// The rows of the table.
var (
	sign, one, two     = constant(0), constant(1), constant(2)
	low, high          = constant(3), constant(4)
	log2e              = constant(5)
	ln2High, ln2Low    = constant(6), constant(7)
	expTerms           = terms(8, 6)
	edge               = constant(14)
	tanhTerms          = terms(15, 5)
	slope              = constant(20)
	normalTerms        = terms(21, 9)
	density, half, exp = constant(30), constant(31), constant(32)
)

func terms(from, n int) []Mem {
	var m []Mem
	for i := range n {
		m = append(m, constant(from+i))
	}
	return m
}

// scalar writes loops of the functions of scalar.go of package nn.
func scalar() {
	for _, f := range []struct {
		name string
		body func()
	}{{"exp", exponential}, {"sigmoid", sigmoid}, {"tanh", tangent}} {
		function(f.name+"AVX2", "func(n int, out, x *float32)")
		pointers("out", "x")
		loop(func(l lanes) {
			l.load(at(RSI), Y0)
			f.body()
			l.store(Y0, at(RDI))
		})
		end()
	}

	function("tanhSlopeAVX2", "func(n int, sum, d, y *float32)")
	pointers("sum", "d", "y")
	VMOVUPS(one, Y3)
	loop(func(l lanes) {
		l.load(at(RBX), Y0)
		VFNMADD213PS(Y3, Y0, Y0) // 1 - y²
		l.load(at(RSI), Y1)
		l.load(at(RDI), Y2)
		VFMADD231PS(Y1, Y0, Y2)
		l.store(Y2, at(RDI))
	})
	end()

	function("sigmoidSlopeAVX2", "func(n int, sum, d, y *float32)")
	pointers("sum", "d", "y")
	VMOVUPS(one, Y3)
	loop(func(l lanes) {
		l.load(at(RBX), Y0)
		l.load(at(RSI), Y1)
		VMULPS(Y0, Y1, Y1)
		VSUBPS(Y0, Y3, Y0)
		l.load(at(RDI), Y2)
		VFMADD231PS(Y1, Y0, Y2)
		l.store(Y2, at(RDI))
	})
	end()

	function("geluAVX2", "func(n int, out, slope, x *float32)")
	pointers("out", "x", "slope")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		gelu()
		l.store(Y0, at(RDI))
		l.store(Y6, at(RBX))
	})
	end()
}

// horner leaves the polynomial at x in to, highest power first.
func horner(terms []Mem, x, to VecPhysical) {
	VMOVUPS(terms[0], to)
	for _, c := range terms[1:] {
		VFMADD213PS(c, x, to)
	}
}

// exponential replaces Y0 by e^Y0, using Y1, Y2 and Y3. The bounds are such that
// beyond them the result is infinite or zero; a minimum or maximum with NaN is the
// second operand, Y0. The power of two is applied in two halves, each of which is
// in range.
func exponential() {
	VMOVUPS(low, Y1)
	VMAXPS(Y0, Y1, Y0)
	VMOVUPS(high, Y1)
	VMINPS(Y0, Y1, Y0)
	VMULPS(log2e, Y0, Y1)
	VROUNDPS(Imm(8), Y1, Y1)
	VFNMADD231PS(ln2High, Y1, Y0)
	VFNMADD231PS(ln2Low, Y1, Y0)
	horner(expTerms, Y0, Y2)
	VMULPS(Y0, Y0, Y3)
	VFMADD213PS(Y0, Y3, Y2)
	VADDPS(one, Y2, Y2)
	VCVTPS2DQ(Y1, Y1)
	VPSRAD(Imm(1), Y1, Y3)
	VPSUBD(Y3, Y1, Y1)
	VPADDD(exp, Y1, Y1)
	VPADDD(exp, Y3, Y3)
	VPSLLD(Imm(23), Y1, Y1)
	VPSLLD(Imm(23), Y3, Y3)
	VMULPS(Y1, Y2, Y0)
	VMULPS(Y3, Y0, Y0)
}

// sigmoid replaces Y0 by its sigmoid, using Y1 to Y4.
func sigmoid() {
	VMOVAPS(Y0, Y4)
	VORPS(sign, Y0, Y0)
	exponential()
	VADDPS(one, Y0, Y1)
	VMOVUPS(one, Y2)
	VDIVPS(Y1, Y2, Y1)
	VMULPS(Y1, Y0, Y0)
	VBLENDVPS(Y4, Y0, Y1, Y0)
}

// tangent replaces Y0 by its hyperbolic tangent, using Y1 to Y5.
func tangent() {
	VMOVAPS(Y0, Y4)
	VMOVUPS(sign, Y5)
	VANDNPS(Y0, Y5, Y0)
	VADDPS(Y0, Y0, Y0)
	exponential()
	VADDPS(one, Y0, Y0)
	VMOVUPS(two, Y1)
	VDIVPS(Y0, Y1, Y0)
	VMOVUPS(one, Y1)
	VSUBPS(Y0, Y1, Y0)
	VANDPS(Y5, Y4, Y1)
	VORPS(Y1, Y0, Y0)
	VMULPS(Y4, Y4, Y1)
	horner(tanhTerms, Y1, Y2)
	VMULPS(Y1, Y2, Y2)
	VFMADD213PS(Y4, Y4, Y2)
	VANDNPS(Y4, Y5, Y1)
	VCMPPS(Imm(less), edge, Y1, Y1)
	VBLENDVPS(Y1, Y2, Y0, Y0)
}

// gelu replaces Y0 by its GELU and sets Y6 to the slope there, using Y1 to Y5.
func gelu() {
	VMOVAPS(Y0, Y4)
	VMOVUPS(sign, Y1)
	VANDNPS(Y0, Y1, Y5)
	VMOVUPS(one, Y1)
	VFMADD132PS(slope, Y1, Y5)
	VDIVPS(Y5, Y1, Y5)
	VMULPS(Y0, Y0, Y0)
	VMULPS(half, Y0, Y0)
	VXORPS(sign, Y0, Y0)
	exponential()
	horner(normalTerms, Y5, Y1)
	VMULPS(Y5, Y1, Y1)
	VMULPS(Y0, Y1, Y1)
	VMOVUPS(one, Y2)
	VSUBPS(Y1, Y2, Y2)
	VBLENDVPS(Y4, Y1, Y2, Y1)
	VMULPS(density, Y0, Y6)
	VFMADD213PS(Y1, Y4, Y6)
	VMULPS(Y1, Y4, Y0)
}
