package graph

import (
	"fmt"
	"hash"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deconfound/deconfound/sdk/backbone"
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

	tape   *nn.Tape
	values []value // inputs, own, then one for every step
	args   []*nn.Var
	parts  []nn.Part
	out    *nn.Var
	lists  [][]int32 // of integers
	taken  int       // of the lists
}

// operand is a matrix that a cluster reads.
type operand struct {
	rows, cols     int
	param          *nn.Param // nil if it is none
	data           []float32 // of an input of the Builder
	differentiable bool      // of gorgonia's inputs: a gradient must pass
}

// step is one operation: record of the values at the places in.
type step struct {
	op        *fused
	record    func(*nn.Tape, []*nn.Var) *nn.Var
	rectified bool // with the ReLU after it
	plus      bool // and added to the last of in
	in        []int
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

// Do is not called: see run.
func (c *cluster) Do(...gorgonia.Value) (gorgonia.Value, error) { return nil, errElsewhere(c) }

func (c *cluster) run(in []*register, out *register) error {
	batch := c.builder.current
	if batch.Train {
		c.tape.Reset()
	} else {
		c.tape.ResetForward()
	}
	c.values, c.taken = c.values[:0], 0
	for i, r := range in {
		data, err := r.floats()
		if err != nil {
			return err
		}
		if c.inputs[i].differentiable {
			c.add(value{full: c.tape.Leaf(c.inputs[i].rows, c.inputs[i].cols, data)})
		} else {
			c.add(value{full: c.tape.Const(c.inputs[i].rows, c.inputs[i].cols, data)})
		}
	}
	for _, o := range c.own {
		if o.param != nil {
			c.add(value{full: c.tape.Param(o.param)})
		} else {
			c.add(value{full: c.tape.Const(o.rows, o.cols, o.data)})
		}
	}
	for _, s := range c.steps {
		v, err := c.step(s, batch)
		if err != nil {
			return fmt.Errorf("%s: %w", s.op, err)
		}
		c.add(v)
	}
	c.out = c.full(len(c.values) - 1)
	out.set(c.out.Value)
	return nil
}

func (c *cluster) add(v value) { c.values = append(c.values, v) }

// step runs one step and returns its value.
func (c *cluster) step(s step, batch *backbone.Batch) (_ value, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v", r)
		}
	}()
	if v, ok, err := c.sparse(s, batch); ok || err != nil {
		return v, err
	}
	out := s.record(c.tape, c.matrices(s.in))
	rows := s.op.rows
	if s.op.block {
		rows = batch.Size
	}
	if out.Rows != rows || out.Cols != s.op.cols {
		return value{}, fmt.Errorf("the value is [%d, %d], want [%d, %d]", out.Rows, out.Cols, rows, s.op.cols)
	}
	return value{full: c.pad(out, s.op.rows)}, nil
}

// pad is x with zeros in rows that it lacks.
func (c *cluster) pad(x *nn.Var, rows int) *nn.Var {
	missing := rows - x.Rows
	if missing == 0 {
		return x
	}
	return c.tape.Stack(x, c.tape.Const(missing, x.Cols, c.tape.Scratch(missing*x.Cols)))
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

// Do is not called: see run.
func (op *gradient) Do(...gorgonia.Value) (gorgonia.Value, error) { return nil, errElsewhere(op) }

func (op *gradient) run(in []*register, out *register) error {
	c := op.of
	if op.arity > 1 {
		d, err := in[0].floats()
		if err != nil {
			return err
		}
		c.tape.Seed(c.out, d)
		c.tape.Backward()
	}
	// The tape is not used again before the next run.
	out.set(c.values[op.input].full.Grad)
	return nil
}
