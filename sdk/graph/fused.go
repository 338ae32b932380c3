package graph

import (
	"fmt"
	"hash"
	"hash/fnv"

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
	return b.apply(&fused{name: name, rows: rows, cols: cols, record: record}, inputs)
}

// Block makes one operation of a part of a model on a tape, for example an
// encoder: record reads the batch itself, uses parameters of Builder.Params, and
// returns a matrix [batch.Size, cols].
func (b *Builder) Block(name string, cols int, record func(tape *nn.Tape, batch *backbone.Batch) *nn.Var) *gorgonia.Node {
	return b.block(&fused{name: name, cols: cols, record: func(tape *nn.Tape, _ []*nn.Var) *nn.Var {
		return record(tape, b.current)
	}})
}

// Part is Block for a matrix that lacks rows: record returns those that there are,
// [n, cols] with n places in the batch, in ascending order, and one row for all others
// or nil for zeros. Linear maps, activations and normalisations that read it, and
// attention to tokens that are a Reshape of the Columns of parts, compute each
// different row once.
func (b *Builder) Part(name string, cols int, record func(tape *nn.Tape, batch *backbone.Batch) nn.Part) *gorgonia.Node {
	return b.block(&fused{name: name, cols: cols, part: record})
}

func (b *Builder) block(op *fused) *gorgonia.Node {
	// Gorgonia has no operations without inputs.
	source := b.names["batch"]
	if source == nil {
		source = b.leaf("batch", 1, 1, make([]float32, 1))
	}
	op.rows, op.block = b.config.MaxBatch, true
	return b.apply(op, gorgonia.Nodes{source})
}

func (b *Builder) apply(op *fused, inputs gorgonia.Nodes) *gorgonia.Node {
	if !b.given(op.name, inputs...) {
		return nil
	}
	b.fused++
	op.key, op.arity = b.fused, len(inputs)
	node, err := gorgonia.ApplyOp(op, inputs...)
	if err != nil {
		return b.fail("%s: %v", op.name, err)
	}
	return node
}

// fused is an operation over a tape as the author wrote it. It is run as a step of
// a cluster.
type fused struct {
	name       string
	key        int // unique in a graph: gorgonia merges operations of equal hash
	arity      int
	rows, cols int
	block      bool // of Builder.Block
	record     func(*nn.Tape, []*nn.Var) *nn.Var
	// rectified records the operation and a ReLU after it in one; nil if there is
	// no such operation. relu says that this one is a ReLU.
	rectified func(*nn.Tape, []*nn.Var) *nn.Var
	relu      bool
	// plus adds the operation to one more input. sum says that this one is a sum.
	plus func(*nn.Tape, []*nn.Var) *nn.Var
	sum  bool

	// part records a Part, instead of record.
	part func(*nn.Tape, *backbone.Batch) nn.Part
	// rowwise says that row i of the output is a function of row i of the first input
	// and of nothing else that differs between rows.
	rowwise bool
	// attend is attention to rows of stacks, see nn.Tape.AttentionAt.
	attend func(t *nn.Tape, in []*nn.Var, rows []int32) *nn.Var
	// linear, columns and reshape say which operation it is.
	linear, columns, reshape bool
}

func (op *fused) Arity() int           { return op.arity }
func (op *fused) Type() hm.Type        { return matrices(op.arity) }
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

// Do is not called: graphs run as New compiles them.
func (op *fused) Do(...gorgonia.Value) (gorgonia.Value, error) {
	return nil, errElsewhere(op)
}

// errElsewhere says that an operation is run by a program and not by gorgonia.
func errElsewhere(op gorgonia.Op) error { return fmt.Errorf("%s runs in a model of New only", op) }

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
