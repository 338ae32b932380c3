package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// softmax writes the loops of softmax_row.go of package nn. R12 is the number of columns
// and R13 counts rows.
func softmax() {
	rows := func(body func(), pointers ...GPPhysical) {
		Load(Param("n"), R12)
		Load(Param("rows"), R13)
		Label("row")
		body()
		for _, p := range pointers {
			LEAQ(Mem{Base: p, Index: R12, Scale: 4}, p)
		}
		DECQ(R13)
		JNE(LabelRef("row"))
		end()
	}

	function("softmaxTopAVX2", "func(n, rows int, y, x *float32)")
	Load(Param("y"), RDI)
	Load(Param("x"), RSI)
	MOVL(U32(0xff800000), EAX) // -Inf
	VMOVD(EAX, X2)
	VPBROADCASTD(X2, Y2)
	rows(func() {
		MOVQ(R12, RCX)
		VMOVAPS(Y2, Y0)
		loop(func(l lanes) {
			l.load(at(RSI), Y1)
			if l.masked {
				VBLENDVPS(Y15, Y1, Y2, Y1)
			}
			VMAXPS(Y0, Y1, Y0)
		})
		VEXTRACTF128(Imm(1), Y0, X1)
		VMAXPS(X1, X0, X0)
		VMOVHLPS(X0, X0, X1)
		VMAXPS(X1, X0, X0)
		VMOVSHDUP(X0, X1)
		VMAXSS(X1, X0, X0)
		VBROADCASTSS(X0, Y0)
		VCMPPS(Imm(equal), Y2, Y0, Y1)
		VANDNPS(Y0, Y1, Y0)
		MOVQ(R12, RCX)
		loop(func(l lanes) {
			l.load(at(RSI), Y1)
			VSUBPS(Y0, Y1, Y1)
			l.store(Y1, at(RDI))
		})
	}, RDI, RSI)

	function("softmaxScaleAVX2", "func(n, rows int, y *float32)")
	Load(Param("y"), RDI)
	VXORPD(X14, X14, X14)
	MOVQ(U64(0x3ff0000000000000), RAX) // 1
	VMOVQ(RAX, X13)
	rows(func() {
		MOVQ(R12, RCX)
		VXORPD(Y0, Y0, Y0)
		VXORPD(Y1, Y1, Y1)
		loop(func(l lanes) {
			l.load(at(RDI), Y4)
			widen(Y4, Y2, Y3)
			VADDPD(Y2, Y0, Y0)
			VADDPD(Y3, Y1, Y1)
		})
		sum64(Y1)
		VCMPSD(Imm(equal), X0, X14, X2) // of a row of zeros, which stays
		VDIVSD(X0, X13, X0)
		VCVTSD2SS(X0, X0, X0)
		VANDNPS(X0, X2, X0)
		VBROADCASTSS(X0, Y0)
		MOVQ(R12, RCX)
		loop(func(l lanes) {
			l.load(at(RDI), Y1)
			VMULPS(Y0, Y1, Y1)
			l.store(Y1, at(RDI))
		})
	}, RDI)

	function("softmaxSlopesAVX2", "func(n, rows int, slopes, weights *float32, scale float32)")
	Load(Param("slopes"), RDI)
	Load(Param("weights"), RSI)
	VBROADCASTSS(argument("scale"), Y13)
	rows(func() {
		MOVQ(R12, RCX)
		VXORPD(Y0, Y0, Y0)
		VXORPD(Y1, Y1, Y1)
		loop(func(l lanes) {
			l.load(at(RSI), Y4)
			widen(Y4, Y2, Y3)
			l.load(at(RDI), Y4)
			widen(Y4, Y5, Y6)
			VFMADD231PD(Y2, Y5, Y0)
			VFMADD231PD(Y3, Y6, Y1)
		})
		sum64(Y1)
		VCVTSD2SS(X0, X0, X0)
		VBROADCASTSS(X0, Y0)
		MOVQ(R12, RCX)
		loop(func(l lanes) {
			l.load(at(RDI), Y1)
			VSUBPS(Y0, Y1, Y1)
			l.load(at(RSI), Y2)
			VMULPS(Y2, Y13, Y2)
			VMULPS(Y1, Y2, Y1)
			l.store(Y1, at(RDI))
		})
	}, RDI, RSI)
}
