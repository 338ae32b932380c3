package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gather writes the loops of standardise.go of package features.
func gather() {
	function("standardiseAVX2", "func(n int, out, src, mean, scale *float32)")
	pointers("out", "src", "mean", "scale")
	finiteMasks()
	VXORPS(Y12, Y12, Y12)
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		l.load(at(RBX), Y1)
		l.load(at(R8), Y2)
		widen(Y0, Y4, Y5)
		widen(Y1, Y6, Y7)
		widen(Y2, Y8, Y9)
		VSUBPD(Y6, Y4, Y4)
		VSUBPD(Y7, Y5, Y5)
		VDIVPD(Y8, Y4, Y4)
		VDIVPD(Y9, Y5, Y5)
		narrow(Y4, Y5, Y0)
		VCMPPS(Imm(less), Y2, Y12, Y2) // 0 < scale
		VANDPS(Y2, Y0, Y0)
		finite()
		l.store(Y0, at(RDI))
	})
	end()

	function("finiteAVX2", "func(n int, out, src *float32)")
	pointers("out", "src")
	finiteMasks()
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		finite()
		l.store(Y0, at(RDI))
	})
	end()
}

// finiteMasks sets what finite needs: Y13 to the bits beside the sign, and Y14 to
// infinity.
func finiteMasks() {
	MOVL(U32(0x7fffffff), EAX)
	VMOVD(EAX, X13)
	VPBROADCASTD(X13, Y13)
	MOVL(U32(0x7f800000), EAX)
	VMOVD(EAX, X14)
	VPBROADCASTD(X14, Y14)
}

// finite replaces what is not finite in Y0 by zero, using Y1.
func finite() {
	VANDPS(Y13, Y0, Y1)
	VPCMPGTD(Y1, Y14, Y1) // infinity > |x|, as integers
	VANDPS(Y1, Y0, Y0)
}
