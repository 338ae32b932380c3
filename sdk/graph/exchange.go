package graph

import (
	"errors"
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deconfound/deconfound/sdk/nn"
)

// exchange divides a program in two halves: its input is h, with which the first
// ends, and its value is dh, with which the second begins.
type exchange struct{ rows, cols int }

func (op exchange) Arity() int            { return 1 }
func (op exchange) Type() hm.Type         { return matrices(1) }
func (op exchange) ReturnsPtr() bool      { return false }
func (op exchange) CallsExtern() bool     { return false }
func (op exchange) OverwritesInput() int  { return -1 }
func (op exchange) WriteHash(h hash.Hash) { fmt.Fprint(h, "exchange of h for dh") }
func (op exchange) Hashcode() uint32      { return hashOf(op) }
func (op exchange) String() string        { return "exchange" }

func (op exchange) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape{op.rows, op.cols}, nil
}

// Do is not called: a program has the value from its caller.
func (op exchange) Do(...gorgonia.Value) (gorgonia.Value, error) { return nil, errElsewhere(op) }

// DiffWRT claims a gradient, without which gorgonia refuses the graph as
// unreachable; as nothing is differentiated through the exchange, it is never
// asked for.
func (op exchange) DiffWRT(int) []bool { return []bool{true} }

func (op exchange) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
	return nil, errors.New("the exchange has no gradient")
}

// accumulate adds a gradient to that of a parameter. Gorgonia's own binding of
// gradients to nodes is not used: it accumulates over runs on its own terms.
type accumulate struct{ *nn.Param }

func (op accumulate) Arity() int            { return 1 }
func (op accumulate) Type() hm.Type         { return matrices(1) }
func (op accumulate) ReturnsPtr() bool      { return false }
func (op accumulate) CallsExtern() bool     { return false }
func (op accumulate) OverwritesInput() int  { return -1 }
func (op accumulate) WriteHash(h hash.Hash) { fmt.Fprintf(h, "accumulate gradient of %s", op.Name) }
func (op accumulate) Hashcode() uint32      { return hashOf(op) }
func (op accumulate) String() string        { return "accumulate gradient of " + op.Name }

func (op accumulate) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape{op.Rows, op.Cols}, nil
}

// Do is not called: see run.
func (op accumulate) Do(...gorgonia.Value) (gorgonia.Value, error) { return nil, errElsewhere(op) }

func (op accumulate) run(in []*register, _ *register) error {
	g, err := in[0].floats()
	if err != nil {
		return err
	}
	if len(g) != len(op.Grad) {
		return fmt.Errorf("gradient of %s has %d values, want %d", op.Name, len(g), len(op.Grad))
	}
	for i, v := range g {
		op.Grad[i] += v
	}
	return nil
}
