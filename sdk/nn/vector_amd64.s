//go:build amd64 && !purego

#include "textflag.h"

// Loops take eight values at a time and the last ones, fewer than eight, under a
// mask, with the same instructions: what becomes of a value does not depend on its
// place. AX is the offset in all slices and CX the values left.

#define LOOP \
	XORQ AX, AX \
	SUBQ $8, CX \
	JLT  tail   \
loop:

// NEXT ends the loop; what follows it is the loop's body for the last values,
// loaded and stored under mask Y15.
#define NEXT \
	ADDQ    $32, AX              \
	SUBQ    $8, CX               \
	JGE     loop                 \
tail:                            \
	ADDQ    $8, CX               \
	JEQ     done                 \
	LEAQ    ·tileMask+64(SB), DX \
	NEGQ    CX                   \
	VMOVDQU (DX)(CX*4), Y15

#define END \
done:          \
	VZEROUPPER \
	RET

#define DI0 (DI)(AX*1)
#define SI0 (SI)(AX*1)
#define BX0 (BX)(AX*1)
#define R80 (R8)(AX*1)

// func addAVX2(n int, sum, x *float32)
TEXT ·addAVX2(SB), NOSPLIT, $0-24
	MOVQ n+0(FP), CX
	MOVQ sum+8(FP), DI
	MOVQ x+16(FP), SI
	LOOP
	VMOVUPS SI0, Y0
	VADDPS  DI0, Y0, Y0
	VMOVUPS Y0, DI0
	NEXT
	VMASKMOVPS SI0, Y15, Y0
	VMASKMOVPS DI0, Y15, Y1
	VADDPS     Y1, Y0, Y0
	VMASKMOVPS Y0, Y15, DI0
	END

// func addScaledAVX2(n int, sum, x *float32, c float32)
TEXT ·addScaledAVX2(SB), NOSPLIT, $0-28
	MOVQ         n+0(FP), CX
	MOVQ         sum+8(FP), DI
	MOVQ         x+16(FP), SI
	VBROADCASTSS c+24(FP), Y2
	LOOP
	VMOVUPS     DI0, Y0
	VFMADD231PS SI0, Y2, Y0
	VMOVUPS     Y0, DI0
	NEXT
	VMASKMOVPS  SI0, Y15, Y1
	VMASKMOVPS  DI0, Y15, Y0
	VFMADD231PS Y1, Y2, Y0
	VMASKMOVPS  Y0, Y15, DI0
	END

// func addProductAVX2(n int, sum, x, y *float32)
TEXT ·addProductAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ sum+8(FP), DI
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), BX
	LOOP
	VMOVUPS     DI0, Y0
	VMOVUPS     SI0, Y1
	VFMADD231PS BX0, Y1, Y0
	VMOVUPS     Y0, DI0
	NEXT
	VMASKMOVPS  DI0, Y15, Y0
	VMASKMOVPS  SI0, Y15, Y1
	VMASKMOVPS  BX0, Y15, Y2
	VFMADD231PS Y2, Y1, Y0
	VMASKMOVPS  Y0, Y15, DI0
	END

// func plusAVX2(n int, out, x, y *float32)
TEXT ·plusAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ out+8(FP), DI
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), BX
	LOOP
	VMOVUPS SI0, Y0
	VADDPS  BX0, Y0, Y0
	VMOVUPS Y0, DI0
	NEXT
	VMASKMOVPS SI0, Y15, Y0
	VMASKMOVPS BX0, Y15, Y1
	VADDPS     Y1, Y0, Y0
	VMASKMOVPS Y0, Y15, DI0
	END

// func timesAVX2(n int, out, x, y *float32)
TEXT ·timesAVX2(SB), NOSPLIT, $0-32
	MOVQ n+0(FP), CX
	MOVQ out+8(FP), DI
	MOVQ x+16(FP), SI
	MOVQ y+24(FP), BX
	LOOP
	VMOVUPS SI0, Y0
	VMULPS  BX0, Y0, Y0
	VMOVUPS Y0, DI0
	NEXT
	VMASKMOVPS SI0, Y15, Y0
	VMASKMOVPS BX0, Y15, Y1
	VMULPS     Y1, Y0, Y0
	VMASKMOVPS Y0, Y15, DI0
	END

// func reluAVX2(n int, out, x *float32)
//
// The maximum of zero and NaN is the second operand, x.
TEXT ·reluAVX2(SB), NOSPLIT, $0-24
	MOVQ   n+0(FP), CX
	MOVQ   out+8(FP), DI
	MOVQ   x+16(FP), SI
	VXORPS Y2, Y2, Y2
	LOOP
	VMAXPS  SI0, Y2, Y0
	VMOVUPS Y0, DI0
	NEXT
	VMASKMOVPS SI0, Y15, Y0
	VMAXPS     Y0, Y2, Y0
	VMASKMOVPS Y0, Y15, DI0
	END

