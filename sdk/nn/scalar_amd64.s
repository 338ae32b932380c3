//go:build amd64 && !purego

#include "textflag.h"

// The functions of scalar.go, eight values at a time; see vector_amd64.s for the
// loops.

#define SIGN      ·lanes+0(SB)
#define ONE       ·lanes+32(SB)
#define TWO       ·lanes+64(SB)
#define LOW       ·lanes+96(SB)
#define HIGH      ·lanes+128(SB)
#define LOG2E     ·lanes+160(SB)
#define LN2HIGH   ·lanes+192(SB)
#define LN2LOW    ·lanes+224(SB)
#define EXP(i)    ·lanes+(256+32*i)(SB)
#define EDGE      ·lanes+448(SB)
#define TANH(i)   ·lanes+(480+32*i)(SB)
#define SLOPE     ·lanes+640(SB)
#define NORMAL(i) ·lanes+(672+32*i)(SB)
#define DENSITY   ·lanes+960(SB)
#define HALF      ·lanes+992(SB)
#define BIAS      ·lanes+1024(SB)

// EXPONENTIAL replaces Y0 by e^Y0, using Y1, Y2 and Y3. The bounds are such that
// beyond them the result is infinite or zero; a minimum or maximum with NaN is the
// second operand, Y0. The power of two is applied in two halves, each of which is
// in range.
#define EXPONENTIAL \
	VMOVUPS      LOW, Y1        \
	VMAXPS       Y0, Y1, Y0     \
	VMOVUPS      HIGH, Y1       \
	VMINPS       Y0, Y1, Y0     \
	VMULPS       LOG2E, Y0, Y1  \
	VROUNDPS     $8, Y1, Y1     \
	VFNMADD231PS LN2HIGH, Y1, Y0 \
	VFNMADD231PS LN2LOW, Y1, Y0 \
	VMOVUPS      EXP(0), Y2     \
	VFMADD213PS  EXP(1), Y0, Y2 \
	VFMADD213PS  EXP(2), Y0, Y2 \
	VFMADD213PS  EXP(3), Y0, Y2 \
	VFMADD213PS  EXP(4), Y0, Y2 \
	VFMADD213PS  EXP(5), Y0, Y2 \
	VMULPS       Y0, Y0, Y3     \
	VFMADD213PS  Y0, Y3, Y2     \
	VADDPS       ONE, Y2, Y2    \
	VCVTPS2DQ    Y1, Y1         \
	VPSRAD       $1, Y1, Y3     \
	VPSUBD       Y3, Y1, Y1     \
	VPADDD       BIAS, Y1, Y1   \
	VPADDD       BIAS, Y3, Y3   \
	VPSLLD       $23, Y1, Y1    \
	VPSLLD       $23, Y3, Y3    \
	VMULPS       Y1, Y2, Y0     \
	VMULPS       Y3, Y0, Y0

// SIGMOID replaces Y0 by its sigmoid, using Y1 to Y4.
#define SIGMOID \
	VMOVAPS   Y0, Y4         \
	VORPS     SIGN, Y0, Y0   \
	EXPONENTIAL              \
	VADDPS    ONE, Y0, Y1    \
	VMOVUPS   ONE, Y2        \
	VDIVPS    Y1, Y2, Y1     \
	VMULPS    Y1, Y0, Y0     \
	VBLENDVPS Y4, Y0, Y1, Y0

// TANGENT replaces Y0 by its hyperbolic tangent, using Y1 to Y5.
#define TANGENT \
	VMOVAPS     Y0, Y4          \
	VMOVUPS     SIGN, Y5        \
	VANDNPS     Y0, Y5, Y0      \
	VADDPS      Y0, Y0, Y0      \
	EXPONENTIAL                 \
	VADDPS      ONE, Y0, Y0     \
	VMOVUPS     TWO, Y1         \
	VDIVPS      Y0, Y1, Y0      \
	VMOVUPS     ONE, Y1         \
	VSUBPS      Y0, Y1, Y0      \
	VANDPS      Y5, Y4, Y1      \
	VORPS       Y1, Y0, Y0      \
	VMULPS      Y4, Y4, Y1      \
	VMOVUPS     TANH(0), Y2     \
	VFMADD213PS TANH(1), Y1, Y2 \
	VFMADD213PS TANH(2), Y1, Y2 \
	VFMADD213PS TANH(3), Y1, Y2 \
	VFMADD213PS TANH(4), Y1, Y2 \
	VMULPS      Y1, Y2, Y2      \
	VFMADD213PS Y4, Y4, Y2      \
	VANDNPS     Y4, Y5, Y1      \
	VCMPPS      $1, EDGE, Y1, Y1 \
	VBLENDVPS   Y1, Y2, Y0, Y0

