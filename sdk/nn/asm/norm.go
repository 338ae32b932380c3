package main

import (
	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

// norm writes the loops of norm_row.go of package nn.
func norm() {
	function("normRowAVX2", "func(n int, x, y, gain, bias *float32, size, epsilon float64, mean *float64) float32")
	Load(Param("n"), R12)
	Load(Param("x"), RSI)
	Load(Param("y"), RDI)
	Load(Param("gain"), R8)
	Load(Param("bias"), R9)
	VMOVSD(argument("size"), X13)
	MOVQ(R12, RCX)
	VXORPD(Y0, Y0, Y0)
	VXORPD(Y1, Y1, Y1)
	loop(func(l lanes) {
		l.load(at(RSI), Y4)
		widen(Y4, Y2, Y3)
		VADDPD(Y2, Y0, Y0)
		VADDPD(Y3, Y1, Y1)
	})
	sum64(Y1)
	VDIVSD(X13, X0, X0)
	Load(Param("mean"), RAX)
	VMOVSD(X0, Mem{Base: RAX})
	VBROADCASTSD(X0, Y12)
	MOVQ(R12, RCX)
	VXORPD(Y0, Y0, Y0)
	VXORPD(Y1, Y1, Y1)
	loop(func(l lanes) {
		l.load(at(RSI), Y4)
		widen(Y4, Y2, Y3)
		VSUBPD(Y12, Y2, Y2)
		VSUBPD(Y12, Y3, Y3)
		narrow(Y2, Y3, Y4)
		if l.masked { // what is not there is not -mean
			VANDPS(Y15, Y4, Y4)
		}
		l.store(Y4, at(RDI))
		widen(Y4, Y2, Y3)
		VFMADD231PD(Y2, Y2, Y0)
		VFMADD231PD(Y3, Y3, Y1)
	})
	sum64(Y1)
	VDIVSD(X13, X0, X0)
	VADDSD(argument("epsilon"), X0, X0)
	VSQRTSD(X0, X0, X0)
	MOVQ(U64(0x3ff0000000000000), RAX) // 1
	VMOVQ(RAX, X1)
	VDIVSD(X0, X1, X0)
	VCVTSD2SS(X0, X0, X0)
	Store(X0, ReturnIndex(0))
	VBROADCASTSS(X0, Y12) // 1/deviation
	MOVQ(R12, RCX)
	loop(func(l lanes) {
		l.load(at(RDI), Y0)
		VMULPS(Y12, Y0, Y0)
		l.load(at(R9), Y1)
		l.load(at(R8), Y2)
		VFMADD231PS(Y2, Y0, Y1)
		l.store(Y1, at(RDI))
	})
	end()

	function("normHatAVX2", "func(n int, hat, x *float32, mean float64, inverse float32)")
	pointers("hat", "x")
	VBROADCASTSD(argument("mean"), Y12)
	VBROADCASTSS(argument("inverse"), Y13)
	loop(func(l lanes) {
		l.load(at(RSI), Y4)
		widen(Y4, Y2, Y3)
		VSUBPD(Y12, Y2, Y2)
		VSUBPD(Y12, Y3, Y3)
		narrow(Y2, Y3, Y4)
		VMULPS(Y13, Y4, Y4)
		l.store(Y4, at(RDI))
	})
	end()

	function("normSumsAVX2", "func(n int, d, dy, hat, gain, dgain, dbias *float32, sums *float64)")
	Load(Param("n"), RCX)
	Load(Param("d"), RDI)
	Load(Param("dy"), RSI)
	Load(Param("hat"), RBX)
	Load(Param("gain"), R8)
	Load(Param("dgain"), R9)
	Load(Param("dbias"), R10)
	Load(Param("sums"), R11)
	for _, r := range []VecPhysical{Y0, Y1, Y2, Y3} {
		VXORPD(r, r, r)
	}
	loop(func(l lanes) {
		l.load(at(RSI), Y4)
		l.load(at(RBX), Y5)
		l.load(at(R9), Y6)
		VFMADD231PS(Y5, Y4, Y6)
		l.store(Y6, at(R9))
		l.load(at(R10), Y6)
		VADDPS(Y6, Y4, Y6)
		l.store(Y6, at(R10))
		l.load(at(R8), Y6)
		VMULPS(Y6, Y4, Y4)
		l.store(Y4, at(RDI))
		widen(Y4, Y6, Y7)
		VADDPD(Y6, Y0, Y0)
		VADDPD(Y7, Y1, Y1)
		widen(Y5, Y8, Y9)
		VFMADD231PD(Y8, Y6, Y2)
		VFMADD231PD(Y9, Y7, Y3)
	})
	sum64(Y1)
	VMOVSD(X0, Mem{Base: R11})
	VMOVAPD(Y2, Y0)
	sum64(Y3)
	VMOVSD(X0, Mem{Base: R11, Disp: 8})
	end()

	for _, fresh := range []bool{false, true} {
		name := "normSpreadAVX2"
		if fresh {
			name = "normSetAVX2"
		}
		function(name, "func(n int, dx, d, hat *float32, inverse, mean, along float32)")
		pointers("dx", "d", "hat")
		VBROADCASTSS(argument("inverse"), Y12)
		VBROADCASTSS(argument("mean"), Y13)
		VBROADCASTSS(argument("along"), Y14)
		loop(func(l lanes) {
			l.load(at(RSI), Y1)
			if fresh {
				VMULPS(Y1, Y12, Y0)
			} else {
				l.load(at(RDI), Y0)
				VFMADD231PS(Y1, Y12, Y0)
			}
			VADDPS(Y13, Y0, Y0)
			l.load(at(RBX), Y1)
			VFMADD231PS(Y1, Y14, Y0)
			l.store(Y0, at(RDI))
		})
		end()
	}
}

// widen converts eight values to float64, the first four to low.
func widen(from, low, high VecPhysical) {
	VCVTPS2PD(from.AsX(), low)
	VEXTRACTF128(Imm(1), from, high.AsX())
	VCVTPS2PD(high.AsX(), high)
}

// narrow rounds eight values in float64 to float32.
func narrow(low, high, to VecPhysical) {
	VCVTPD2PSY(low, to.AsX())
	VCVTPD2PSY(high, high.AsX())
	VINSERTF128(Imm(1), high.AsX(), to, to)
}

// sum64 adds the eight values of Y0 and another register, and leaves the result in
// X0.
func sum64(second VecPhysical) {
	VADDPD(second, Y0, Y0)
	VEXTRACTF128(Imm(1), Y0, X1)
	VADDPD(X1, X0, X0)
	VPERMILPD(Imm(1), X0, X1)
	VADDSD(X1, X0, X0)
}