// func addPositiveAVX2(n int, sum, x, where *float32)
TEXT ·addPositiveAVX2(SB), NOSPLIT, $0-32
	MOVQ   n+0(FP), CX
	MOVQ   sum+8(FP), DI
	MOVQ   x+16(FP), SI
	MOVQ   where+24(FP), BX
	VXORPS Y2, Y2, Y2
	LOOP
	VCMPPS  $1, BX0, Y2, Y0 // 0 < where
	VANDPS  SI0, Y0, Y0
	VADDPS  DI0, Y0, Y0
	VMOVUPS Y0, DI0
	NEXT
	VMASKMOVPS BX0, Y15, Y0
	VCMPPS     $1, Y0, Y2, Y0
	VMASKMOVPS SI0, Y15, Y1
	VANDPS     Y1, Y0, Y0
	VMASKMOVPS DI0, Y15, Y1
	VADDPS     Y1, Y0, Y0
	VMASKMOVPS Y0, Y15, DI0
	END

// SUM adds the eight values of Y0, and leaves the result in X0.
#define SUM \
	VEXTRACTF128 $1, Y0, X1  \
	VADDPS       X1, X0, X0  \
	VMOVHLPS     X0, X0, X1  \
	VADDPS       X1, X0, X0  \
	VMOVSHDUP    X0, X1      \
	VADDSS       X1, X0, X0

// func dotAVX2(n int, x, y *float32) float32
TEXT ·dotAVX2(SB), NOSPLIT, $0-28
	MOVQ   n+0(FP), CX
	MOVQ   x+8(FP), SI
	MOVQ   y+16(FP), BX
	VXORPS Y0, Y0, Y0
	LOOP
	VMOVUPS     SI0, Y1
	VFMADD231PS BX0, Y1, Y0
	NEXT
	VMASKMOVPS  SI0, Y15, Y1
	VMASKMOVPS  BX0, Y15, Y2
	VFMADD231PS Y2, Y1, Y0

done:
	SUM
	VMOVSS     X0, ret+24(FP)
	VZEROUPPER
	RET

// func dot64AVX2(n int, x, y *float32) float64
TEXT ·dot64AVX2(SB), NOSPLIT, $0-32
	MOVQ   n+0(FP), CX
	MOVQ   x+8(FP), SI
	MOVQ   y+16(FP), BX
	VXORPD Y0, Y0, Y0
	VXORPD Y1, Y1, Y1
	LOOP
	VCVTPS2PD   SI0, Y2
	VCVTPS2PD   BX0, Y3
	VFMADD231PD Y3, Y2, Y0
	VCVTPS2PD   16(SI)(AX*1), Y2
	VCVTPS2PD   16(BX)(AX*1), Y3
	VFMADD231PD Y3, Y2, Y1
	NEXT
	VMASKMOVPS   SI0, Y15, Y4
	VMASKMOVPS   BX0, Y15, Y5
	VCVTPS2PD    X4, Y2
	VCVTPS2PD    X5, Y3
	VFMADD231PD  Y3, Y2, Y0
	VEXTRACTF128 $1, Y4, X4
	VEXTRACTF128 $1, Y5, X5
	VCVTPS2PD    X4, Y2
	VCVTPS2PD    X5, Y3
	VFMADD231PD  Y3, Y2, Y1

done:
	VADDPD       Y1, Y0, Y0
	VEXTRACTF128 $1, Y0, X1
	VADDPD       X1, X0, X0
	VPERMILPD    $1, X0, X1
	VADDSD       X1, X0, X0
	VMOVSD       X0, ret+24(FP)
	VZEROUPPER
	RET

// ADAM updates values Y0 and moments Y2 and Y3 by the gradients Y1.
#define ADAM \
	VMULPS       Y5, Y1, Y1   \
	VFMADD231PS  Y6, Y0, Y1   \
	VMULPS       Y7, Y2, Y2   \
	VFMADD231PS  Y8, Y1, Y2   \
	VMULPS       Y9, Y3, Y3   \
	VMULPS       Y1, Y1, Y4   \
	VFMADD231PS  Y10, Y4, Y3  \
	VSQRTPS      Y3, Y4       \
	VFMADD213PS  Y13, Y12, Y4 \
	VDIVPS       Y4, Y2, Y4   \
	VMULPS       Y11, Y0, Y0  \
	VFNMADD231PS Y14, Y4, Y0

// func adamAVX2(n int, value, grad, m, v *float32, c *adamStep)
TEXT ·adamAVX2(SB), NOSPLIT, $0-48
	MOVQ         c+40(FP), DX
	VBROADCASTSS 0(DX), Y5   // scale
	VBROADCASTSS 4(DX), Y6   // decay
	VBROADCASTSS 8(DX), Y7   // keep1
	VBROADCASTSS 12(DX), Y8  // take1
	VBROADCASTSS 16(DX), Y9  // keep2
	VBROADCASTSS 20(DX), Y10 // take2
	VBROADCASTSS 24(DX), Y11 // shrink
	VBROADCASTSS 28(DX), Y12 // root
	VBROADCASTSS 32(DX), Y13 // epsilon
	VBROADCASTSS 36(DX), Y14 // rate
	MOVQ         n+0(FP), CX
	MOVQ         value+8(FP), DI
	MOVQ         grad+16(FP), SI
	MOVQ         m+24(FP), BX
	MOVQ         v+32(FP), R8
	LOOP
	VMOVUPS DI0, Y0
	VMOVUPS SI0, Y1
	VMOVUPS BX0, Y2
	VMOVUPS R80, Y3
	ADAM
	VMOVUPS Y0, DI0
	VMOVUPS Y2, BX0
	VMOVUPS Y3, R80
	NEXT
	VMASKMOVPS DI0, Y15, Y0
	VMASKMOVPS SI0, Y15, Y1
	VMASKMOVPS BX0, Y15, Y2
	VMASKMOVPS R80, Y15, Y3
	ADAM
	VMASKMOVPS Y0, Y15, DI0
	VMASKMOVPS Y2, Y15, BX0
	VMASKMOVPS Y3, Y15, R80
	END

