package graph

import (
	"fmt"
	"hash"
	"unsafe"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deconfound/deconfound/sdk/nn"
)

// cluster is fused operations that run one after the other on one tape, as one
// operation of gorgonia's. Its value is that of the last step. Gradients of the
// parameters it reads are added to Param.Grad by the tape; its gradient operations
// hand on those of the other inputs.
type cluster struct {
	key     int // unique in a graph: gorgonia merges operations of equal hash
	builder *Builder
	inputs  []operand // of gorgonia's, the anchor first
	own     []operand // read where they lie: parameters and inputs of the Builder
	steps   []step

	tape *nn.Tape
	vars []*nn.Var // inputs, own, then one for every step
	args []*nn.Var // of the step under way
	out  *nn.Var
}

// operand is a matrix that a cluster reads.
type operand struct {
	rows, cols     int
	param          *nn.Param // nil if it is none
	data           []float32 // of an input of the Builder
	differentiable bool      // of gorgonia's inputs: a gradient must pass
}

// step is one operation: record of the vars at the places in.
type step struct {
	op     *fused
	record func(*nn.Tape, []*nn.Var) *nn.Var
	in     []int
}

func (c *cluster) Arity() int            { return len(c.inputs) }
func (c *cluster) Type() hm.Type         { return matrices(len(c.inputs)) }
func (c *cluster) ReturnsPtr() bool      { return false }
func (c *cluster) CallsExtern() bool     { return false }
func (c *cluster) OverwritesInput() int  { return -1 }
func (c *cluster) WriteHash(h hash.Hash) { fmt.Fprintf(h, "cluster %d %s", c.key, c.last().name) }
func (c *cluster) Hashcode() uint32      { return hashOf(c) }
func (c *cluster) String() string        { return c.last().name }

// last is the operation whose output is that of the cluster.
func (c *cluster) last() *fused { return c.steps[len(c.steps)-1].op }

func (c *cluster) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape{c.last().rows, c.last().cols}, nil
}

func (c *cluster) Do(values ...gorgonia.Value) (_ gorgonia.Value, err error) {
	running := c.last()
	defer func() { recovered(running, recover(), &err) }()
	batch := c.builder.current
	if batch.Train {
		c.tape.Reset()
	} else {
		c.tape.ResetForward()
	}
	c.vars = c.vars[:0]
	for i, v := range values {
		data, err := floats(v)
		if err != nil {
			return nil, err
		}
		if c.inputs[i].differentiable {
			c.vars = append(c.vars, c.tape.Leaf(c.inputs[i].rows, c.inputs[i].cols, data))
		} else {
			c.vars = append(c.vars, c.tape.Const(c.inputs[i].rows, c.inputs[i].cols, data))
		}
	}
	for _, o := range c.own {
		if o.param != nil {
			c.vars = append(c.vars, c.tape.Param(o.param))
		} else {
			c.vars = append(c.vars, c.tape.Const(o.rows, o.cols, o.data))
		}
	}
	for _, s := range c.steps {
		running = s.op
		c.args = c.args[:0]
		for _, at := range s.in {
			c.args = append(c.args, c.vars[at])
		}
		out := s.record(c.tape, c.args)
		rows := s.op.rows
		if s.op.block {
			rows = batch.Size
		}
		if out.Rows != rows || out.Cols != s.op.cols {
			return nil, fmt.Errorf("%s is [%d, %d], want [%d, %d]", s.op.name, out.Rows, out.Cols, rows, s.op.cols)
		}
		if missing := s.op.rows - rows; missing > 0 {
			out = c.tape.Stack(out, c.tape.Const(missing, s.op.cols, c.tape.Scratch(missing*s.op.cols)))
		}
		c.vars = append(c.vars, out)
	}
	c.out = c.vars[len(c.vars)-1]
	if c.shares() {
		c.out = c.tape.Sum(c.out)
	}
	return dense(c.out.Rows, c.out.Cols, c.out.Value), nil
}

// shares reports whether the output is a view of what the cluster reads. The output
// of others is handed to gorgonia as it is; a view must be copied, because gorgonia
// may write over an input that nobody else reads, and because the gradient of a
// view is that of a parameter.
func (c *cluster) shares() bool {
	for _, v := range c.vars[:len(c.inputs)+len(c.own)] {
		if overlap(v.Value, c.out.Value) {
			return true
		}
	}
	return false
}

// overlap reports whether two slices have an element in common.
func overlap(a, b []float32) bool {
	if len(a) == 0 || len(b) == 0 {
		return false
	}
	const size = unsafe.Sizeof(a[0])
	from, to := uintptr(unsafe.Pointer(&a[0])), uintptr(unsafe.Pointer(&b[0]))
	return from < to+uintptr(len(b))*size && to < from+uintptr(len(a))*size
}

// DiffWRT says which inputs have a gradient.
func (c *cluster) DiffWRT(int) []bool {
	answer := make([]bool, len(c.inputs))
	for i, o := range c.inputs {
		answer[i] = o.differentiable
	}
	return answer
}

// SymDiff adds the operations of the gradient: the first runs the tape backwards,
// the others read what that run left. All inputs are read by the first, because the
// tape refers to their memory, which must live until then.
func (c *cluster) SymDiff(inputs gorgonia.Nodes, output, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	gradients := make(gorgonia.Nodes, len(inputs))
	var run *gorgonia.Node
	for i, o := range c.inputs {
		if !o.differentiable {
			continue
		}
		children := gorgonia.Nodes{run}
		if run == nil {
			children = append(gorgonia.Nodes{grad, output}, inputs...)
		}
		var err error
		if gradients[i], err = gorgonia.ApplyOp(&gradient{of: c, input: i, arity: len(children)}, children...); err != nil {
			return nil, err
		}
		if run == nil {
			run = gradients[i]
		}
	}
	return gradients, nil
}

// gradient is the gradient of a cluster with respect to one input. With arity 1 it
// is one that another has computed.
type gradient struct {
	of    *cluster
	input int
	arity int
}

func (op *gradient) Arity() int           { return op.arity }
func (op *gradient) Type() hm.Type        { return matrices(op.arity) }
func (op *gradient) ReturnsPtr() bool     { return false }
func (op *gradient) CallsExtern() bool    { return false }
func (op *gradient) OverwritesInput() int { return -1 }
func (op *gradient) WriteHash(h hash.Hash) {
	fmt.Fprintf(h, "gradient %d of %d %s", op.input, op.of.key, op.of)
}
func (op *gradient) Hashcode() uint32 { return hashOf(op) }
func (op *gradient) String() string   { return fmt.Sprintf("gradient %d of %s", op.input, op.of) }

func (op *gradient) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	o := op.of.inputs[op.input]
	return tensor.Shape{o.rows, o.cols}, nil
}

func (op *gradient) Do(values ...gorgonia.Value) (_ gorgonia.Value, err error) {
	defer func() { recovered(op, recover(), &err) }()
	c := op.of
	if op.arity > 1 {
		d, err := floats(values[0])
		if err != nil {
			return nil, err
		}
		copy(c.out.Grad, d) // nothing has been added to it yet
		c.tape.Backward()
	}
	// The tape is not used again before the next run.
	return dense(c.inputs[op.input].rows, c.inputs[op.input].cols, c.vars[op.input].Grad), nil
}
