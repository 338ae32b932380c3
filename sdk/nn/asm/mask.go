package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// mask writes the draws of dropout.go of package nn, four numbers of SplitMix64 and so
// sixteen values at a time. The struct holds four keys, what a number adds to four keys,
// the two factors, and as two halves of a last number the threshold less one and what is
// kept.
func mask() {
	function("drawMaskAVX2", "func(n int, mask, d *float32)")
	Load(Param("n"), RCX)
	Load(Param("mask"), RDI)
	Load(Param("d"), RSI)
	keys, step := Y8, Y9
	VMOVDQU(Mem{Base: RSI}, keys)
	VPBROADCASTQ(Mem{Base: RSI, Disp: 32}, step)
	factors := [2][2]VecPhysical{{Y10, Y11}, {Y12, Y13}} // and their upper halves
	for i, f := range factors {
		VPBROADCASTQ(Mem{Base: RSI, Disp: 40 + 8*i}, f[0])
		VPSRLQ(Imm(32), f[0], f[1])
	}
	VPBROADCASTD(Mem{Base: RSI, Disp: 56}, Y14)
	VPBROADCASTD(Mem{Base: RSI, Disp: 60}, Y15)
	// shift is the exclusive or of Y0 and itself, some bits to the right.
	shift := func(bits uint64) {
		VPSRLQ(Imm(bits), Y0, Y1)
		VPXOR(Y1, Y0, Y0)
	}
	Label("again")
	VMOVDQA(keys, Y0)
	VPADDQ(step, keys, keys)
	for i, f := range factors {
		shift([]uint64{30, 27}[i])
		// The lower 64 bits of the product.
		VPSRLQ(Imm(32), Y0, Y1)
		VPMULUDQ(f[0], Y1, Y1)
		VPMULUDQ(f[1], Y0, Y2)
		VPMULUDQ(f[0], Y0, Y0)
		VPADDQ(Y2, Y1, Y1)
		VPSLLQ(Imm(32), Y1, Y1)
		VPADDQ(Y1, Y0, Y0)
	}
	shift(31)
	VEXTRACTI128(Imm(1), Y0, X1)
	for i, r := range []VecPhysical{Y0, Y1} {
		VPMOVZXWD(r.AsX(), r)
		VPCMPGTD(Y14, r, r)
		VPAND(Y15, r, r)
		VMOVUPS(r, Mem{Base: RDI, Disp: 32 * i})
	}
	ADDQ(Imm(64), RDI)
	SUBQ(Imm(16), RCX)
	JNE(LabelRef("again"))
	end()
}
