package graph

import (
	"fmt"

	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"
)

// program is a compiled graph as it is run: its operations in order, one after the
// other on the goroutine of the caller, in two halves. Gorgonia's machines are not
// used: they hand every run over to another goroutine and make values anew.
type program struct {
	forward, backward []*instruction
	h, dh             *register // of the exchange
}

// instruction is one operation.
type instruction struct {
	op  gorgonia.Op
	in  []*register
	out *register
	// values are those of in, for operations of gorgonia's.
	values []gorgonia.Value
	// reuses says that the operation can write its result where the last one is.
	reuses bool
}

// native is an operation of this package.
type native interface {
	gorgonia.Op
	// run reads in and sets out, whose data may be memory of the operation's.
	run(in []*register, out *register) error
}

// register is the value of a node: data, or what an operation of gorgonia's made of
// it or returned.
type register struct {
	rows, cols int
	data       []float32
	value      gorgonia.Value
}

// set makes data the value.
func (r *register) set(data []float32) {
	if len(r.data) != len(data) || len(data) > 0 && &r.data[0] != &data[0] {
		r.data, r.value = data, nil
	}
}

// tensor is the value as gorgonia knows it.
func (r *register) tensor() gorgonia.Value {
	if r.value == nil {
		r.value = dense(r.rows, r.cols, r.data)
	}
	return r.value
}

// floats are the values of a matrix in row-major order.
func (r *register) floats() ([]float32, error) {
	if r.data != nil {
		return r.data, nil
	}
	return floats(r.value)
}

// newProgram orders what leads to h and to the targets, which are run after the
// exchange if they read it.
func newProgram(g *gorgonia.ExprGraph, h, dh *gorgonia.Node, targets []*gorgonia.Node) *program {
	p := &program{}
	registers := map[*gorgonia.Node]*register{}
	var half *[]*instruction
	var visit func(n *gorgonia.Node) *register
	visit = func(n *gorgonia.Node) *register {
		if r := registers[n]; r != nil {
			return r
		}
		r := &register{value: n.Value()}
		if s := n.Shape(); len(s) == 2 {
			r.rows, r.cols = s[0], s[1]
		}
		registers[n] = r
		op := n.Op()
		if op == nil || op.Arity() == 0 {
			return r
		}
		i := &instruction{op: op, out: r, reuses: reuses(op)}
		r.value = nil
		for _, child := range children(g, n) {
			i.in = append(i.in, visit(child))
		}
		i.values = make([]gorgonia.Value, len(i.in))
		*half = append(*half, i)
		return r
	}
	half = &p.forward
	p.h = visit(h)
	p.dh = &register{rows: p.h.rows, cols: p.h.cols}
	registers[dh] = p.dh
	half = &p.backward
	for _, n := range targets {
		visit(n)
	}
	return p
}

// reuses reports whether a stock operation is among those that write their result
// over another of the same shape correctly.
func reuses(op gorgonia.Op) bool {
	_, can := op.(gorgonia.UsePreallocDoer)
	return can && typeName(op) == "linAlgBinOp"
}

// run runs one half.
func run(half []*instruction) error {
	for _, i := range half {
		if err := i.run(); err != nil {
			return fmt.Errorf("run graph: %s: %w", i.op, err)
		}
	}
	return nil
}

func (i *instruction) run() (err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if op, ok := i.op.(native); ok {
		return op.run(i.in, i.out)
	}
	for n, r := range i.in {
		i.values[n] = r.tensor()
	}
	if before, ok := i.out.value.(*tensor.Dense); ok && i.reuses {
		if op, ok := i.op.(gorgonia.UsePreallocDoer); ok {
			i.out.value, err = op.UsePreallocDo(before, i.values...)
			return err
		}
	}
	i.out.value, err = i.op.Do(i.values...)
	return err
}
