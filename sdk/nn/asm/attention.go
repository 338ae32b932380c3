package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// attention writes the loops of attention_row.go of package nn. Their outer counters
// are the arguments themselves.
func attention() {
	attendScores()
	attendSum()
}

// attendScores has the offset of the column in AX, the head of the query at SI and that
// of all keys at R11, and R9 and R13 count keys, four of which go together.
func attendScores() {
	function("attendScoresAVX2", "func(queries int, from *int, keys int, rows *int, heads, width int, scores, x, k *float32, scale float32)")
	Load(Param("width"), R10)
	Load(Param("scores"), RDI)
	VBROADCASTSS(argument("scale"), Y14)
	MOVQ(R10, R12)
	ANDQ(Imm(7), R12) // columns that remain
	SUBQ(R12, R10)    // columns in eights
	LEAQ(global("tileMask", 64), RDX)
	MOVQ(R12, RCX)
	NEGQ(RCX)
	VMOVDQU(Mem{Base: RDX, Index: RCX, Scale: 4}, Y15)

	Label("query")
	MOVQ(argument("from"), RBX)
	ADDQ(Imm(8), argument("from"))
	MOVQ(Mem{Base: RBX}, RBX)
	Load(Param("x"), RSI)
	LEAQ(Mem{Base: RSI, Index: RBX, Scale: 4}, RSI)
	Load(Param("k"), R11)
	Load(Param("heads"), R8)

	Label("head")
	Load(Param("rows"), R9)
	Load(Param("keys"), R13)
	SUBQ(Imm(4), R13)
	JLT(LabelRef("few"))
	keys := []GPPhysical{RBX, RCX, RDX, R14}
	Label("four")
	products("four", keys)
	for i := range 4 {
		VEXTRACTF128(Imm(1), ymm[i], X4)
		VADDPS(X4, ymm[i].AsX(), ymm[i].AsX())
	}
	// The sums of four in the order of sum.
	VUNPCKLPS(X1, X0, X4)
	VUNPCKHPS(X1, X0, X5)
	VADDPS(X5, X4, X4)
	VUNPCKLPS(X3, X2, X5)
	VUNPCKHPS(X3, X2, X6)
	VADDPS(X6, X5, X5)
	VMOVLHPS(X5, X4, X0)
	VMOVHLPS(X4, X5, X1)
	VADDPS(X1, X0, X0)
	VMULPS(X14, X0, X0)
	VMOVUPS(X0, Mem{Base: RDI})
	ADDQ(Imm(16), RDI)
	ADDQ(Imm(32), R9)
	SUBQ(Imm(4), R13)
	JGE(LabelRef("four"))

	Label("few")
	ADDQ(Imm(4), R13)
	JEQ(LabelRef("next"))
	Label("one")
	products("one", keys[:1])
	sum()
	VMULSS(X14, X0, X0)
	VMOVSS(X0, Mem{Base: RDI})
	ADDQ(Imm(4), RDI)
	ADDQ(Imm(8), R9)
	DECQ(R13)
	JNE(LabelRef("one"))

	Label("next")
	Load(Param("width"), RAX)
	LEAQ(Mem{Base: RSI, Index: RAX, Scale: 4}, RSI)
	LEAQ(Mem{Base: R11, Index: RAX, Scale: 4}, R11)
	DECQ(R8)
	JNE(LabelRef("head"))
	DECQ(argument("queries"))
	JNE(LabelRef("query"))
	end()
}

// products sets Y0 and the next to the products of the query with the keys at R9,
// eight partial sums each, using Y4 and Y5. keys become their addresses.
func products(name string, keys []GPPhysical) {
	for i, key := range keys {
		MOVQ(Mem{Base: R9, Disp: 8 * i}, key)
		LEAQ(Mem{Base: R11, Index: key, Scale: 4}, key)
		VXORPS(ymm[i], ymm[i], ymm[i])
	}
	XORQ(RAX, RAX)
	CMPQ(R10, Imm(0))
	JEQ(LabelRef(name + "rest"))
	Label(name + "eight")
	VMOVUPS(Mem{Base: RSI, Index: RAX, Scale: 4}, Y4)
	for i, key := range keys {
		VFMADD231PS(Mem{Base: key, Index: RAX, Scale: 4}, Y4, ymm[i])
	}
	ADDQ(Imm(8), RAX)
	CMPQ(RAX, R10)
	JLT(LabelRef(name + "eight"))
	Label(name + "rest")
	TESTQ(R12, R12)
	JEQ(LabelRef(name + "sum"))
	VMASKMOVPS(Mem{Base: RSI, Index: RAX, Scale: 4}, Y15, Y4)
	for i, key := range keys {
		VMASKMOVPS(Mem{Base: key, Index: RAX, Scale: 4}, Y15, Y5)
		VFMADD231PS(Y5, Y4, ymm[i])
	}
	Label(name + "sum")
}

