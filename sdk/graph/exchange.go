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

var errStopped = errors.New("stopped at the exchange")

// exchange divides a tape in two halves: its input is h and its value is dh. In
// training it hands out h and waits for the answer; else it stops the run.
type exchange struct {
	rows, cols int
	train      bool
	stopped    bool      // the run ended here, as it was told to
	h          []float32 // of the run under way, in the memory of the graph
	dh         []float32
	ready      chan struct{} // h is written
	answer     chan bool     // dh is written, or false: stop
}

func newExchange(rows, cols int) *exchange {
	return &exchange{
		rows: rows, cols: cols,
		dh:    make([]float32, rows*cols),
		ready: make(chan struct{}), answer: make(chan bool),
	}
}

func (op *exchange) Arity() int            { return 1 }
func (op *exchange) Type() hm.Type         { return matrices(1) }
func (op *exchange) ReturnsPtr() bool      { return false }
func (op *exchange) CallsExtern() bool     { return false }
func (op *exchange) OverwritesInput() int  { return -1 }
func (op *exchange) WriteHash(h hash.Hash) { fmt.Fprint(h, "exchange of h for dh") }
func (op *exchange) Hashcode() uint32      { return hashOf(op) }
func (op *exchange) String() string        { return "exchange" }

func (op *exchange) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape{op.rows, op.cols}, nil
}

func (op *exchange) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	var err error
	if op.h, err = floats(values[0]); err != nil {
		return nil, err
	}
	if op.train {
		op.ready <- struct{}{}
	}
	if !op.train || !<-op.answer {
		op.stopped = true
		return nil, errStopped
	}
	return dense(op.rows, op.cols, op.dh), nil
}

// DiffWRT claims a gradient, without which gorgonia refuses the graph as
// unreachable; as nothing is differentiated through the exchange, it is never
// asked for.
func (op *exchange) DiffWRT(int) []bool { return []bool{true} }

func (op *exchange) SymDiff(gorgonia.Nodes, *gorgonia.Node, *gorgonia.Node) (gorgonia.Nodes, error) {
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

func (op accumulate) Do(values ...gorgonia.Value) (gorgonia.Value, error) {
	g, err := floats(values[0])
	if err != nil {
		return nil, err
	}
	if len(g) != len(op.Grad) {
		return nil, fmt.Errorf("gradient of %s has %d values, want %d", op.Name, len(g), len(op.Grad))
	}
	for i, v := range g {
		op.Grad[i] += v
	}
	return values[0], nil
}
