package main

import (
	"bytes"
	"fmt"
	"math"
)

// register is a vector register. V0 to V7 are for a body, the others hold constants.
type register int

func (r register) String() string { return fmt.Sprintf("V%d.S4", int(r)) }

// loops writes the loops of vector.go and scalar.go of package nn, four values at a
// time. The bits are those of the assembly for AVX2.
type loops struct {
	*bytes.Buffer
	constants int
}

func (l *loops) line(format string, arguments ...any) {
	fmt.Fprintf(l, "\t"+format+"\n", arguments...)
}

// The instructions that the assembler of Go does not know, for four float32.
const (
	fadd  = 0x4E20D400
	fsub  = 0x4EA0D400
	fmul  = 0x6E20DC00
	fdiv  = 0x6E20FC00
	fmax  = 0x4E20F400
	fmin  = 0x4EA0F400
	fcmgt = 0x6EA0E400
	bsl   = 0x6E601C00 // bits of a where those of to are 1, of b elsewhere
	fsqrt = 0x6EA1F800
	fabs  = 0x4EA0F800
	frint = 0x4E218800
	fcvt  = 0x4E21A800
	fcvtl = 0x0E617800 // the first two to float64
	fcvth = 0x4E617800 // the other two
	fcvtn = 0x0E616800 // two float64 to the first two, the others are zero
	fcvtm = 0x4E616800 // and to the other two
	dadd  = 0x4E60D400 // of two float64
	dsub  = 0x4EE0D400
	dmla  = 0x4E60CC00 // to += a·b
	daddp = 0x7E70D800 // the sum of two float64
	faddp = 0x6E20D400 // sums of neighbours
	half1 = 0x4F3F0400 // arithmetic shift right by 1
	half  = 0x4F210400 // and by 31
)

// op is to = a op b.
func (l *loops) op(code uint32, to, a, b register) {
	l.line("WORD $0x%08X // %s, %s, %s", code|uint32(b)<<16|uint32(a)<<5|uint32(to), to, a, b)
}

// unary is to = op a.
func (l *loops) unary(code uint32, to, a register) {
	l.line("WORD $0x%08X // %s, %s", code|uint32(a)<<5|uint32(to), to, a)
}

// bits is to = a op b, bit by bit.
func (l *loops) bits(op string, to, a, b register) {
	l.line("%s V%d.B16, V%d.B16, V%d.B16", op, int(b), int(a), int(to))
}

func (l *loops) move(to, from register) { l.line("VMOV V%d.B16, V%d.B16", int(from), int(to)) }

// fma is sum += a·b.
func (l *loops) fma(sum, a, b register) { l.line("VFMLA %s, %s, %s", b, a, sum) }

// fms is sum -= a·b.
func (l *loops) fms(sum, a, b register) { l.line("VFMLS %s, %s, %s", b, a, sum) }

// constant is a register with a value in each lane.
func (l *loops) constant(bits uint32) register {
	l.constants--
	r := register(l.constants)
	l.line("MOVD $0x%08X, R9", bits)
	l.line("VDUP R9, %s", r)
	return r
}

func (l *loops) number(v float32) register { return l.constant(math.Float32bits(v)) }

// argument is a register with an argument, or a field of a struct, in each lane.
func (l *loops) argument(from string) register {
	l.constants--
	r := register(l.constants)
	l.line("MOVWU %s, R9", from)
	l.line("VDUP R9, %s", r)
	return r
}