// attendSum has the head of the sums at SI, of the terms at BX and of the weights at DI;
// AX and CX are the offset and the number of columns. R9 and R10 count rows of the sum,
// R11 and R12 terms.
func attendSum() {
	function("attendSumAVX2", "func(sums int, to *int, terms int, from *int, heads, width int, w *float32, wTo, wFrom, wHead int, sum, x *float32, fresh int)")
	Load(Param("w"), RDI)
	Load(Param("sum"), RSI)
	Load(Param("x"), RBX)
	Load(Param("width"), RCX)
	ANDQ(Imm(7), RCX)
	LEAQ(global("tileMask", 64), RDX)
	NEGQ(RCX)
	VMOVDQU(Mem{Base: RDX, Index: RCX, Scale: 4}, Y15)

	rows := func(name string, l lanes, vectors int) {
		Load(Param("to"), R9)
		Load(Param("sums"), R10)
		MOVQ(RDI, R13)
		Label(name)
		MOVQ(Mem{Base: R9}, R8)
		LEAQ(Mem{Base: RSI, Index: R8, Scale: 4}, R8)
		ADDQ(RAX, R8)
		for i := range vectors {
			VXORPS(ymm[i], ymm[i], ymm[i])
		}
		CMPQ(argument("fresh"), Imm(0))
		JNE(LabelRef(name + "begin"))
		for i := range vectors {
			l.load(Mem{Base: R8, Disp: 32 * i}, ymm[i])
		}
		Label(name + "begin")
		Load(Param("from"), R11)
		Load(Param("terms"), R12)
		MOVQ(R13, R14)
		Label(name + "term")
		MOVQ(Mem{Base: R11}, RDX)
		LEAQ(Mem{Base: RBX, Index: RDX, Scale: 4}, RDX)
		VBROADCASTSS(Mem{Base: R14}, Y4)
		for i := range vectors {
			from := Mem{Base: RDX, Index: RAX, Scale: 1, Disp: 32 * i}
			if l.masked {
				l.load(from, Y5)
				VFMADD231PS(Y5, Y4, ymm[i])
			} else {
				VFMADD231PS(from, Y4, ymm[i])
			}
		}
		ADDQ(argument("wFrom"), R14)
		ADDQ(Imm(8), R11)
		DECQ(R12)
		JNE(LabelRef(name + "term"))
		for i := range vectors {
			l.store(ymm[i], Mem{Base: R8, Disp: 32 * i})
		}
		ADDQ(argument("wTo"), R13)
		ADDQ(Imm(8), R9)
		DECQ(R10)
		JNE(LabelRef(name))
	}

	Label("head")
	Load(Param("width"), RCX)
	XORQ(RAX, RAX)
	SUBQ(Imm(32), RCX)
	JLT(LabelRef("few"))
	Label("many")
	rows("rows32", lanes{}, 4)
	ADDQ(Imm(128), RAX)
	SUBQ(Imm(32), RCX)
	JGE(LabelRef("many"))
	Label("few")
	ADDQ(Imm(32), RCX)
	SUBQ(Imm(8), RCX)
	JLT(LabelRef("tail"))
	Label("eight")
	rows("rows8", lanes{}, 1)
	ADDQ(Imm(32), RAX)
	SUBQ(Imm(8), RCX)
	JGE(LabelRef("eight"))
	Label("tail")
	ADDQ(Imm(8), RCX)
	JEQ(LabelRef("done"))
	rows("rowsTail", lanes{masked: true}, 1)
	Label("done")
	Load(Param("width"), RAX)
	LEAQ(Mem{Base: RSI, Index: RAX, Scale: 4}, RSI)
	LEAQ(Mem{Base: RBX, Index: RAX, Scale: 4}, RBX)
	ADDQ(argument("wHead"), RDI)
	DECQ(argument("heads"))
	JNE(LabelRef("head"))
	end()
}