// func attendScoresAVX2(keys int, rows *int, width int, scores, x, k *float32, scale float32)
TEXT ·attendScoresAVX2(SB), NOSPLIT, $0-52
	MOVQ    keys+0(FP), R8
	MOVQ    rows+8(FP), R9
	MOVQ    width+16(FP), R10
	MOVQ    scores+24(FP), DI
	MOVQ    x+32(FP), SI
	MOVQ    k+40(FP), R11
	VMOVSS  scale+48(FP), X5
	MOVQ    R10, R12
	ANDQ    $7, R12              // columns that remain
	SUBQ    R12, R10             // columns in eights
	LEAQ    ·tileMask+64(SB), DX
	MOVQ    R12, CX
	NEGQ    CX
	VMOVDQU (DX)(CX*4), Y15

key:
	MOVQ   (R9), BX
	LEAQ   (R11)(BX*4), BX
	VXORPS Y0, Y0, Y0
	XORQ   AX, AX
	CMPQ   R10, $0
	JEQ    rest

eight:
	VMOVUPS     (SI)(AX*4), Y1
	VFMADD231PS (BX)(AX*4), Y1, Y0
	ADDQ        $8, AX
	CMPQ        AX, R10
	JLT         eight

rest:
	TESTQ       R12, R12
	JEQ         store
	VMASKMOVPS  (SI)(AX*4), Y15, Y1
	VMASKMOVPS  (BX)(AX*4), Y15, Y2
	VFMADD231PS Y2, Y1, Y0

store:
	SUM
	VMULSS X5, X0, X0
	VMOVSS X0, (DI)
	ADDQ   $4, DI
	ADDQ   $8, R9
	DECQ   R8
	JNE    key
	VZEROUPPER
	RET

// Register use of the next two: R8 keys, R9 rows, DI weights, SI the single row, BX
// the many rows. The outer loop goes over columns, the inner one over keys.
#define KEYS(label) \
	XORQ R10, R10 \
label:

#define KEY \
	MOVQ         (R9)(R10*8), R11  \
	LEAQ         (BX)(R11*4), R11  \
	VBROADCASTSS (DI)(R10*4), Y1

#define LASTKEY(label) \
	INCQ R10     \
	CMPQ R10, R8 \
	JLT  label

// func attendMixAVX2(keys int, rows *int, width int, w, x, many *float32)
TEXT ·attendMixAVX2(SB), NOSPLIT, $0-48
	MOVQ keys+0(FP), R8
	MOVQ rows+8(FP), R9
	MOVQ width+16(FP), CX
	MOVQ w+24(FP), DI
	MOVQ x+32(FP), SI
	MOVQ many+40(FP), BX
	LOOP
	VMOVUPS SI0, Y0
	KEYS(key)
	KEY
	VFMADD231PS (R11)(AX*1), Y1, Y0
	LASTKEY(key)
	VMOVUPS Y0, SI0
	NEXT
	VMASKMOVPS SI0, Y15, Y0
	KEYS(last)
	KEY
	VMASKMOVPS  (R11)(AX*1), Y15, Y2
	VFMADD231PS Y2, Y1, Y0
	LASTKEY(last)
	VMASKMOVPS Y0, Y15, SI0
	END

// func attendSpreadAVX2(keys int, rows *int, width int, w, x, many *float32)
TEXT ·attendSpreadAVX2(SB), NOSPLIT, $0-48
	MOVQ keys+0(FP), R8
	MOVQ rows+8(FP), R9
	MOVQ width+16(FP), CX
	MOVQ w+24(FP), DI
	MOVQ x+32(FP), SI
	MOVQ many+40(FP), BX
	LOOP
	VMOVUPS SI0, Y0
	KEYS(key)
	KEY
	VMOVUPS     (R11)(AX*1), Y2
	VFMADD231PS Y0, Y1, Y2
	VMOVUPS     Y2, (R11)(AX*1)
	LASTKEY(key)
	NEXT
	VMASKMOVPS SI0, Y15, Y0
	KEYS(last)
	KEY
	VMASKMOVPS  (R11)(AX*1), Y15, Y2
	VFMADD231PS Y0, Y1, Y2
	VMASKMOVPS  Y2, Y15, (R11)(AX*1)
	LASTKEY(last)
	END
