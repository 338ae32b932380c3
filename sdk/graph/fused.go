package graph

import (
	"fmt"
	"hash"
	"hash/fnv"
	"unsafe"

	"github.com/chewxy/hm"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Fused makes one operation of a function on a tape: record gets the inputs in
// order and returns a matrix [rows, cols]. The gradient follows from the tape, so
// that record may use any operation of sdk/nn, but no parameters: pass them as
// inputs. Inputs that no parameter reaches are constants on the tape.
func (b *Builder) Fused(name string, rows, cols int, record func(tape *nn.Tape, in []*nn.Var) *nn.Var, inputs ...*gorgonia.Node) *gorgonia.Node {
	if b.err != nil {
		return nil
	}
	op := &fused{name: name, rows: rows, cols: cols, record: record}
	for i, n := range inputs {
		if n == nil {
			return b.fail("input %d of %s is nil", i, name)
		}
		op.differentiable = append(op.differentiable, b.reached(n))
	}
	return b.apply(op, inputs)
}

// Block makes one operation of a part of a model on a tape, for example an
// encoder: record reads the batch itself, uses parameters of Builder.Params, and
// returns a matrix [batch.Size, cols].
func (b *Builder) Block(name string, cols int, record func(tape *nn.Tape, batch *backbone.Batch) *nn.Var) *gorgonia.Node {
	// Gradients of the parameters are added by the tape. The anchor is only there
	// to make gorgonia differentiate the operation.
	anchor := b.leaf(fmt.Sprintf("anchor %d", len(b.anchors)), 1, 1, make([]float32, 1))
	if anchor == nil {
		return nil
	}
	b.trained[anchor] = true
	b.anchors = append(b.anchors, anchor)
	op := &fused{
		name: name, rows: b.config.MaxBatch, cols: cols, padded: true,
		differentiable: []bool{true},
		record:         func(tape *nn.Tape, _ []*nn.Var) *nn.Var { return record(tape, b.current) },
	}
	return b.apply(op, gorgonia.Nodes{anchor})
}

func (b *Builder) apply(op *fused, inputs gorgonia.Nodes) *gorgonia.Node {
	op.key = len(b.trained)
	op.tape = nn.NewTape()
	for _, n := range inputs {
		s := n.Shape()
		if len(s) != 2 {
			return b.fail("an input of %s has shape %v, it must be a matrix", op.name, s)
		}
		op.shapes = append(op.shapes, [2]int{s[0], s[1]})
	}
	node, err := gorgonia.ApplyOp(op, inputs...)
	if err != nil {
		return b.fail("%s: %v", op.name, err)
	}
	b.trained[node] = false
	for _, d := range op.differentiable {
		b.trained[node] = b.trained[node] || d
	}
	return node
}

// reached reports whether a gradient must pass through n to a parameter.
func (b *Builder) reached(n *gorgonia.Node) bool {
	if known, ok := b.trained[n]; ok {
		return known
	}
	reached := false
	for _, child := range b.children(n) {
		reached = b.reached(child) || reached
	}
	b.trained[n] = reached
	return reached
}

// children are the inputs of n.
func (b *Builder) children(n *gorgonia.Node) []*gorgonia.Node {
	var nodes []*gorgonia.Node
	for it := b.g.From(n.ID()); it.Next(); {
		if child, ok := it.Node().(*gorgonia.Node); ok {
			nodes = append(nodes, child)
		}
	}
	return nodes
}

// fused is an operation over a tape. Its gradient is one operation that runs the
// tape backwards and answers the gradient of the first differentiable input, and
// one for each of the others that reads what that run left.
type fused struct {
	name           string
	key            int // unique in a graph: gorgonia merges operations of equal hash
	rows, cols     int
	padded         bool // record may return fewer rows
	shapes         [][2]int
	differentiable []bool
	record         func(*nn.Tape, []*nn.Var) *nn.Var

	tape  *nn.Tape
	in    []*nn.Var
	out   *nn.Var
	value []float32 // of an output that must be copied, nil until one is
}

func (op *fused) Arity() int           { return len(op.shapes) }
func (op *fused) Type() hm.Type        { return matrices(len(op.shapes)) }
func (op *fused) ReturnsPtr() bool     { return false }
func (op *fused) CallsExtern() bool    { return false }
func (op *fused) OverwritesInput() int { return -1 }
func (op *fused) WriteHash(h hash.Hash) {
	fmt.Fprintf(h, "fused %d %s [%d, %d]", op.key, op.name, op.rows, op.cols)
}
func (op *fused) Hashcode() uint32 { return hashOf(op) }
func (op *fused) String() string   { return op.name }

func (op *fused) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	return tensor.Shape{op.rows, op.cols}, nil
}

