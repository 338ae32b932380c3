package nn

import "fmt"

// Var is a matrix on a tape. It is valid until the tape's next Reset.
type Var struct {
	Rows, Cols int
	// Value is row-major, [Rows*Cols].
	Value []float32
	// Grad is the gradient of the objective, as long as Value; nil for constants.
	Grad []float32
}

// Tape records operations and runs them backwards. Its memory is reused from step
// to step. A tape is used by one goroutine at a time.
type Tape struct {
	arena   arena
	vars    [][]Var
	used    int // of vars
	records []record
	pack    workspace
	forward bool // without gradients
}

type record struct {
	out      *Var
	backward func(out *Var)
}

// varChunk is the number of Vars that are allocated together.
const varChunk = 128

// NewTape returns an empty tape.
func NewTape() *Tape { return &Tape{} }

// Reset forgets the recorded step. All Vars and Scratch slices of the step become
// invalid: the next step writes over them.
func (t *Tape) Reset() {
	clear(t.records)
	t.records = t.records[:0]
	for i := range t.vars {
		clear(t.vars[i])
	}
	t.used = 0
	t.forward = false
	t.arena.reset()
}

// ResetForward is Reset for a step that is not run backwards: up to the next Reset,
// parameters and leaves are constants, and nothing is recorded.
func (t *Tape) ResetForward() {
	t.Reset()
	t.forward = true
}

// Const puts a matrix without gradient on the tape. The data is not copied and
// must stay as it is until Backward has run.
func (t *Tape) Const(rows, cols int, data []float32) *Var {
	checkData("const", rows, cols, data)
	return t.newVar(rows, cols, data, nil)
}

// Leaf puts a matrix on the tape whose gradient is wanted: read Grad after
// Backward and before the next Reset. The data is not copied.
func (t *Tape) Leaf(rows, cols int, data []float32) *Var {
	checkData("leaf", rows, cols, data)
	if t.forward {
		return t.newVar(rows, cols, data, nil)
	}
	return t.newVar(rows, cols, data, t.Scratch(rows*cols))
}

// Param puts a parameter on the tape. Backward adds to p.Grad.
func (t *Tape) Param(p *Param) *Var {
	if t.forward {
		return t.newVar(p.Rows, p.Cols, p.Value, nil)
	}
	return t.newVar(p.Rows, p.Cols, p.Value, p.Grad)
}

// Detach is x as a constant.
func (t *Tape) Detach(x *Var) *Var {
	return t.newVar(x.Rows, x.Cols, x.Value, nil)
}

// Op records an operation and returns its output, zero, for the caller to fill.
// If an input has a gradient, so has the output; backward is then called once
// with out.Grad complete and adds to the Grad of those inputs that have one
// (Grad != nil).
func (t *Tape) Op(rows, cols int, inputs []*Var, backward func(out *Var)) *Var {
	out := t.op(rows, cols, backward, inputs...)
	clear(out.Value)
	return out
}

// Scratch returns n zeros that live until the next Reset.
func (t *Tape) Scratch(n int) []float32 {
	s := t.arena.alloc(n)
	clear(s)
	return s
}

// Backward runs the recorded operations in reverse. Seed it by adding to the Grad
// of outputs first. It consumes the record: a second call does nothing.
func (t *Tape) Backward() {
	for i := len(t.records) - 1; i >= 0; i-- {
		t.records[i].backward(t.records[i].out)
	}
	clear(t.records)
	t.records = t.records[:0]
}

// BackwardFrom adds 1 to the gradient of a scalar [1, 1] and runs Backward. If no
// gradient reaches the scalar it runs what else was seeded.
func (t *Tape) BackwardFrom(scalar *Var) {
	if scalar.Rows != 1 || scalar.Cols != 1 {
		panic(fmt.Sprintf("nn: backward from %s, want a scalar [1, 1]", shape(scalar)))
	}
	if scalar.Grad != nil {
		scalar.Grad[0]++
	}
	t.Backward()
}

// op is Op with an output of undefined contents, which the caller writes in full.
func (t *Tape) op(rows, cols int, backward func(out *Var), inputs ...*Var) *Var {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("nn: an output of [%d, %d]", rows, cols))
	}
	out := t.newVar(rows, cols, t.arena.alloc(rows*cols), nil)
	for _, in := range inputs {
		if in != nil && in.Grad != nil {
			out.Grad = t.Scratch(rows * cols)
			t.records = append(t.records, record{out, backward})
			break
		}
	}
	return out
}

func (t *Tape) newVar(rows, cols int, value, grad []float32) *Var {
	chunk, i := t.used/varChunk, t.used%varChunk
	if chunk == len(t.vars) {
		t.vars = append(t.vars, make([]Var, varChunk))
	}
	t.used++
	v := &t.vars[chunk][i]
	*v = Var{rows, cols, value, grad}
	return v
}

// row is row i of the value.
func (v *Var) row(i int) []float32 { return v.Value[i*v.Cols : (i+1)*v.Cols] }

// gradRow is row i of the gradient.
func (v *Var) gradRow(i int) []float32 { return v.Grad[i*v.Cols : (i+1)*v.Cols] }
