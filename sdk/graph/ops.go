package graph

import (
	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Linear is x·w + bias: x [B, in], w [in, out], bias [1, out] or nil.
func (b *Builder) Linear(x, w, bias *gorgonia.Node) *gorgonia.Node {
	if !b.given("linear", x, w) {
		return nil
	}
	record := func(f func(t *nn.Tape, x, w, bias *nn.Var) *nn.Var) func(*nn.Tape, []*nn.Var) *nn.Var {
		return func(t *nn.Tape, in []*nn.Var) *nn.Var {
			if bias == nil {
				return f(t, in[0], in[1], nil)
			}
			return f(t, in[0], in[1], in[2])
		}
	}
	inputs := gorgonia.Nodes{x, w}
	if bias != nil {
		inputs = append(inputs, bias)
	}
	return b.apply(&fused{
		name: "linear", rows: x.Shape()[0], cols: w.Shape()[1], rowwise: true, linear: true,
		record: record((*nn.Tape).Linear), rectified: record((*nn.Tape).LinearReLU),
		plus: func(t *nn.Tape, in []*nn.Var) *nn.Var {
			if bias == nil {
				return t.LinearAdd(in[2], in[0], in[1], nil)
			}
			return t.LinearAdd(in[3], in[0], in[1], in[2])
		},
	}, inputs)
}

// Dense is Linear with parameters of its own, name.weight and name.bias,
// initialised from the stream of its name.
func (b *Builder) Dense(name string, x *gorgonia.Node, out int) *gorgonia.Node {
	if !b.given(name, x) {
		return nil
	}
	w := b.Param(name+".weight", x.Shape()[1], out, nn.KaimingUniform(b.config.Rand(name)))
	return b.Linear(x, w, b.Bias(name+".bias", out))
}

// ReLU is max(x, 0). It is one operation with a Linear or Dense that only it reads.
func (b *Builder) ReLU(x *gorgonia.Node) *gorgonia.Node {
	if !b.given("relu", x) {
		return nil
	}
	return b.apply(&fused{
		name: "relu", rows: x.Shape()[0], cols: x.Shape()[1], relu: true, rowwise: true,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var { return t.ReLU(in[0]) },
	}, gorgonia.Nodes{x})
}

// Tanh is the hyperbolic tangent.
func (b *Builder) Tanh(x *gorgonia.Node) *gorgonia.Node {
	return b.unary("tanh", x, (*nn.Tape).Tanh)
}

// Sigmoid is the logistic function.
func (b *Builder) Sigmoid(x *gorgonia.Node) *gorgonia.Node {
	return b.unary("sigmoid", x, (*nn.Tape).Sigmoid)
}

// GELU is x·Φ(x) with the exact normal distribution function.
func (b *Builder) GELU(x *gorgonia.Node) *gorgonia.Node {
	return b.unary("gelu", x, (*nn.Tape).GELU)
}

// LayerNorm standardises every row of x [B, C], multiplies by name.gain and adds
// name.bias, parameters of its own that begin as one and zero.
func (b *Builder) LayerNorm(name string, x *gorgonia.Node) *gorgonia.Node {
	if !b.given(name, x) {
		return nil
	}
	rows, cols := x.Shape()[0], x.Shape()[1]
	gain := b.Param(name+".gain", 1, cols, nn.Ones)
	if gain != nil {
		b.values[len(b.values)-1].NoDecay = true
	}
	return b.apply(&fused{
		name: "layer norm", rows: rows, cols: cols, rowwise: true,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var { return t.LayerNorm(in[0], in[1], in[2]) },
	}, gorgonia.Nodes{x, gain, b.Bias(name+".bias", cols)})
}

// Attention is scaled dot-product attention with heads, see nn.Tape.Attention:
// every row of the batch has tokens rows in q, k and v [B·tokens, d]. mask [B,
// tokens] is 1 for keys that take part, or nil: all do. Where a row of the batch
// has no key, its output is zero.
func (b *Builder) Attention(q, k, v *gorgonia.Node, heads, tokens int, mask *gorgonia.Node) *gorgonia.Node {
	if !b.same("attention", q, k) || !b.same("attention", k, v) {
		return nil
	}
	rows, cols := q.Shape()[0], q.Shape()[1]
	if heads < 1 || cols%heads != 0 || tokens < 1 || rows%tokens != 0 {
		return b.fail("attention of %v with %d heads and %d tokens", q.Shape(), heads, tokens)
	}
	inputs := gorgonia.Nodes{q, k, v}
	var keys []bool
	if mask != nil {
		if s := mask.Shape(); !b.given("attention", mask) || s[0] != rows/tokens || s[1] != tokens {
			return b.fail("attention: the mask has shape %v, want (%d, %d)", s, rows/tokens, tokens)
		}
		inputs, keys = append(inputs, mask), make([]bool, rows)
	}
	look := func(in []*nn.Var) {
		for i := range keys {
			keys[i] = in[3].Value[i] != 0
		}
	}
	return b.apply(&fused{
		name: "attention", rows: rows, cols: cols,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var {
			look(in)
			return t.Attention(in[0], in[1], in[2], heads, tokens, keys)
		},
		attend: func(t *nn.Tape, in []*nn.Var, at []int32) *nn.Var {
			look(in)
			return t.AttentionAt(in[0], in[1], in[2], heads, tokens, at, keys)
		},
	}, inputs)
}

// Reshape is x as [rows, cols] with the same elements in row-major order: rows of
// tokens side by side become rows of their own, and back. Nothing is copied.
func (b *Builder) Reshape(x *gorgonia.Node, rows, cols int) *gorgonia.Node {
	if !b.given("reshape", x) {
		return nil
	}
	if s := x.Shape(); rows < 1 || cols < 1 || rows*cols != s[0]*s[1] {
		return b.fail("reshape of %v to [%d, %d]", s, rows, cols)
	}
	return b.apply(&fused{
		name: "reshape", rows: rows, cols: cols, reshape: true,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var { return t.Reshape(in[0], rows, cols) },
	}, gorgonia.Nodes{x})
}

// Softmax is the softmax of every row.
func (b *Builder) Softmax(x *gorgonia.Node) *gorgonia.Node {
	return b.unary("softmax", x, (*nn.Tape).Softmax)
}

// MaskedSoftmax is the softmax of every row of scores over the columns whose mask
// is 1, and 0 in the others. Rows without any are zero.
func (b *Builder) MaskedSoftmax(scores, mask *gorgonia.Node) *gorgonia.Node {
	if !b.same("masked softmax", scores, mask) {
		return nil
	}
	s := scores.Shape()
	bias := make([]float32, s[0]*s[1])
	return b.Fused("masked softmax", s[0], s[1], func(t *nn.Tape, in []*nn.Var) *nn.Var {
		for i, m := range in[1].Value {
			bias[i] = (m - 1) * 1e9
		}
		masked := t.Add(in[0], t.Const(s[0], s[1], bias))
		return t.Mul(t.Softmax(masked), in[1])
	}, scores, mask)
}

// Sum is the sum of matrices of one shape. Of two, one of which is a Linear or Dense that
// only it reads, it is one operation with that.
func (b *Builder) Sum(xs ...*gorgonia.Node) *gorgonia.Node {
	if len(xs) == 0 {
		return b.fail("sum of nothing")
	}
	for _, x := range xs {
		if !b.same("sum", xs[0], x) {
			return nil
		}
	}
	return b.apply(&fused{
		name: "sum", rows: xs[0].Shape()[0], cols: xs[0].Shape()[1], sum: true,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var { return t.Sum(in...) },
	}, xs)
}

// Mul is the product, element by element, of two matrices of one shape.
func (b *Builder) Mul(x, y *gorgonia.Node) *gorgonia.Node {
	if !b.same("mul", x, y) {
		return nil
	}
	return b.Fused("mul", x.Shape()[0], x.Shape()[1], func(t *nn.Tape, in []*nn.Var) *nn.Var {
		return t.Mul(in[0], in[1])
	}, x, y)
}

// MulRows multiplies row i of x [B, C] by s_i, s [B, 1].
func (b *Builder) MulRows(x, s *gorgonia.Node) *gorgonia.Node {
	if !b.given("mul rows", x, s) {
		return nil
	}
	if s.Shape()[0] != x.Shape()[0] || s.Shape()[1] != 1 {
		return b.fail("mul rows: factors have shape %v, want (%d, 1)", s.Shape(), x.Shape()[0])
	}
	return b.Fused("mul rows", x.Shape()[0], x.Shape()[1], func(t *nn.Tape, in []*nn.Var) *nn.Var {
		return t.MulRows(in[0], in[1])
	}, x, s)
}

// Columns puts matrices of equally many rows side by side.
func (b *Builder) Columns(xs ...*gorgonia.Node) *gorgonia.Node {
	if len(xs) == 0 {
		return b.fail("columns of nothing")
	}
	if !b.given("columns", xs...) {
		return nil
	}
	cols := 0
	for _, x := range xs {
		if x.Shape()[0] != xs[0].Shape()[0] {
			return b.fail("columns: %d and %d rows", xs[0].Shape()[0], x.Shape()[0])
		}
		cols += x.Shape()[1]
	}
	return b.apply(&fused{name: "columns", rows: xs[0].Shape()[0], cols: cols, columns: true}, xs)
}

// Slice takes the columns from (inclusive) to (exclusive).
func (b *Builder) Slice(x *gorgonia.Node, from, to int) *gorgonia.Node {
	if !b.given("slice", x) {
		return nil
	}
	if from < 0 || to <= from || to > x.Shape()[1] {
		return b.fail("slice %d:%d of %d columns", from, to, x.Shape()[1])
	}
	return b.apply(&fused{
		name: "slice", rows: x.Shape()[0], cols: to - from, rowwise: true,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var { return t.Slice(in[0], from, to) },
	}, gorgonia.Nodes{x})
}

// Dropout sets values to zero with probability rate in training and scales the
// others by 1/(1-rate). The mask is an input, drawn from the batch's stream in
// the order in which the graph was written.
func (b *Builder) Dropout(x *gorgonia.Node, rate float64) *gorgonia.Node {
	if !b.given("dropout", x) {
		return nil
	}
	if rate < 0 || rate >= 1 {
		return b.fail("dropout rate %v, it must be at least 0 and below 1", rate)
	}
	if rate == 0 {
		return x
	}
	if x.Shape()[0] != b.config.MaxBatch {
		return b.fail("dropout of a matrix with %d rows, not one for each row of the batch", x.Shape()[0])
	}
	cols := x.Shape()[1]
	keep := float32(1 / (1 - rate))
	mask := b.Input(b.unique("dropout"), cols, func(dst []float32, batch *backbone.Batch) {
		dst = dst[:batch.Size*cols]
		for i := range dst {
			switch {
			case batch.Rand == nil:
				dst[i] = 1
			case batch.Rand.Float64() >= rate:
				dst[i] = keep
			}
		}
	})
	return b.Mul(x, mask)
}

func (b *Builder) unary(name string, x *gorgonia.Node, f func(*nn.Tape, *nn.Var) *nn.Var) *gorgonia.Node {
	if !b.given(name, x) {
		return nil
	}
	return b.apply(&fused{
		name: name, rows: x.Shape()[0], cols: x.Shape()[1], rowwise: true,
		record: func(t *nn.Tape, in []*nn.Var) *nn.Var { return f(t, in[0]) },
	}, gorgonia.Nodes{x})
}

// given reports whether the operation can go on: no mistake so far and all nodes
// are matrices.
func (b *Builder) given(name string, nodes ...*gorgonia.Node) bool {
	if b.err != nil {
		return false
	}
	for i, n := range nodes {
		if n == nil {
			b.fail("input %d of %s is nil", i, name)
			return false
		}
		if len(n.Shape()) != 2 {
			b.fail("input %d of %s has shape %v, it must be a matrix", i, name, n.Shape())
			return false
		}
	}
	return true
}

func (b *Builder) same(name string, x, y *gorgonia.Node) bool {
	if !b.given(name, x, y) {
		return false
	}
	if !x.Shape().Eq(y.Shape()) {
		b.fail("%s: shapes %v and %v differ", name, x.Shape(), y.Shape())
		return false
	}
	return true
}