// NORM replaces Y0 by its GELU and sets Y6 to the slope there, using Y1 to Y5.
#define NORM \
	VMOVAPS     Y0, Y4            \
	VMOVUPS     SIGN, Y1          \
	VANDNPS     Y0, Y1, Y5        \
	VMOVUPS     ONE, Y1           \
	VFMADD132PS SLOPE, Y1, Y5     \
	VDIVPS      Y5, Y1, Y5        \
	VMULPS      Y0, Y0, Y0        \
	VMULPS      HALF, Y0, Y0      \
	VXORPS      SIGN, Y0, Y0      \
	EXPONENTIAL                   \
	VMOVUPS     NORMAL(0), Y1     \
	VFMADD213PS NORMAL(1), Y5, Y1 \
	VFMADD213PS NORMAL(2), Y5, Y1 \
	VFMADD213PS NORMAL(3), Y5, Y1 \
	VFMADD213PS NORMAL(4), Y5, Y1 \
	VFMADD213PS NORMAL(5), Y5, Y1 \
	VFMADD213PS NORMAL(6), Y5, Y1 \
	VFMADD213PS NORMAL(7), Y5, Y1 \
	VFMADD213PS NORMAL(8), Y5, Y1 \
	VMULPS      Y5, Y1, Y1        \
	VMULPS      Y0, Y1, Y1        \
	VMOVUPS     ONE, Y2           \
	VSUBPS      Y1, Y2, Y2        \
	VBLENDVPS   Y4, Y1, Y2, Y1    \
	VMULPS      DENSITY, Y0, Y6   \
	VFMADD213PS Y1, Y4, Y6        \
	VMULPS      Y1, Y4, Y0

#define LOOP \
	XORQ AX, AX \
	SUBQ $8, CX \
	JLT  tail   \
loop:

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

#define EACH(F) \
	MOVQ       n+0(FP), CX           \
	MOVQ       out+8(FP), DI         \
	MOVQ       x+16(FP), SI          \
	LOOP                             \
	VMOVUPS    (SI)(AX*1), Y0        \
	F                                \
	VMOVUPS    Y0, (DI)(AX*1)        \
	NEXT                             \
	VMASKMOVPS (SI)(AX*1), Y15, Y0   \
	F                                \
	VMASKMOVPS Y0, Y15, (DI)(AX*1)   \
	END

// func expAVX2(n int, out, x *float32)
TEXT ·expAVX2(SB), NOSPLIT, $0-24
	EACH(EXPONENTIAL)

// func sigmoidAVX2(n int, out, x *float32)
TEXT ·sigmoidAVX2(SB), NOSPLIT, $0-24
	EACH(SIGMOID)

// func tanhAVX2(n int, out, x *float32)
TEXT ·tanhAVX2(SB), NOSPLIT, $0-24
	EACH(TANGENT)

// func geluAVX2(n int, out, slope, x *float32)
TEXT ·geluAVX2(SB), NOSPLIT, $0-32
	MOVQ    n+0(FP), CX
	MOVQ    out+8(FP), DI
	MOVQ    slope+16(FP), BX
	MOVQ    x+24(FP), SI
	LOOP
	VMOVUPS (SI)(AX*1), Y0
	NORM
	VMOVUPS Y0, (DI)(AX*1)
	VMOVUPS Y6, (BX)(AX*1)
	NEXT
	VMASKMOVPS (SI)(AX*1), Y15, Y0
	NORM
	VMASKMOVPS Y0, Y15, (DI)(AX*1)
	VMASKMOVPS Y6, Y15, (BX)(AX*1)
	END
