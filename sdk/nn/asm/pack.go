package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// pack writes the transposition of eight rows, in blocks of 8 x 8: eight rows of 8,
// then pairs of rows interleaved, then pairs of pairs, then the halves.
func pack() {
	function("transposeAVX2", "func(blocks int, to *float32, toRow int, from *float32, fromRow int)")
	Load(Param("blocks"), RCX)
	Load(Param("to"), RDI)
	Load(Param("toRow"), RDX)
	Load(Param("from"), RSI)
	Load(Param("fromRow"), RBX)
	LEAQ(Mem{Base: RBX, Index: RBX, Scale: 2}, R8)  // three rows
	LEAQ(Mem{Base: RSI, Index: RBX, Scale: 4}, R9)  // the fifth row
	LEAQ(Mem{Base: RDX, Index: RDX, Scale: 2}, R10) // three rows of the result
	Label("block")
	LEAQ(Mem{Base: RDI, Index: RDX, Scale: 4}, R11) // the fifth row of the result
	rows := func(base, row, three GPPhysical) []Mem {
		return []Mem{{Base: base}, {Base: base, Index: row, Scale: 1}, {Base: base, Index: row, Scale: 2}, {Base: base, Index: three, Scale: 1}}
	}
	for i, m := range append(rows(RSI, RBX, R8), rows(R9, RBX, R8)...) {
		VMOVUPS(m, ymm[i])
	}
	for i := 0; i < 8; i += 2 {
		VUNPCKLPS(ymm[i+1], ymm[i], ymm[8+i])
		VUNPCKHPS(ymm[i+1], ymm[i], ymm[9+i])
	}
	for i := 0; i < 8; i += 4 {
		VSHUFPS(Imm(0x44), ymm[10+i], ymm[8+i], ymm[i])
		VSHUFPS(Imm(0xee), ymm[10+i], ymm[8+i], ymm[i+1])
		VSHUFPS(Imm(0x44), ymm[11+i], ymm[9+i], ymm[i+2])
		VSHUFPS(Imm(0xee), ymm[11+i], ymm[9+i], ymm[i+3])
	}
	for i := range 4 {
		VPERM2F128(Imm(0x20), ymm[4+i], ymm[i], ymm[8+i])
		VPERM2F128(Imm(0x31), ymm[4+i], ymm[i], ymm[12+i])
	}
	for i, m := range append(rows(RDI, RDX, R10), rows(R11, RDX, R10)...) {
		VMOVUPS(ymm[8+i], m)
	}
	ADDQ(Imm(32), RSI)
	ADDQ(Imm(32), R9)
	LEAQ(Mem{Base: RDI, Index: RDX, Scale: 8}, RDI)
	DECQ(RCX)
	JNE(LabelRef("block"))
	end()
}
