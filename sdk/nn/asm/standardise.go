package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// standardise writes the loops of standardise_row.go of package nn.
func standardise() {
	function("columnSumsAVX2", "func(n int, sums *float64, x *float32)")
	pointers("sums", "x")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		widen(Y0, Y1, Y2)
		l.load64(RDI, Y3, Y4)
		VADDPD(Y1, Y3, Y3)
		VADDPD(Y2, Y4, Y4)
		l.store64(Y3, Y4, RDI)
	})
	end()

	function("columnSquaresAVX2", "func(n int, sums, mean *float64, x *float32)")
	pointers("sums", "mean", "x")
	loop(func(l lanes) {
		l.load(at(RBX), Y0)
		widen(Y0, Y1, Y2)
		l.load64(RSI, Y3, Y4)
		VSUBPD(Y3, Y1, Y1)
		VSUBPD(Y4, Y2, Y2)
		l.load64(RDI, Y3, Y4)
		VFMADD231PD(Y1, Y1, Y3)
		VFMADD231PD(Y2, Y2, Y4)
		l.store64(Y3, Y4, RDI)
	})
	end()

	function("standardiseRowAVX2", "func(n int, y, x *float32, mean, inverse *float64)")
	pointers("y", "x", "mean", "inverse")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		widen(Y0, Y1, Y2)
		l.load64(RBX, Y3, Y4)
		VSUBPD(Y3, Y1, Y1)
		VSUBPD(Y4, Y2, Y2)
		l.load64(R8, Y3, Y4)
		VMULPD(Y3, Y1, Y1)
		VMULPD(Y4, Y2, Y2)
		narrow(Y1, Y2, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("standardiseSumsAVX2", "func(n int, mean, along *float64, d, hat *float32)")
	pointers("mean", "along", "d", "hat")
	loop(func(l lanes) {
		l.load(at(RBX), Y0)
		widen(Y0, Y1, Y2)
		l.load64(RDI, Y3, Y4)
		VADDPD(Y1, Y3, Y3)
		VADDPD(Y2, Y4, Y4)
		l.store64(Y3, Y4, RDI)
		l.load(at(R8), Y0)
		widen(Y0, Y5, Y6)
		l.load64(RSI, Y3, Y4)
		VFMADD231PD(Y5, Y1, Y3)
		VFMADD231PD(Y6, Y2, Y4)
		l.store64(Y3, Y4, RSI)
	})
	end()

	function("standardiseSpreadAVX2", "func(n int, dx, d, hat *float32, inverse, mean, along *float64)")
	pointers("dx", "d", "hat", "inverse")
	Load(Param("mean"), R9)
	Load(Param("along"), R10)
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		widen(Y0, Y1, Y2)
		l.load64(R9, Y3, Y4)
		VSUBPD(Y3, Y1, Y1)
		VSUBPD(Y4, Y2, Y2)
		l.load(at(RBX), Y0)
		widen(Y0, Y5, Y6)
		l.load64(R10, Y3, Y4)
		VFNMADD231PD(Y3, Y5, Y1)
		VFNMADD231PD(Y4, Y6, Y2)
		l.load64(R8, Y3, Y4)
		VMULPD(Y3, Y1, Y1)
		VMULPD(Y4, Y2, Y2)
		narrow(Y1, Y2, Y0)
		l.load(at(RDI), Y1)
		VADDPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()
}

// load64 moves eight values in float64 from the place of the loop in the slice that
// begins at base.
func (l lanes) load64(base GPPhysical, low, high VecPhysical) {
	first, second := at64(base)
	if l.masked {
		masks64()
		VMASKMOVPD(first, Y13, low)
		VMASKMOVPD(second, Y14, high)
		return
	}
	VMOVUPD(first, low)
	VMOVUPD(second, high)
}

// store64 moves them there.
func (l lanes) store64(low, high VecPhysical, base GPPhysical) {
	first, second := at64(base)
	if l.masked {
		masks64()
		VMASKMOVPD(low, Y13, first)
		VMASKMOVPD(high, Y14, second)
		return
	}
	VMOVUPD(low, first)
	VMOVUPD(high, second)
}

// masks64 sets Y13 and Y14 to the halves of the mask Y15, twice as wide.
func masks64() {
	VPMOVSXDQ(X15, Y13)
	VEXTRACTI128(Imm(1), Y15, X14)
	VPMOVSXDQ(X14, Y14)
}

func at64(base GPPhysical) (first, second Mem) {
	return Mem{Base: base, Index: RAX, Scale: 2}, Mem{Base: base, Index: RAX, Scale: 2, Disp: 32}
}
