// Command asm writes the assembly of package nn with avo, and with -pkg features that
// of package features: go generate there runs it. It is a module of its own, so that
// nothing that imports these packages depends on avo.
//
// gather.go has the loops of package features, gemm.go has the micro-kernels of matrix products, vector.go the loops over
// slices, scalar.go the functions of scalar.go of package nn, and the others what
// their names say. All registers are chosen by hand: the order of the
// instructions decides the bits of the results.
package main

import (
	"flag"
	"fmt"

	. "github.com/mmcloughlin/avo/build"
	. "github.com/mmcloughlin/avo/operand"
	. "github.com/mmcloughlin/avo/reg"
)

func main() {
	flag.Parse()
	ConstraintExpr("amd64,!purego")
	if flag.Lookup("pkg").Value.String() == "features" {
		gather()
		Generate()
		return
	}
	gemm()
	pack()
	vector()
	scalar()
	attention()
	norm()
	standardise()
	gru()
	mask()
	softmax()
	Generate()
}

// loops counts those of the function at hand, whose labels end with their number.
var loops int

// function begins a function of assembly. The package declares it; a pointer to a
// struct of that package is given here as one to float32.
func function(name, signature string) {
	loops = 0
	TEXT(name, NOSPLIT, signature)
}

// global is the address of a variable of the package.
func global(name string, offset int) Mem {
	return NewDataAddr(Symbol{Name: "·" + name}, offset)
}

const (
	equal = 0 // predicates of VCMPPS and VCMPSD
	less  = 1
)

// lanes move eight values, or those of them that the mask Y15 selects.
type lanes struct {
	masked bool
}

// load moves eight values to a register.
func (l lanes) load(from Mem, to VecPhysical) {
	if l.masked {
		VMASKMOVPS(from, Y15, to)
		return
	}
	VMOVUPS(from, to)
}

// store moves eight values to memory.
func (l lanes) store(from VecPhysical, to Mem) {
	if l.masked {
		VMASKMOVPS(from, Y15, to)
		return
	}
	VMOVUPS(from, to)
}

// loop emits body for eight values at a time, and once more for the last ones,
// fewer than eight, under the mask Y15, with the same instructions: what becomes of
// a value does not depend on its place. AX is the offset in all slices and CX holds
// the number of values, at least one. Y15 and DX are used.
func loop(body func(l lanes)) {
	loops++
	name := func(what string) string { return fmt.Sprintf("%s%d", what, loops) }
	again, tail, done := name("loop"), name("tail"), name("done")
	XORQ(RAX, RAX)
	SUBQ(Imm(8), RCX)
	JLT(LabelRef(tail))
	Label(again)
	body(lanes{})
	ADDQ(Imm(32), RAX)
	SUBQ(Imm(8), RCX)
	JGE(LabelRef(again))
	Label(tail)
	ADDQ(Imm(8), RCX)
	JEQ(LabelRef(done))
	LEAQ(global("tileMask", 64), RDX)
	NEGQ(RCX)
	VMOVDQU(Mem{Base: RDX, Index: RCX, Scale: 4}, Y15)
	body(lanes{masked: true})
	Label(done)
}

// end returns.
func end() {
	VZEROUPPER()
	RET()
}

// at is the place of the loop in the slice that begins at base.
func at(base GPPhysical) Mem { return Mem{Base: base, Index: RAX, Scale: 1} }