// function writes a loop over pointers, the n-th in V<n-1>, of which the body sets
// those that are written. What is left of four goes through copies on the stack.
func (l *loops) function(name, signature string, pointers []string, written []int, rest int, prepare func(), body func()) {
	l.constants = 32
	fmt.Fprintf(l, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $80-%d\n", name, signature, name, 8*(1+len(pointers))+rest)
	l.line("MOVD n+0(FP), R0")
	for i, p := range pointers {
		l.line("MOVD %s+%d(FP), R%d", p, 8*(1+i), 1+i)
	}
	if prepare != nil {
		prepare()
	}
	step := func() {
		for i := range pointers {
			l.line("VLD1 (R%d), [%s]", 1+i, register(i))
		}
		body()
		for _, i := range written {
			l.line("VST1 [%s], (R%d)", register(i), 1+i)
		}
	}
	l.line("SUBS $4, R0, R0")
	l.line("BLT  tail")
	l.WriteString("\nloop:\n")
	step()
	for i := range pointers {
		l.line("ADD  $16, R%d, R%d", 1+i, 1+i)
	}
	l.line("SUBS $4, R0, R0")
	l.line("BGE  loop")
	l.WriteString("\ntail:\n")
	l.line("ADDS $4, R0, R0")
	l.line("BEQ  done")
	copies := func(label string, i int, out bool) {
		l.line("MOVD R%d, R6", 11+i)
		l.line("ADD  $%d, RSP, R7", 16+16*i)
		l.line("MOVD R0, R8")
		from, to := "R6", "R7"
		if out {
			from, to = to, from
		}
		fmt.Fprintf(l, "\n%s%d:\n", label, i)
		l.line("MOVWU.P 4(%s), R9", from)
		l.line("MOVW.P R9, 4(%s)", to)
		l.line("SUBS $1, R8, R8")
		l.line("BNE  %s%d", label, i)
	}
	for i := range pointers {
		l.line("MOVD R%d, R%d", 1+i, 11+i)
		copies("in", i, false)
		l.line("ADD  $%d, RSP, R%d", 16+16*i, 1+i)
	}
	step()
	for _, i := range written {
		copies("out", i, true)
	}
	l.WriteString("\ndone:\n")
	l.line("RET")
}

// reduce writes a loop over pointers as function does, for a multiple of four values,
// that also adds to accumulators, V8 and on. What is left of four is the caller's.
func (l *loops) reduce(name, signature string, pointers []string, written []int, rest, accumulators int, prepare, body, finish func()) {
	l.constants = 32
	fmt.Fprintf(l, "\n// func %s(%s)\nTEXT ·%s(SB), NOSPLIT, $0-%d\n", name, signature, name, 8*(1+len(pointers))+rest)
	l.line("MOVD n+0(FP), R0")
	for i, p := range pointers {
		l.line("MOVD %s+%d(FP), R%d", p, 8*(1+i), 1+i)
	}
	for a := range accumulators {
		l.bits("VEOR", register(8+a), register(8+a), register(8+a))
	}
	if prepare != nil {
		prepare()
	}
	l.line("CBZ  R0, done")
	l.WriteString("\nloop:\n")
	for i := range pointers {
		l.line("VLD1 (R%d), [%s]", 1+i, register(i))
	}
	body()
	for _, i := range written {
		l.line("VST1 [%s], (R%d)", register(i), 1+i)
	}
	for i := range pointers {
		l.line("ADD  $16, R%d, R%d", 1+i, 1+i)
	}
	l.line("SUBS $4, R0, R0")
	l.line("BNE  loop")
	l.WriteString("\ndone:\n")
	finish()
	l.line("RET")
}

// double is a register with a float64 argument in each lane.
func (l *loops) double(from string) register {
	l.constants--
	r := register(l.constants)
	l.line("MOVD %s, R9", from)
	l.line("VDUP R9, V%d.D2", int(r))
	return r
}

// widen leaves four values as float64 in low and high.
func (l *loops) widen(from, low, high register) {
	l.unary(fcvth, high, from)
	l.unary(fcvtl, low, from)
}

// narrow rounds four float64 to float32.
func (l *loops) narrow(low, high, to register) {
	l.unary(fcvtn, to, low)
	l.unary(fcvtm, to, high)
}

// total stores the sum of the two float64 of two registers.
func (l *loops) total(a, b register, to string) {
	l.op(dadd, a, a, b)
	l.unary(daddp, a, a)
	l.line("FMOVD F%d, %s", int(a), to)
}

// norms writes the loops of norm_row.go.
func (l *loops) norms() {
	l.reduce("sum64NEON", "n int, x *float32) (sum float64", []string{"x"}, nil, 8, 2, nil, func() {
		l.widen(0, 1, 2)
		l.op(dadd, 8, 8, 1)
		l.op(dadd, 9, 9, 2)
	}, func() { l.total(8, 9, "sum+16(FP)") })
	var mean, inverse, along register
	l.reduce("centreNEON", "n int, y, x *float32, mean float64) (squares float64", []string{"y", "x"}, []int{0}, 16, 2, func() {
		mean = l.double("mean+24(FP)")
	}, func() {
		l.widen(1, 2, 3)
		l.op(dsub, 2, 2, mean)
		l.op(dsub, 3, 3, mean)
		l.narrow(2, 3, 0)
		l.widen(0, 2, 3)
		l.op(dmla, 8, 2, 2)
		l.op(dmla, 9, 3, 3)
	}, func() { l.total(8, 9, "squares+32(FP)") })
	l.function("affineNEON", "n int, y, gain, bias *float32, inverse float32", []string{"y", "gain", "bias"}, []int{0}, 4, func() {
		inverse = l.argument("inverse+32(FP)")
	}, func() {
		l.op(fmul, 0, 0, inverse)
		l.fma(2, 0, 1)
		l.move(0, 2)
	})
	l.function("normHatNEON", "n int, hat, x *float32, mean float64, inverse float32", []string{"hat", "x"}, []int{0}, 12, func() {
		mean, inverse = l.double("mean+24(FP)"), l.argument("inverse+32(FP)")
	}, func() {
		l.widen(1, 2, 3)
		l.op(dsub, 2, 2, mean)
		l.op(dsub, 3, 3, mean)
		l.narrow(2, 3, 0)
		l.op(fmul, 0, 0, inverse)
	})
	l.reduce("normSumsNEON", "n int, d, dy, hat, gain, dgain, dbias *float32) (sum, along float64", []string{"d", "dy", "hat", "gain", "dgain", "dbias"}, []int{0, 4, 5}, 16, 4, nil, func() {
		l.fma(4, 1, 2)
		l.op(fadd, 5, 5, 1)
		l.op(fmul, 0, 1, 3)
		l.widen(0, 6, 7)
		l.op(dadd, 8, 8, 6)
		l.op(dadd, 9, 9, 7)
		l.widen(2, 1, 3)
		l.op(dmla, 10, 6, 1)
		l.op(dmla, 11, 7, 3)
	}, func() {
		l.total(8, 9, "sum+56(FP)")
		l.total(10, 11, "along+64(FP)")
	})
	l.function("normSpreadNEON", "n int, dx, d, hat *float32, inverse, mean, along float32", []string{"dx", "d", "hat"}, []int{0}, 12, func() {
		inverse, mean, along = l.argument("inverse+32(FP)"), l.argument("mean+36(FP)"), l.argument("along+40(FP)")
	}, func() {
		l.fma(0, inverse, 1)
		l.op(fadd, 0, 0, mean)
		l.fma(0, along, 2)
	})
}

// products writes the inner products.
func (l *loops) products() {
	l.reduce("dotNEON", "n int, x, y *float32) (sum float32", []string{"x", "y"}, nil, 4, 1, nil, func() { l.fma(8, 0, 1) }, func() {
		l.op(faddp, 8, 8, 8)
		l.op(faddp, 8, 8, 8)
		l.line("FMOVS F8, sum+24(FP)")
	})
	l.reduce("dot64NEON", "n int, x, y *float32) (sum float64", []string{"x", "y"}, nil, 8, 2, nil, func() {
		l.widen(0, 2, 3)
		l.widen(1, 4, 5)
		l.op(dmla, 8, 2, 4)
		l.op(dmla, 9, 3, 5)
	}, func() { l.total(8, 9, "sum+24(FP)") })
}

func writeLoops(b *bytes.Buffer) {
	l := &loops{Buffer: b}
	var c register
	scaled := func() { c = l.argument("c+24(FP)") }
	zero := func() { c = l.constant(0) }
	sumX, sumXY, outX, outXY := []string{"sum", "x"}, []string{"sum", "x", "y"}, []string{"out", "x"}, []string{"out", "x", "y"}
	first := []int{0}

	l.function("addNEON", "n int, sum, x *float32", sumX, first, 0, nil, func() { l.op(fadd, 0, 0, 1) })
	l.function("addScaledNEON", "n int, sum, x *float32, c float32", sumX, first, 4, scaled, func() { l.fma(0, 1, c) })
	l.function("addProductNEON", "n int, sum, x, y *float32", sumXY, first, 0, nil, func() { l.fma(0, 1, 2) })
	l.function("addPositiveNEON", "n int, sum, x, where *float32", []string{"sum", "x", "where"}, first, 0, zero, func() {
		l.op(fcmgt, 2, 2, c)
		l.bits("VAND", 1, 1, 2)
		l.op(fadd, 0, 0, 1)
	})
	l.function("takePositiveNEON", "n int, out, x, where *float32", []string{"out", "x", "where"}, first, 0, zero, func() {
		l.op(fcmgt, 2, 2, c)
		l.bits("VAND", 0, 1, 2)
	})
	l.function("plusNEON", "n int, out, x, y *float32", outXY, first, 0, nil, func() { l.op(fadd, 0, 1, 2) })
	l.function("minusNEON", "n int, out, x, y *float32", outXY, first, 0, nil, func() { l.op(fsub, 0, 1, 2) })
	l.function("timesNEON", "n int, out, x, y *float32", outXY, first, 0, nil, func() { l.op(fmul, 0, 1, 2) })
	l.function("scaleNEON", "n int, out, x *float32, c float32", outX, first, 4, scaled, func() { l.op(fmul, 0, 1, c) })
	l.function("reluNEON", "n int, out, x *float32", outX, first, 0, zero, func() { l.op(fmax, 0, 1, c) })

	var k scalars
	l.function("expNEON", "n int, out, x *float32", outX, first, 0, func() { k.exponential(l) }, func() {
		l.move(0, 1)
		k.exp(l)
	})
	l.function("sigmoidNEON", "n int, out, x *float32", outX, first, 0, func() { k.exponential(l) }, func() {
		l.move(0, 1)
		k.sigmoid(l)
	})
	l.function("tanhNEON", "n int, out, x *float32", outX, first, 0, func() {
		k.exponential(l)
		k.edge, k.tanh = l.number(tanhEdge), l.numbers(tanhTerms)
	}, func() {
		l.move(0, 1)
		k.tangent(l)
	})
	l.function("geluNEON", "n int, out, x, slope *float32", []string{"out", "x", "slope"}, []int{0, 2}, 0, func() {
		k.exponential(l)
		k.slope, k.half, k.density = l.number(normalSlope), l.number(0.5), l.number(density)
		l.line("MOVD $·normalTerms(SB), R10")
	}, func() {
		l.move(0, 1)
		k.gelu(l)
		l.move(2, 6)
	})
	one := func() { c = l.number(1) }
	l.function("tanhSlopeNEON", "n int, sum, d, y *float32", []string{"sum", "d", "y"}, first, 0, one, func() {
		l.move(3, c)
		l.fms(3, 2, 2)
		l.fma(0, 1, 3)
	})
	l.function("sigmoidSlopeNEON", "n int, sum, d, y *float32", []string{"sum", "d", "y"}, first, 0, one, func() {
		l.op(fmul, 1, 1, 2)
		l.op(fsub, 2, c, 2)
		l.fma(0, 1, 2)
	})
	l.adam()
	l.sgd()
	l.products()
	l.norms()
}

// The numbers of scalar.go of package nn.
const (
	expLow      = -104 // e^x is zero below
	expHigh     = 89   // and infinite above
	tanhEdge    = 0.625
	normalSlope = 0.27797028
	density     = 0.3989422804014327
)

var (
	expTerms  = []float32{1.9875691500e-4, 1.3981999507e-3, 8.3334519073e-3, 4.1665795894e-2, 1.6666665459e-1, 5.0000001201e-1}
	tanhTerms = []float32{-5.70498872745e-3, 2.06390887954e-2, -5.37397155531e-2, 1.33314422036e-1, -3.33332819422e-1}
)

// normalCount is the number of normalTerms of package nn.
const normalCount = 9

func (l *loops) numbers(v []float32) []register {
	var r []register
	for _, x := range v {
		r = append(r, l.number(x))
	}
	return r
}

// scalars are the constants of the functions of scalar.go.
type scalars struct {
	low, high, log2e, ln2High, ln2Low, one, bias, sign register
	exps                                               []register
	edge, slope, half, density                         register
	tanh                                               []register
}

func (k *scalars) exponential(l *loops) {
	k.low, k.high, k.log2e = l.number(expLow), l.number(expHigh), l.number(1.44269504088896341)
	k.ln2High, k.ln2Low = l.number(0.693359375), l.number(-2.12194440e-4)
	k.one, k.bias, k.sign = l.number(1), l.constant(127), l.constant(1<<31)
	k.exps = l.numbers(expTerms)
}

// horner leaves the polynomial at x in to, using other.
func (l *loops) horner(terms []register, x, to, other register) {
	// The last move must be to to.
	if len(terms)%2 == 0 {
		to, other = other, to
	}
	l.move(to, terms[0])
	for _, c := range terms[1:] {
		to, other = other, to
		l.move(to, c)
		l.fma(to, other, x)
	}
}

// exp replaces V0 by e^V0, using V2, V3 and V7. Beyond the bounds the result is
// infinite or zero. The power of two is applied in two halves, each in range.
func (k *scalars) exp(l *loops) {
	l.op(fmax, 0, 0, k.low)
	l.op(fmin, 0, 0, k.high)
	l.op(fmul, 7, 0, k.log2e)
	l.unary(frint, 7, 7)
	l.fms(0, 7, k.ln2High)
	l.fms(0, 7, k.ln2Low)
	l.horner(k.exps, 0, 2, 3)
	l.op(fmul, 3, 0, 0)
	l.fma(0, 2, 3)
	l.op(fadd, 2, 0, k.one)
	l.unary(fcvt, 7, 7)
	l.unary(half1, 3, 7)
	l.line("VSUB V3.S4, V7.S4, V7.S4")
	for _, r := range []register{7, 3} {
		l.line("VADD %s, %s, %s", k.bias, r, r)
		l.line("VSHL $23, %s, %s", r, r)
	}
	l.op(fmul, 0, 2, 7)
	l.op(fmul, 0, 0, 3)
}

// sigmoid replaces V0 by its sigmoid, using V2 to V4 and V7.
func (k *scalars) sigmoid(l *loops) {
	l.move(4, 0)
	l.bits("VORR", 0, 0, k.sign)
	k.exp(l)
	l.op(fadd, 2, 0, k.one)
	l.op(fdiv, 2, k.one, 2)
	l.op(fmul, 0, 0, 2)
	l.unary(half, 4, 4)
	l.op(bsl, 4, 0, 2)
	l.move(0, 4)
}

// tangent replaces V0 by its hyperbolic tangent, using V2 to V7.
func (k *scalars) tangent(l *loops) {
	l.move(4, 0)
	l.unary(fabs, 5, 0)
	l.op(fadd, 0, 5, 5)
	k.exp(l)
	l.op(fadd, 0, 0, k.one)
	l.op(fadd, 2, k.one, k.one)
	l.op(fdiv, 0, 2, 0)
	l.op(fsub, 0, k.one, 0)
	l.bits("VAND", 2, 4, k.sign)
	l.bits("VORR", 0, 0, 2)
	l.op(fmul, 6, 4, 4)
	l.horner(k.tanh, 6, 2, 3)
	l.op(fmul, 2, 2, 6)
	l.move(3, 4)
	l.fma(3, 2, 4)
	l.op(fcmgt, 5, k.edge, 5)
	l.op(bsl, 5, 3, 0)
	l.move(0, 5)
}

// gelu replaces V0 by its GELU and sets V6 to the slope there, using V2 to V5 and V7.
func (k *scalars) gelu(l *loops) {
	l.move(4, 0)
	l.unary(fabs, 6, 0)
	l.move(5, k.one)
	l.fma(5, 6, k.slope)
	l.op(fdiv, 5, k.one, 5)
	l.op(fmul, 0, 0, 0)
	l.op(fmul, 0, 0, k.half)
	l.bits("VORR", 0, 0, k.sign) // of a square
	k.exp(l)
	l.line("MOVD R10, R9")
	to, other := register(2), register(3)
	l.line("VLD1R.P 4(R9), [%s]", to)
	for range normalCount - 1 {
		to, other = other, to
		l.line("VLD1R.P 4(R9), [%s]", to)
		l.fma(to, other, 5)
	}
	l.op(fmul, to, to, 5)
	l.op(fmul, to, to, 0)
	l.op(fsub, other, k.one, to)
	l.unary(half, 7, 4)
	l.op(bsl, 7, to, other)
	l.op(fmul, 2, 0, k.density)
	l.move(6, 7)
	l.fma(6, 2, 4)
	l.op(fmul, 0, 4, 7)
}

// adam writes the step of Adam.
func (l *loops) adam() {
	var f []register
	l.function("adamNEON", "n int, value, grad, m, v *float32, step *adamStep", []string{"value", "grad", "m", "v"}, []int{0, 2, 3}, 8, func() {
		f = nil
		l.line("MOVD step+40(FP), R10")
		for i := range 10 {
			f = append(f, l.argument(fmt.Sprintf("%d(R10)", 4*i)))
		}
	}, func() {
		scale, decay, keep1, take1, keep2, take2, shrink, root, epsilon, rate := f[0], f[1], f[2], f[3], f[4], f[5], f[6], f[7], f[8], f[9]
		l.op(fmul, 1, 1, scale)
		l.fma(1, 0, decay)
		l.op(fmul, 2, 2, keep1)
		l.fma(2, 1, take1)
		l.op(fmul, 3, 3, keep2)
		l.op(fmul, 4, 1, 1)
		l.fma(3, 4, take2)
		l.unary(fsqrt, 4, 3)
		l.move(5, epsilon)
		l.fma(5, 4, root)
		l.op(fdiv, 4, 2, 5)
		l.op(fmul, 0, 0, shrink)
		l.fms(0, 4, rate)
	})
}

// sgd writes the step of SGD.
func (l *loops) sgd() {
	var f []register
	l.function("sgdNEON", "n int, value, grad, v *float32, step *sgdStep", []string{"value", "grad", "v"}, []int{0, 2}, 8, func() {
		f = nil
		l.line("MOVD step+32(FP), R10")
		for i := range 4 {
			f = append(f, l.argument(fmt.Sprintf("%d(R10)", 4*i)))
		}
	}, func() {
		scale, decay, momentum, rate := f[0], f[1], f[2], f[3]
		l.op(fmul, 2, 2, momentum)
		l.fma(2, 1, scale)
		l.fma(2, 0, decay)
		l.fms(0, 2, rate)
	})
}
