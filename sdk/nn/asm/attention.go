package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// attention writes the loops of attention_row.go of package nn.
func attention() {
	function("attendScoresAVX2", "func(keys int, rows *int, width int, scores, x, k *float32, scale float32)")
	Load(Param("keys"), R8)
	Load(Param("rows"), R9)
	Load(Param("width"), R10)
	Load(Param("scores"), RDI)
	Load(Param("x"), RSI)
	Load(Param("k"), R11)
	Load(Param("scale"), X5)
	MOVQ(R10, R12)
	ANDQ(Imm(7), R12) // columns that remain
	SUBQ(R12, R10)    // columns in eights
	LEAQ(global("tileMask", 64), RDX)
	MOVQ(R12, RCX)
	NEGQ(RCX)
	VMOVDQU(Mem{Base: RDX, Index: RCX, Scale: 4}, Y15)

	Label("key")
	MOVQ(Mem{Base: R9}, RBX)
	LEAQ(Mem{Base: R11, Index: RBX, Scale: 4}, RBX)
	VXORPS(Y0, Y0, Y0)
	XORQ(RAX, RAX)
	CMPQ(R10, Imm(0))
	JEQ(LabelRef("rest"))

	Label("eight")
	VMOVUPS(Mem{Base: RSI, Index: RAX, Scale: 4}, Y1)
	VFMADD231PS(Mem{Base: RBX, Index: RAX, Scale: 4}, Y1, Y0)
	ADDQ(Imm(8), RAX)
	CMPQ(RAX, R10)
	JLT(LabelRef("eight"))

	Label("rest")
	TESTQ(R12, R12)
	JEQ(LabelRef("store"))
	VMASKMOVPS(Mem{Base: RSI, Index: RAX, Scale: 4}, Y15, Y1)
	VMASKMOVPS(Mem{Base: RBX, Index: RAX, Scale: 4}, Y15, Y2)
	VFMADD231PS(Y2, Y1, Y0)

	Label("store")
	sum()
	VMULSS(X5, X0, X0)
	VMOVSS(X0, Mem{Base: RDI})
	ADDQ(Imm(4), RDI)
	ADDQ(Imm(8), R9)
	DECQ(R8)
	JNE(LabelRef("key"))
	end()

	function("attendMixAVX2", "func(keys int, rows *int, width int, w, x, many *float32)")
	overKeys(func(l lanes) {
		l.load(at(R11), Y2)
		VFMADD231PS(Y2, Y1, Y0)
	}, func(l lanes) { l.store(Y0, at(RSI)) })

	function("attendSpreadAVX2", "func(keys int, rows *int, width int, w, x, many *float32)")
	overKeys(func(l lanes) {
		l.load(at(R11), Y2)
		VFMADD231PS(Y0, Y1, Y2)
		l.store(Y2, at(R11))
	}, func(lanes) {})
}

// overKeys loops over columns and, inside, over keys: R8 keys, R9 rows, DI weights,
// SI the single row, BX the many rows. body has the single row in Y0, the weight in
// Y1 and the row of the key at R11; last comes after the keys.
func overKeys(body, last func(l lanes)) {
	Load(Param("keys"), R8)
	Load(Param("rows"), R9)
	Load(Param("width"), RCX)
	Load(Param("w"), RDI)
	Load(Param("x"), RSI)
	Load(Param("many"), RBX)
	loop(func(l lanes) {
		label := "key"
		if l.masked {
			label = "lastkey"
		}
		l.load(at(RSI), Y0)
		XORQ(R10, R10)
		Label(label)
		MOVQ(Mem{Base: R9, Index: R10, Scale: 8}, R11)
		LEAQ(Mem{Base: RBX, Index: R11, Scale: 4}, R11)
		VBROADCASTSS(Mem{Base: RDI, Index: R10, Scale: 4}, Y1)
		body(l)
		INCQ(R10)
		CMPQ(R10, R8)
		JLT(LabelRef(label))
		last(l)
	})
	end()
}
