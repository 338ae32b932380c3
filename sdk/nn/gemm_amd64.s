//go:build amd64 && !purego

#include "textflag.h"

// func gemmTile(depth int, a *float32, aRow, aCol, rows int, b *float32, bRow int, c *float32, cRow int, mask *int32, add bool)
//
// Row i of the tile is held in Y(2i) and Y(2i+1). If there are fewer than six rows,
// the last one takes the places of those that are missing: it is computed and
// stored repeatedly, with the same values.
//
//	R8..R13  rows of a           AX  offset in the rows of a, R14 its step
//	BX       row of b, DX step   CX  steps left
//	DI       row of c, SI step   R15 rows

// ROW sets to to the row after from, or to from if it is the last, row n of them
// being wanted.
#define ROW(from, step, n, to) \
	LEAQ    (from)(step*1), to \
	CMPQ    R15, $n            \
	CMOVQLE from, to

// LOAD and STORE move a row of c, LOADSOME and STORESOME the columns of it that the
// masks Y12 and Y13 select. All go on to the next row, n.
#define LOAD(left, right, n) \
	VMOVUPS (DI), left    \
	VMOVUPS 32(DI), right \
	ROW(DI, SI, n, AX)    \
	MOVQ    AX, DI

#define STORE(left, right, n) \
	VMOVUPS left, (DI)    \
	VMOVUPS right, 32(DI) \
	ROW(DI, SI, n, AX)    \
	MOVQ    AX, DI

#define LOADSOME(left, right, n) \
	VMASKMOVPS (DI), Y12, left    \
	VMASKMOVPS 32(DI), Y13, right \
	ROW(DI, SI, n, AX)            \
	MOVQ       AX, DI

#define STORESOME(left, right, n) \
	VMASKMOVPS left, Y12, (DI)    \
	VMASKMOVPS right, Y13, 32(DI) \
	ROW(DI, SI, n, AX)            \
	MOVQ       AX, DI

// TERM adds the product of an element of a and a row of b to a row of the tile.
#define TERM(row, factor, left, right) \
	VBROADCASTSS (row)(AX*1), factor \
	VFMADD231PS  Y12, factor, left   \
	VFMADD231PS  Y13, factor, right

TEXT ·gemmTile(SB), NOSPLIT, $0-81
	MOVQ c+56(FP), DI
	MOVQ cRow+64(FP), SI
	MOVQ rows+32(FP), R15
	MOVQ mask+72(FP), R14

	CMPB  add+80(FP), $0
	JEQ   zero
	TESTQ R14, R14
	JNE   loadsome
	LOAD(Y0, Y1, 1)
	LOAD(Y2, Y3, 2)
	LOAD(Y4, Y5, 3)
	LOAD(Y6, Y7, 4)
	LOAD(Y8, Y9, 5)
	LOAD(Y10, Y11, 6)
	JMP   begin

loadsome:
	VMOVDQU (R14), Y12
	VMOVDQU 32(R14), Y13
	LOADSOME(Y0, Y1, 1)
	LOADSOME(Y2, Y3, 2)
	LOADSOME(Y4, Y5, 3)
	LOADSOME(Y6, Y7, 4)
	LOADSOME(Y8, Y9, 5)
	LOADSOME(Y10, Y11, 6)
	JMP   begin

zero:
	VXORPS Y0, Y0, Y0
	VXORPS Y1, Y1, Y1
	VXORPS Y2, Y2, Y2
	VXORPS Y3, Y3, Y3
	VXORPS Y4, Y4, Y4
	VXORPS Y5, Y5, Y5
	VXORPS Y6, Y6, Y6
	VXORPS Y7, Y7, Y7
	VXORPS Y8, Y8, Y8
	VXORPS Y9, Y9, Y9
	VXORPS Y10, Y10, Y10
	VXORPS Y11, Y11, Y11

begin:
	MOVQ a+8(FP), R8
	MOVQ aRow+16(FP), AX
	ROW(R8, AX, 1, R9)
	ROW(R9, AX, 2, R10)
	ROW(R10, AX, 3, R11)
	ROW(R11, AX, 4, R12)
	ROW(R12, AX, 5, R13)
	MOVQ aCol+24(FP), R14
	MOVQ b+40(FP), BX
	MOVQ bRow+48(FP), DX
	MOVQ depth+0(FP), CX
	XORQ AX, AX

loop:
	VMOVUPS (BX), Y12
	VMOVUPS 32(BX), Y13
	TERM(R8, Y14, Y0, Y1)
	TERM(R9, Y15, Y2, Y3)
	TERM(R10, Y14, Y4, Y5)
	TERM(R11, Y15, Y6, Y7)
	TERM(R12, Y14, Y8, Y9)
	TERM(R13, Y15, Y10, Y11)
	ADDQ R14, AX
	ADDQ DX, BX
	DECQ CX
	JNE  loop

	MOVQ  c+56(FP), DI
	MOVQ  mask+72(FP), R14
	TESTQ R14, R14
	JNE   storesome
	STORE(Y0, Y1, 1)
	STORE(Y2, Y3, 2)
	STORE(Y4, Y5, 3)
	STORE(Y6, Y7, 4)
	STORE(Y8, Y9, 5)
	STORE(Y10, Y11, 6)
	VZEROUPPER
	RET

storesome:
	VMOVDQU (R14), Y12
	VMOVDQU 32(R14), Y13
	STORESOME(Y0, Y1, 1)
	STORESOME(Y2, Y3, 2)
	STORESOME(Y4, Y5, 3)
	STORESOME(Y6, Y7, 4)
	STORESOME(Y8, Y9, 5)
	STORESOME(Y10, Y11, 6)
	VZEROUPPER
	RET
