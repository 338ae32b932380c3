package main

import (
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// tileRows is the number of rows of a tile, as in package nn.
const tileRows = 6

// field is a field of the struct tiles of package nn, which R15 points to.
func field(i int) Mem { return Mem{Base: R15, Disp: 8 * i} }

var (
	depth, rows        = field(0), field(1)
	left               = field(2)
	leftRow, leftCol   = field(3), field(4)
	leftNext           = field(5)
	right, rightRow    = field(6), field(7)
	result, resultRow  = field(8), field(9)
	bias               = field(10)
	last, add, rectify = field(11), field(12), field(13)
	ahead, aheadStep   = field(14), field(15)
	plus, plusRow      = field(16), field(17)
	leftRows           = []GPPhysical{R8, R9, R10, R11, R12, R13}
	ymm                = []VecPhysical{Y0, Y1, Y2, Y3, Y4, Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14, Y15}
	zmm                = []VecPhysical{Z0, Z1, Z2, Z3, Z4, Z5, Z6, Z7, Z8, Z9, Z10, Z11, Z12, Z13, Z14, Z15, Z16, Z17, Z18, Z19, Z20, Z21, Z22, Z23, Z24, Z25, Z26, Z27, Z28, Z29, Z30, Z31}
)

// gemm writes the micro-kernels: a function for every number of vectors in a row
// of a tile.
func gemm() {
	for vectors := 1; vectors <= 2; vectors++ {
		kernel("AVX2", avx2{new(int)}, vectors)
	}
	for vectors := 1; vectors <= 4; vectors++ {
		kernel("AVX512", avx512{}, vectors)
	}
}

// instructions are what differs between the two sets of them. The functions of a
// row take the vectors of it, of which the last may be a part.
type instructions interface {
	// registers are those of the sums, of a row of b and of factors.
	registers() (sums, row, factors []VecPhysical)
	// mask readies the mask of the last vector of a row.
	mask()
	load(base GPPhysical, row []VecPhysical)
	store(row []VecPhysical, base GPPhysical)
	// right loads a row of b at BX.
	right(row []VecPhysical)
	zero(r VecPhysical)
	// size is that of a vector in bytes.
	size() int
}

type avx2 struct{ labels *int }

func (avx2) registers() (sums, row, factors []VecPhysical) { return ymm[:12], ymm[12:14], ymm[14:] }

func (avx2) mask() {
	MOVQ(last, RCX)
	NEGQ(RCX)
	LEAQ(global("tileMask", 64), RDX)
	VMOVDQU(Mem{Base: RDX, Index: RCX, Scale: 4}, Y15)
}

func (avx2) load(base GPPhysical, row []VecPhysical) {
	for v, r := range row[:len(row)-1] {
		VMOVUPS(Mem{Base: base, Disp: 32 * v}, r)
	}
	end := len(row) - 1
	VMASKMOVPS(Mem{Base: base, Disp: 32 * end}, Y15, row[end])
}

// store goes around the mask, which is slow, where it can.
func (s avx2) store(row []VecPhysical, base GPPhysical) {
	for v, r := range row[:len(row)-1] {
		VMOVUPS(r, Mem{Base: base, Disp: 32 * v})
	}
	end := len(row) - 1
	*s.labels++
	part, whole := fmt.Sprintf("part%d", *s.labels), fmt.Sprintf("whole%d", *s.labels)
	CMPQ(last, Imm(8))
	JNE(LabelRef(part))
	VMOVUPS(row[end], Mem{Base: base, Disp: 32 * end})
	JMP(LabelRef(whole))
	Label(part)
	VMASKMOVPS(row[end], Y15, Mem{Base: base, Disp: 32 * end})
	Label(whole)
}

// right reads whole vectors: panels of b are padded.
func (avx2) right(row []VecPhysical) {
	for v, r := range row {
		VMOVUPS(Mem{Base: RBX, Disp: 32 * v}, r)
	}
}

func (avx2) size() int { return 32 }

func (avx2) zero(r VecPhysical) { VXORPS(r, r, r) }

type avx512 struct{}

func (avx512) registers() (sums, row, factors []VecPhysical) { return zmm[:24], zmm[24:28], zmm[28:30] }

func (avx512) mask() {
	MOVQ(last, RCX)
	MOVQ(U32(1), RAX)
	SHLQ(CL, RAX)
	DECQ(RAX)
	KMOVW(EAX, K1)
}

func (avx512) load(base GPPhysical, row []VecPhysical) {
	end := len(row) - 1
	for v, r := range row[:end] {
		VMOVUPS(Mem{Base: base, Disp: 64 * v}, r)
	}
	VMOVUPS_Z(Mem{Base: base, Disp: 64 * end}, K1, row[end])
}

func (avx512) store(row []VecPhysical, base GPPhysical) {
	end := len(row) - 1
	for v, r := range row[:end] {
		VMOVUPS(r, Mem{Base: base, Disp: 64 * v})
	}
	VMOVUPS(row[end], K1, Mem{Base: base, Disp: 64 * end})
}

func (s avx512) right(row []VecPhysical) { s.load(RBX, row) }

func (avx512) size() int { return 64 }

func (avx512) zero(r VecPhysical) { VPXORD(r, r, r) }

// kernel writes the function for tiles of some vectors a row. Rows of the tile that
// do not exist are neither computed nor touched: there is a body for every number
// of rows. In a body:
//
//	R8..R13  rows of a           AX  offset in the rows of a, R14 its step
//	BX       row of b, DX step   CX  steps left
//	DI       row of c, SI step; in the loop, what to fetch into the cache ahead
//	R15      the struct
func kernel(name string, set instructions, vectors int) {
	function(fmt.Sprintf("gemm%sx%d", name, vectors), "func(t *float32)")
	Load(Param("t"), R15)
	Label("next")
	MOVQ(rows, RAX)
	for n := tileRows - 1; n > 0; n-- {
		CMPQ(RAX, Imm(uint64(n)))
		JEQ(LabelRef(fmt.Sprintf("rows%d", n)))
	}
	CMPQ(RAX, Imm(0))
	JEQ(LabelRef("done"))
	tile(set, tileRows, vectors)
	MOVQ(leftNext, RAX)
	ADDQ(RAX, left)
	MOVQ(RDI, result) // the row after the tile
	SUBQ(Imm(tileRows), rows)
	JMP(LabelRef("next"))
	for n := tileRows - 1; n > 0; n-- {
		Label(fmt.Sprintf("rows%d", n))
		tile(set, n, vectors)
		JMP(LabelRef("done"))
	}
	Label("done")
	// They may point behind their matrices, where the garbage collector must not look.
	MOVQ(I32(0), left)
	MOVQ(I32(0), result)
	MOVQ(I32(0), plus)
	end()
}

// tile writes the body for n rows.
func tile(set instructions, n, vectors int) {
	sums, row, factors := set.registers()
	sums, row = sums[:n*vectors], row[:vectors]
	// line is row i of the tile.
	line := func(i int) []VecPhysical { return sums[i*vectors : (i+1)*vectors] }
	label := func(what string) string { return fmt.Sprintf("%s%d", what, n) }

	set.mask()
	MOVQ(result, RDI)
	MOVQ(resultRow, RSI)
	CMPQ(add, Imm(0))
	JNE(LabelRef(label("add")))
	MOVQ(bias, RBX)
	TESTQ(RBX, RBX)
	JNE(LabelRef(label("bias")))
	for _, r := range sums {
		set.zero(r)
	}
	JMP(LabelRef(label("begin")))

	Label(label("bias"))
	set.load(RBX, line(0))
	for i := 1; i < n; i++ {
		for v, r := range line(i) {
			VMOVUPS(line(0)[v], r)
		}
	}
	JMP(LabelRef(label("begin")))

	Label(label("add"))
	for i := range n {
		set.load(RDI, line(i))
		ADDQ(RSI, RDI)
	}

	Label(label("begin"))
	if n == tileRows {
		// What is stored at the end, or loaded by the next tile.
		for range n {
			for v := range vectors {
				PREFETCHT0(Mem{Base: RDI, Disp: set.size() * v})
			}
			ADDQ(RSI, RDI)
		}
		MOVQ(plus, RDI)
		TESTQ(RDI, RDI)
		JEQ(LabelRef(label("left")))
		MOVQ(plusRow, RSI)
		for range n {
			for v := range vectors {
				PREFETCHT0(Mem{Base: RDI, Disp: set.size() * v})
			}
			ADDQ(RSI, RDI)
		}
		Label(label("left"))
	}
	MOVQ(left, R8)
	MOVQ(leftRow, RAX)
	for i := 1; i < n; i++ {
		LEAQ(Mem{Base: leftRows[i-1], Index: RAX, Scale: 1}, leftRows[i])
	}
	MOVQ(leftCol, R14)
	MOVQ(right, RBX)
	MOVQ(rightRow, RDX)
	MOVQ(depth, RCX)
	XORQ(RAX, RAX)
	MOVQ(ahead, RDI)
	ADDQ(R8, RDI)
	MOVQ(aheadStep, RSI)

	Label(label("loop"))
	set.right(row)
	if n == tileRows {
		PREFETCHT0(Mem{Base: RDI})
		ADDQ(RSI, RDI)
	}
	for i := range n {
		factor := factors[i%2]
		VBROADCASTSS(Mem{Base: leftRows[i], Index: RAX, Scale: 1}, factor)
		for v, r := range line(i) {
			VFMADD231PS(row[v], factor, r)
		}
	}
	ADDQ(R14, RAX)
	ADDQ(RDX, RBX)
	DECQ(RCX)
	JNE(LabelRef(label("loop")))

	CMPQ(rectify, Imm(0))
	JEQ(LabelRef(label("store")))
	set.zero(factors[0])
	for _, r := range sums {
		positive(factors[0], r)
	}

	Label(label("store"))
	set.mask()
	MOVQ(plus, RDI)
	TESTQ(RDI, RDI)
	JEQ(LabelRef(label("ready")))
	MOVQ(plusRow, RSI)
	for i := range n {
		set.load(RDI, row)
		for v, r := range line(i) {
			VADDPS(row[v], r, r)
		}
		ADDQ(RSI, RDI)
	}
	MOVQ(RDI, plus) // the row after the tile

	Label(label("ready"))
	MOVQ(result, RDI)
	MOVQ(resultRow, RSI)
	for i := range n {
		set.store(line(i), RDI)
		ADDQ(RSI, RDI)
	}
}