func (op *fused) Do(values ...gorgonia.Value) (_ gorgonia.Value, err error) {
	defer recovered(op.name, &err)
	op.tape.Reset()
	op.in = op.in[:0]
	for i, v := range values {
		data, err := floats(v)
		if err != nil {
			return nil, err
		}
		rows, cols := op.shapes[i][0], op.shapes[i][1]
		if op.differentiable[i] {
			op.in = append(op.in, op.tape.Leaf(rows, cols, data))
		} else {
			op.in = append(op.in, op.tape.Const(rows, cols, data))
		}
	}
	op.out = op.record(op.tape, op.in)
	if op.out.Cols != op.cols || op.out.Rows > op.rows || (op.out.Rows < op.rows && !op.padded) {
		return nil, fmt.Errorf("%s is [%d, %d], want [%d, %d]", op.name, op.out.Rows, op.out.Cols, op.rows, op.cols)
	}
	value := op.out.Value
	if op.out.Rows < op.rows || op.shares() {
		if op.value == nil {
			op.value = make([]float32, op.rows*op.cols)
		}
		clear(op.value[copy(op.value, value):])
		value = op.value
	}
	return dense(op.rows, op.cols, value), nil
}

// shares reports whether the output is a view of an input. The output of other
// operations is handed to gorgonia as it is; a view must be copied, because
// gorgonia may write over an input that nobody else reads.
func (op *fused) shares() bool {
	for _, in := range op.in {
		if overlap(in.Value, op.out.Value) {
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
func (op *fused) DiffWRT(int) []bool { return op.differentiable }

// SymDiff adds the operations of the gradient. All inputs are read by the first,
// because the tape refers to their memory, which must live until then.
func (op *fused) SymDiff(inputs gorgonia.Nodes, output, grad *gorgonia.Node) (gorgonia.Nodes, error) {
	gradients := make(gorgonia.Nodes, len(inputs))
	var run *gorgonia.Node
	for i := range inputs {
		if !op.differentiable[i] {
			continue
		}
		var err error
		if run == nil {
			children := append(gorgonia.Nodes{grad, output}, inputs...)
			run, err = gorgonia.ApplyOp(&gradient{of: op, input: i, arity: len(children)}, children...)
			gradients[i] = run
		} else {
			gradients[i], err = gorgonia.ApplyOp(&gradient{of: op, input: i, arity: 1}, run)
		}
		if err != nil {
			return nil, err
		}
	}
	return gradients, nil
}

// gradient is the gradient of a fused operation with respect to one input. With
// arity 1 it is one that another has computed.
type gradient struct {
	of    *fused
	input int
	arity int
}

func (op *gradient) Arity() int           { return op.arity }
func (op *gradient) Type() hm.Type        { return matrices(op.arity) }
func (op *gradient) ReturnsPtr() bool     { return false }
func (op *gradient) CallsExtern() bool    { return false }
func (op *gradient) OverwritesInput() int { return -1 }
func (op *gradient) WriteHash(h hash.Hash) {
	fmt.Fprintf(h, "gradient %d of %d %s", op.input, op.of.key, op.of.name)
}
func (op *gradient) Hashcode() uint32 { return hashOf(op) }
func (op *gradient) String() string   { return fmt.Sprintf("gradient %d of %s", op.input, op.of.name) }

func (op *gradient) InferShape(...gorgonia.DimSizer) (tensor.Shape, error) {
	s := op.of.shapes[op.input]
	return tensor.Shape{s[0], s[1]}, nil
}

func (op *gradient) Do(values ...gorgonia.Value) (_ gorgonia.Value, err error) {
	defer recovered(op.String(), &err)
	f := op.of
	if op.arity > 1 {
		d, err := floats(values[0])
		if err != nil {
			return nil, err
		}
		copy(f.out.Grad, d) // nothing has been added to it yet
		f.tape.Backward()
	}
	// The tape is not used again before the next run.
	return dense(f.shapes[op.input][0], f.shapes[op.input][1], f.in[op.input].Grad), nil
}

// matrices is the type of a function of n matrices to a matrix.
func matrices(n int) hm.Type {
	types := make([]hm.Type, n+1)
	for i := range types {
		types[i] = gorgonia.TensorType{Dims: 2, Of: tensor.Float32}
	}
	return hm.NewFnType(types...)
}

// floats returns the values of a matrix in row-major order. Views of stock
// operations (slices, transposes) are copied.
func floats(v gorgonia.Value) ([]float32, error) {
	d, ok := v.(*tensor.Dense)
	if !ok || d.Dtype() != tensor.Float32 {
		return nil, fmt.Errorf("a value is %T of %v, want a matrix of float32", v, v.Dtype())
	}
	if d.RequiresIterator() || d.DataOrder().IsTransposed() || d.DataOrder().IsColMajor() {
		d, ok = d.Materialize().(*tensor.Dense)
		if !ok {
			return nil, fmt.Errorf("cannot copy a view of shape %v", v.Shape())
		}
	}
	return d.Float32s(), nil
}

func hashOf(op gorgonia.Op) uint32 {
	h := fnv.New32a()
	op.WriteHash(h)
	return h.Sum32()
}

// recovered turns a panic of an operation into an error: operations run on
// goroutines of gorgonia's, where a panic would end the process.
func recovered(name string, err *error) {
	if r := recover(); r != nil {
		*err = fmt.Errorf("%s: panic: %v", name, r)
	}
}
