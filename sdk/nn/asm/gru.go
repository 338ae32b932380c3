package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// gru writes the loop of gru_row.go of package nn. Gates are reset R8, update R9 and
// candidate R10; so are the gradients of their sums at DI, SI and BX.
func gru() {
	function("unstepAVX2", "func(n int, din, last, dh, gates, previous, product *float32)")
	Load(Param("n"), RCX)
	Load(Param("gates"), R8)
	LEAQ(Mem{Base: R8, Index: RCX, Scale: 4}, R9)
	LEAQ(Mem{Base: R9, Index: RCX, Scale: 4}, R10)
	Load(Param("previous"), R11)
	Load(Param("product"), R12)
	Load(Param("din"), RDI)
	LEAQ(Mem{Base: RDI, Index: RCX, Scale: 4}, RSI)
	LEAQ(Mem{Base: RSI, Index: RCX, Scale: 4}, RBX)
	Load(Param("last"), R13)
	Load(Param("dh"), R14)
	VMOVUPS(one, Y14)
	loop(func(l lanes) {
		d, r, z, c := Y0, Y1, Y2, Y3
		l.load(at(R14), d)
		l.load(at(R8), r)
		l.load(at(R9), z)
		l.load(at(R10), c)
		// d·z, the new gradient of the state.
		VMULPS(z, d, Y4)
		l.store(Y4, at(R14))
		// d·(previous - c)·z·(1-z)
		VSUBPS(z, Y14, Y5)
		l.load(at(R11), Y6)
		VSUBPS(c, Y6, Y6)
		VMULPS(Y6, d, Y6)
		VMULPS(z, Y6, Y6)
		VMULPS(Y5, Y6, Y6)
		l.store(Y6, at(RSI))
		// dn = d·(1-z)·(1-c²)
		VMULPS(Y5, d, d)
		VMULPS(c, c, Y6)
		VSUBPS(Y6, Y14, Y6)
		VMULPS(Y6, d, d)
		l.store(d, at(RBX))
		VMULPS(r, d, Y6)
		l.store(Y6, at(R13))
		// dn·product·r·(1-r)
		l.load(at(R12), Y6)
		VMULPS(Y6, d, Y6)
		VMULPS(r, Y6, Y6)
		VSUBPS(r, Y14, Y5)
		VMULPS(Y5, Y6, Y6)
		l.store(Y6, at(RDI))
	})
	end()
}
