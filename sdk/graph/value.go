package graph

import (
	"fmt"
	"slices"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// leastColumns is how wide matrices side by side must be for a linear map to read
// them one by one: narrow products cost more than copies.
const leastColumns = 16

// value is the value of a step: a matrix or, until an operation reads it that has no
// use for less, what makes it. Operations that work on rows compute each different
// row once.
type value struct {
	full *nn.Var

	// columns are the places of values that are side by side.
	columns []int
	// part has the rows that there are and one for all others; part.Missing is set.
	part nn.Part
	// stack has the rows that differ, and rows are their places in the matrix.
	stack *nn.Var
	rows  []int32
}

// full is the value at a place as a matrix.
func (c *cluster) full(at int) *nn.Var {
	v := &c.values[at]
	switch {
	case v.full != nil:
	case v.columns != nil:
		v.full = c.tape.Concat(c.matrices(v.columns)...)
	case v.stack != nil:
		v.full = c.tape.Gather(v.stack, v.rows)
	default:
		c.parts = append(c.parts[:0], v.part)
		v.full = c.tape.Gather(c.interleave())
	}
	return v.full
}

// matrices are the values at places, each as a matrix. The slice is valid until the
// next call.
func (c *cluster) matrices(places []int) []*nn.Var {
	for _, at := range places {
		c.full(at)
	}
	c.args = c.args[:0]
	for _, at := range places {
		c.args = append(c.args, c.values[at].full)
	}
	return c.args
}

// sparse runs a step on what makes its inputs; false if it must have matrices.
func (c *cluster) sparse(s step, batch *backbone.Batch) (value, bool, error) {
	first := c.values[s.in[0]]
	switch op := s.op; {
	case op.part != nil:
		v, err := c.newPart(op, batch)
		return v, true, err
	case op.columns:
		return value{columns: s.in}, true, nil
	case op.reshape && c.tokens(first, op):
		stack, rows := c.interleave()
		return value{stack: stack, rows: rows}, true, nil
	case op.linear && c.wide(s):
		return value{full: c.join(s)}, true, nil
	case op.attend != nil && c.at(s):
		return value{full: op.attend(c.tape, c.stacks(s), first.rows)}, true, nil
	case s.plus:
	case op.rowwise && first.full == nil && first.stack != nil:
		return value{stack: c.apply(s, first.stack), rows: first.rows}, true, nil
	case op.rowwise && first.full == nil && first.columns == nil:
		p := first.part
		return value{part: nn.Part{X: c.apply(s, p.X), Rows: p.Rows, Missing: c.apply(s, p.Missing)}}, true, nil
	}
	return value{}, false, nil
}

// newPart is the value of a Part.
func (c *cluster) newPart(op *fused, batch *backbone.Batch) (value, error) {
	p := op.part(c.tape, batch)
	if p.X.Cols != op.cols {
		return value{}, fmt.Errorf("the part has %d columns, want %d", p.X.Cols, op.cols)
	}
	if p.X.Rows == batch.Size && (p.Rows == nil || len(p.Rows) == batch.Size) {
		return value{full: c.pad(p.X, op.rows)}, nil
	}
	if len(p.Rows) != p.X.Rows {
		return value{}, fmt.Errorf("the part has %d rows and names %d", p.X.Rows, len(p.Rows))
	}
	if p.Missing == nil {
		p.Missing = c.tape.Const(1, op.cols, c.tape.Scratch(op.cols))
	}
	return value{part: p}, nil
}

// apply runs an operation that works on rows with x instead of its first input.
func (c *cluster) apply(s step, x *nn.Var) *nn.Var {
	c.args = slices.Insert(c.matrices(s.in[1:]), 0, x)
	return s.record(c.tape, c.args)
}

// wide reports whether a linear map reads matrices side by side that it can read one
// by one, and lists them as parts.
func (c *cluster) wide(s step) bool {
	v := c.values[s.in[0]]
	if v.full != nil || v.columns == nil {
		return false
	}
	c.matrices(s.in[1:])
	return c.list(v.columns, func(p nn.Part) bool { return p.X.Cols >= leastColumns })
}

// join is a linear map of the parts.
func (c *cluster) join(s step) *nn.Var {
	w := c.values[s.in[1]].full
	var bias *nn.Var
	in := s.in
	if s.plus {
		in = in[:len(in)-1]
	}
	if len(in) > 2 {
		bias = c.values[in[2]].full
	}
	if s.rectified {
		return c.tape.LinearPartsReLU(s.op.rows, c.parts, w, bias)
	}
	out := c.tape.LinearParts(s.op.rows, c.parts, w, bias)
	if s.plus {
		out = c.tape.Add(c.values[s.in[len(in)]].full, out)
	}
	return out
}

// tokens reports whether a reshape of v lays the rows of parts, one or more with rows
// missing, in turns under each other, and lists them.
func (c *cluster) tokens(v value, op *fused) bool {
	if v.full != nil || len(v.columns)*c.builder.config.MaxBatch != op.rows {
		return false
	}
	missing := false
	return c.list(v.columns, func(p nn.Part) bool {
		missing = missing || p.Missing != nil
		return p.X.Cols == op.cols
	}) && missing
}

// list sets the parts to the values at places, and reports whether there are any and
// all of them will do.
func (c *cluster) list(places []int, do func(nn.Part) bool) bool {
	for _, at := range places {
		if v := c.values[at]; v.columns != nil || v.stack != nil {
			c.full(at)
		}
	}
	c.parts = c.parts[:0]
	for _, at := range places {
		p := c.values[at].part
		if full := c.values[at].full; full != nil {
			p = nn.Part{X: full}
		}
		if !do(p) {
			return false
		}
		c.parts = append(c.parts, p)
	}
	return len(places) > 0
}

// interleave is the rows that differ of the parts, and their places in the matrix that
// has row 0 of every part, then row 1, and so on.
func (c *cluster) interleave() (stack *nn.Var, rows []int32) {
	n, count := c.builder.config.MaxBatch, len(c.parts)
	rows = c.integers(n * count)
	c.args = c.args[:0]
	first := 0
	for i, p := range c.parts {
		c.args = append(c.args, p.X)
		if p.Missing == nil {
			for row := range n {
				rows[row*count+i] = int32(first + row)
			}
			first += n
			continue
		}
		missing := first + len(p.Rows)
		for row := range n {
			rows[row*count+i] = int32(missing)
		}
		for j, row := range p.Rows {
			rows[int(row)*count+i] = int32(first + j)
		}
		c.args = append(c.args, p.Missing)
		first = missing + 1
	}
	return c.tape.Stack(c.args...), rows
}

// at reports whether the queries, keys and values of a step are rows of stacks, at the
// same places.
func (c *cluster) at(s step) bool {
	rows := c.values[s.in[0]].rows
	for _, at := range s.in[:3] {
		v := c.values[at]
		if v.full != nil || v.stack == nil || &v.rows[0] != &rows[0] {
			return false
		}
	}
	return true
}

// stacks are the inputs of attention with stacks for queries, keys and values.
func (c *cluster) stacks(s step) []*nn.Var {
	stack := func(i int) *nn.Var { return c.values[s.in[i]].stack }
	c.args = slices.Insert(c.matrices(s.in[3:]), 0, stack(0), stack(1), stack(2))
	return c.args
}

// integers are n numbers of undefined value that live until the next run.
func (c *cluster) integers(n int) []int32 {
	if c.taken == len(c.lists) {
		c.lists = append(c.lists, nil)
	}
	if list := c.lists[c.taken]; cap(list) < n {
		c.lists[c.taken] = make([]int32, n)
	}
	c.taken++
	return c.lists[c.taken-1][:n]
}
