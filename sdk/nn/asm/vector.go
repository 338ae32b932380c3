package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// vector writes the loops of vector.go of package nn.
func vector() {
	function("addAVX2", "func(n int, sum, x *float32)")
	pointers("sum", "x")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		l.load(at(RDI), Y1)
		VADDPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("addScaledAVX2", "func(n int, sum, x *float32, c float32)")
	pointers("sum", "x")
	VBROADCASTSS(argument("c"), Y2)
	loop(func(l lanes) {
		l.load(at(RSI), Y1)
		l.load(at(RDI), Y0)
		VFMADD231PS(Y1, Y2, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("addProductAVX2", "func(n int, sum, x, y *float32)")
	pointers("sum", "x", "y")
	loop(func(l lanes) {
		l.load(at(RDI), Y0)
		l.load(at(RSI), Y1)
		l.load(at(RBX), Y2)
		VFMADD231PS(Y2, Y1, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("addPositiveAVX2", "func(n int, sum, x, where *float32)")
	pointers("sum", "x", "where")
	VXORPS(Y2, Y2, Y2)
	loop(func(l lanes) {
		l.load(at(RBX), Y0)
		VCMPPS(Imm(less), Y0, Y2, Y0) // 0 < where
		l.load(at(RSI), Y1)
		VANDPS(Y1, Y0, Y0)
		l.load(at(RDI), Y1)
		VADDPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("takePositiveAVX2", "func(n int, out, x, where *float32)")
	pointers("out", "x", "where")
	VXORPS(Y2, Y2, Y2)
	loop(func(l lanes) {
		l.load(at(RBX), Y0)
		VCMPPS(Imm(less), Y0, Y2, Y0) // 0 < where
		l.load(at(RSI), Y1)
		VANDPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("plusAVX2", "func(n int, out, x, y *float32)")
	pointers("out", "x", "y")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		l.load(at(RBX), Y1)
		VADDPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("minusAVX2", "func(n int, out, x, y *float32)")
	pointers("out", "x", "y")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		l.load(at(RBX), Y1)
		VSUBPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("scaleAVX2", "func(n int, out, x *float32, c float32)")
	pointers("out", "x")
	VBROADCASTSS(argument("c"), Y2)
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		VMULPS(Y2, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("timesAVX2", "func(n int, out, x, y *float32)")
	pointers("out", "x", "y")
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		l.load(at(RBX), Y1)
		VMULPS(Y1, Y0, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	function("reluAVX2", "func(n int, out, x *float32)")
	pointers("out", "x")
	VXORPS(Y2, Y2, Y2)
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		positive(Y2, Y0)
		l.store(Y0, at(RDI))
	})
	end()

	// What it answers has a bit for each of eight lanes that saw NaN or infinity.
	function("notFiniteAVX2", "func(n int, x *float32) uint32")
	pointers("", "x")
	MOVL(U32(0x7f800000), EAX)
	MOVD(EAX, X2)
	VPBROADCASTD(X2, Y2)
	VXORPS(Y1, Y1, Y1)
	loop(func(l lanes) {
		l.load(at(RSI), Y0)
		VPAND(Y2, Y0, Y0)
		VPCMPEQD(Y2, Y0, Y0)
		VPOR(Y0, Y1, Y1)
	})
	VMOVMSKPS(Y1, EAX)
	Store(EAX, ReturnIndex(0))
	end()

	function("dotAVX2", "func(n int, x, y *float32) float32")
	pointers("", "x", "y")
	VXORPS(Y0, Y0, Y0)
	loop(func(l lanes) {
		l.load(at(RSI), Y1)
		l.load(at(RBX), Y2)
		VFMADD231PS(Y2, Y1, Y0)
	})
	sum()
	Store(X0, ReturnIndex(0))
	end()

	function("dot64AVX2", "func(n int, x, y *float32) float64")
	pointers("", "x", "y")
	VXORPD(Y0, Y0, Y0)
	VXORPD(Y1, Y1, Y1)
	loop(func(l lanes) {
		l.load(at(RSI), Y4)
		l.load(at(RBX), Y5)
		VCVTPS2PD(X4, Y2)
		VCVTPS2PD(X5, Y3)
		VFMADD231PD(Y3, Y2, Y0)
		VEXTRACTF128(Imm(1), Y4, X4)
		VEXTRACTF128(Imm(1), Y5, X5)
		VCVTPS2PD(X4, Y2)
		VCVTPS2PD(X5, Y3)
		VFMADD231PD(Y3, Y2, Y1)
	})
	VADDPD(Y1, Y0, Y0)
	VEXTRACTF128(Imm(1), Y0, X1)
	VADDPD(X1, X0, X0)
	VPERMILPD(Imm(1), X0, X1)
	VADDSD(X1, X0, X0)
	Store(X0, ReturnIndex(0))
	end()

	sums()
	adam()
	sgd()
}

// sums writes the loops that add the rows of matrices to a sum. They hold the sums
// of some columns while they go through the rows.
func sums() {
	function("addRowsAVX2", "func(n, rows int, sum, x *float32)")
	pointers("sum", "x")
	Load(Param("rows"), R8)
	overRows([]GPPhysical{RSI}, func(l lanes, i int, from []Mem) {
		l.load(from[0], ymm[8])
		VADDPS(ymm[8], ymm[i], ymm[i])
	})
	end()

	function("takePositiveRowsAVX2", "func(n, rows int, sum, x, where, out *float32)")
	pointers("sum", "x", "where", "out")
	MOVQ(R8, R12)
	Load(Param("rows"), R8)
	VXORPS(Y14, Y14, Y14)
	overRows([]GPPhysical{RSI, RBX, R12}, func(l lanes, i int, from []Mem) {
		l.load(from[1], Y8)
		VCMPPS(Imm(less), Y8, Y14, Y8) // 0 < where
		l.load(from[0], Y9)
		VANDPS(Y9, Y8, Y8)
		l.store(Y8, from[2])
		VADDPS(Y8, ymm[i], ymm[i])
	})
	end()
}

// overRows loops over columns, 32 at a time, then 8 and then those that remain, and
// inside over R8 rows. DI are the sums of the CX columns, matrices the others; body
// adds to the sum in register i, of the first eight, what it finds at the places
// from. It uses AX, DX, R9, R10, R11, R13 and R14, and Y15.
func overRows(matrices []GPPhysical, body func(l lanes, i int, from []Mem)) {
	places := []GPPhysical{R9, R10, R11}[:len(matrices)]
	inner := func(name string, l lanes, vectors int) {
		for i := range vectors {
			l.load(Mem{Base: RDI, Index: RAX, Scale: 1, Disp: 32 * i}, ymm[i])
		}
		for i, m := range matrices {
			LEAQ(at(m), places[i])
		}
		MOVQ(R8, R13)
		Label(name)
		for i := range vectors {
			var from []Mem
			for _, p := range places {
				from = append(from, Mem{Base: p, Disp: 32 * i})
			}
			body(l, i, from)
		}
		for _, p := range places {
			ADDQ(R14, p)
		}
		DECQ(R13)
		JNE(LabelRef(name))
		for i := range vectors {
			l.store(ymm[i], Mem{Base: RDI, Index: RAX, Scale: 1, Disp: 32 * i})
		}
	}
	MOVQ(RCX, R14)
	SHLQ(Imm(2), R14) // from row to row
	XORQ(RAX, RAX)
	SUBQ(Imm(32), RCX)
	JLT(LabelRef("few"))
	Label("many")
	inner("rows32", lanes{}, 4)
	ADDQ(Imm(128), RAX)
	SUBQ(Imm(32), RCX)
	JGE(LabelRef("many"))
	Label("few")
	ADDQ(Imm(32), RCX)
	SUBQ(Imm(8), RCX)
	JLT(LabelRef("tail"))
	Label("eight")
	inner("rows8", lanes{}, 1)
	ADDQ(Imm(32), RAX)
	SUBQ(Imm(8), RCX)
	JGE(LabelRef("eight"))
	Label("tail")
	ADDQ(Imm(8), RCX)
	JEQ(LabelRef("done"))
	LEAQ(global("tileMask", 64), RDX)
	NEGQ(RCX)
	VMOVDQU(Mem{Base: RDX, Index: RCX, Scale: 4}, Y15)
	inner("rowsTail", lanes{masked: true}, 1)
	Label("done")
}

// pointers loads the number of values n to CX and slices to DI, SI, BX and R8.
func pointers(slices ...string) {
	Load(Param("n"), RCX)
	for i, name := range slices {
		if name != "" {
			Load(Param(name), []GPPhysical{RDI, RSI, RBX, R8}[i])
		}
	}
}

// argument is the place of a parameter.
func argument(name string) Mem {
	b, err := Param(name).Resolve()
	if err != nil {
		panic(err)
	}
	return b.Addr
}

// positive replaces x by max(x, 0); the maximum of zero and NaN is the second
// operand, x.
func positive(zero, x VecPhysical) { VMAXPS(x, zero, x) }

// sum adds the eight values of Y0, and leaves the result in X0.
func sum() {
	VEXTRACTF128(Imm(1), Y0, X1)
	VADDPS(X1, X0, X0)
	VMOVHLPS(X0, X0, X1)
	VADDPS(X1, X0, X0)
	VMOVSHDUP(X0, X1)
	VADDSS(X1, X0, X0)
}

// adam writes the step of Adam.
func adam() {
	function("adamAVX2", "func(n int, value, grad, m, v, step *float32)")
	Load(Param("step"), RDX)
	for i, r := range []VecPhysical{Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14} {
		VBROADCASTSS(Mem{Base: RDX, Disp: 4 * i}, r)
	}
	scale, decay, keep1, take1, keep2, take2, shrink, root, epsilon, rate := Y5, Y6, Y7, Y8, Y9, Y10, Y11, Y12, Y13, Y14
	pointers("value", "grad", "m", "v")
	loop(func(l lanes) {
		value, grad, m, v := Y0, Y1, Y2, Y3
		l.load(at(RDI), value)
		l.load(at(RSI), grad)
		l.load(at(RBX), m)
		l.load(at(R8), v)
		VMULPS(scale, grad, grad)
		VFMADD231PS(decay, value, grad)
		VMULPS(keep1, m, m)
		VFMADD231PS(take1, grad, m)
		VMULPS(keep2, v, v)
		VMULPS(grad, grad, Y4)
		VFMADD231PS(take2, Y4, v)
		VSQRTPS(v, Y4)
		VFMADD213PS(epsilon, root, Y4)
		VDIVPS(Y4, m, Y4)
		VMULPS(shrink, value, value)
		VFNMADD231PS(rate, Y4, value)
		l.store(value, at(RDI))
		l.store(m, at(RBX))
		l.store(v, at(R8))
	})
	end()
}

// sgd writes the step of stochastic gradient descent.
func sgd() {
	function("sgdAVX2", "func(n int, value, grad, v, step *float32)")
	Load(Param("step"), RDX)
	scale, decay, momentum, rate := Y5, Y6, Y7, Y8
	for i, r := range []VecPhysical{scale, decay, momentum, rate} {
		VBROADCASTSS(Mem{Base: RDX, Disp: 4 * i}, r)
	}
	pointers("value", "grad", "v")
	loop(func(l lanes) {
		value, grad, v := Y0, Y1, Y2
		l.load(at(RDI), value)
		l.load(at(RSI), grad)
		l.load(at(RBX), v)
		VMULPS(momentum, v, v)
		VFMADD231PS(scale, grad, v)
		VFMADD231PS(decay, value, v)
		VFNMADD231PS(rate, v, value)
		l.store(value, at(RDI))
		l.store(v, at(RBX))
	})
	end()
}
