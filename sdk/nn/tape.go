package nn

import "fmt"

// Var is a matrix on a tape. It is valid until the tape's next Reset.
type Var struct {
	Rows, Cols int
	// Value is row-major, [Rows*Cols].
	Value []float32
	// Grad is the gradient of the objective, as long as Value; nil for constants. On a
	// seeded tape it has memory of its own when it is first written, and only leaves and
	// parameters keep theirs.
	Grad []float32

	// unset, if any, says that nothing has been written to Grad; views share it, and
	// the matrices of a parameter.
	unset *bool
	own   bool // what unset points to at first
	fixed bool // others know the memory of Grad
	whole *Var // of which Grad is a part
	// lender, if any, has the memory of Grad, which is not its own until it is written.
	lender *lender
	lent   bool // Grad goes back to the lender
}

// Tape records operations and runs them backwards. Its memory is reused from step
// to step: once it has seen the largest step it allocates nothing, unless Op is
// given a function that does. A tape is used by one goroutine at a time.
type Tape struct {
	arena      arena[float32]
	wide       arena[float64]
	ints       arena[int]
	int32s     arena[int32]
	lists      arena[*Var]
	terms      arena[Scaled]
	vars       [][]Var
	used       int // of vars
	records    []record
	attentions pool[attention]
	grus       pool[gru]
	joins      pool[join]
	pack       workspace
	lender     lender
	forward    bool // without gradients
	lazy       bool // gradients hold nothing until they are written
	zeroed     []*Param
}

// record is an operation and what it keeps for its gradient, each in the fields it
// likes: a function that captured them would be an allocation.
type record struct {
	out  *Var
	run  func(t *Tape, r *record)
	op   backwarder     // instead of run
	back func(out *Var) // of Op, instead of run

	a, b, c, d   *Var // inputs
	list         []*Var
	terms        []Scaled
	values, more []float32
	wide         []float64
	rows         []int32
	mask         []bool
	scale        float64
	from, to     int
	flag         bool
	first        bool // run sets gradients that are unset
	slope        func(x, y float32) float32
}

// backwarder is an operation with more state than a record holds.
type backwarder interface {
	backward(t *Tape, out *Var)
}

// varChunk is the number of Vars that are allocated together.
const varChunk = 128

// NewTape returns an empty tape.
func NewTape() *Tape { return &Tape{} }

// NewSeededTape returns an empty tape whose gradients are undefined until Backward,
// which spares their being cleared and read: they may be seeded with Seed and
// BackwardFrom only. After it, those of leaves and parameters are defined, others may
// have been used as memory.
func NewSeededTape() *Tape { return &Tape{lazy: true} }

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
	t.wide.reset()
	t.ints.reset()
	t.int32s.reset()
	t.lists.reset()
	t.terms.reset()
	t.attentions.reset()
	t.grus.reset()
	t.joins.reset()
	t.lender.reset()
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
	v := t.newVar(rows, cols, data, nil)
	t.gradient(v)
	v.hold()
	v.fixed = true
	return v
}

// Param puts a parameter on the tape. Backward adds to p.Grad.
func (t *Tape) Param(p *Param) *Var {
	if t.forward {
		return t.newVar(p.Rows, p.Cols, p.Value, nil)
	}
	v := t.newVar(p.Rows, p.Cols, p.Value, p.Grad)
	v.unset = &p.unset
	return v
}

// ZeroGrad sets the gradients of the parameters to zero, but not before the next
// Backward: until then they are undefined. That spares writing and reading zeros
// where Backward comes to a parameter. The list is not copied.
func (t *Tape) ZeroGrad(ps []*Param) {
	for _, p := range ps {
		p.unset = true
	}
	t.zeroed = ps
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
	out := t.op(rows, cols, record{list: t.listOf(inputs...), back: backward})
	clear(out.Value)
	return out
}

// Scratch returns n zeros that live until the next Reset.
func (t *Tape) Scratch(n int) []float32 {
	s := t.arena.alloc(n)
	clear(s)
	return s
}

// scratch64 is Scratch in float64.
func (t *Tape) scratch64(n int) []float64 {
	s := t.wide.alloc(n)
	clear(s)
	return s
}

// Seed adds to the gradient of v, if it has one; g is as long.
func (t *Tape) Seed(v *Var, g []float32) {
	checkLength("seed", "values", len(g), len(v.Value))
	if v.Grad != nil {
		v.add(g)
	}
}

// Backward runs the recorded operations in reverse. Seed it first, with Seed or,
// unless the tape is from NewSeededTape, by adding to the Grad of outputs. It
// consumes the record: a second call does nothing.
func (t *Tape) Backward() {
	for i := len(t.records) - 1; i >= 0; i-- {
		r := &t.records[i]
		if r.back == nil && r.out.unset != nil && *r.out.unset {
			continue // no gradient reaches it
		}
		r.settle()
		switch {
		case r.run != nil:
			r.run(t, r)
		case r.op != nil:
			r.op.backward(t, r.out)
		default:
			r.back(r.out)
		}
		t.lender.back(r.out)
	}
	clear(t.records)
	t.records = t.records[:0]
	for i := range t.used {
		if v := &t.vars[i/varChunk][i%varChunk]; v.lender == nil {
			v.settle()
		}
	}
	for _, p := range t.zeroed {
		p.settle()
	}
	t.zeroed = nil
}

// BackwardFrom adds 1 to the gradient of a scalar [1, 1] and runs Backward. If no
// gradient reaches the scalar it runs what else was seeded.
func (t *Tape) BackwardFrom(scalar *Var) {
	if scalar.Rows != 1 || scalar.Cols != 1 {
		panic(fmt.Sprintf("nn: backward from %s, want a scalar [1, 1]", shape(scalar)))
	}
	if scalar.Grad != nil {
		scalar.settle()
		scalar.Grad[0]++
	}
	t.Backward()
}

// op is Op with an output of undefined contents, which the caller writes in full.
func (t *Tape) op(rows, cols int, r record) *Var {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("nn: an output of [%d, %d]", rows, cols))
	}
	out := t.newVar(rows, cols, t.arena.alloc(rows*cols), nil)
	if r.differentiable() {
		t.gradient(out)
		r.out = out
		t.records = append(t.records, r)
	}
	return out
}

// gradient gives v a gradient.
func (t *Tape) gradient(v *Var) {
	if !t.lazy {
		v.Grad = t.Scratch(len(v.Value))
		return
	}
	v.Grad = t.lender.promise(len(v.Value))
	v.own = true
	v.unset = &v.own
	v.lender = &t.lender
	t.lender.arena = &t.arena
}

// consumed is memory as large as the gradient of out, whose operation is run
// backwards: that itself, if nobody may read it afterwards.
func (t *Tape) consumed(out *Var) []float32 {
	if t.lazy {
		return out.Grad
	}
	return t.arena.alloc(len(out.Grad))
}

// fresh reports whether nothing has been written to the gradient, which the caller
// then does in full.
func (v *Var) fresh() bool {
	if v.whole != nil {
		v.whole.settle()
		return false
	}
	if v.unset == nil || !*v.unset {
		return false
	}
	*v.unset = false
	v.hold()
	return true
}

// settle writes zeros to a gradient that nothing has been written to.
func (v *Var) settle() {
	if v.fresh() {
		clear(v.Grad)
	}
}

// settle readies the gradients that run adds to, and that of the output for a
// function of the user's.
func (r *record) settle() {
	if r.back != nil {
		r.out.settle()
	}
	if r.first {
		return
	}
	for _, v := range [...]*Var{r.a, r.b, r.c, r.d} {
		if v != nil {
			v.settle()
		}
	}
	for _, v := range r.list {
		if v != nil {
			v.settle()
		}
	}
	for _, term := range r.terms {
		term.Var.settle()
	}
}

// add adds x to the gradient.
func (v *Var) add(x []float32) {
	if v.fresh() {
		copy(v.Grad, x)
	} else {
		addTo(v.Grad, x)
	}
}

// give adds the gradient of out, whose operation is run backwards, to that of v, for the
// last of its inputs: v may have its memory.
func (t *Tape) give(v, out *Var) {
	if t.lazy && v.own && v.unset == &v.own && !v.fixed {
		v.Grad, v.own, v.lender = out.Grad, false, nil
		v.lent, out.lent = out.lent, false
		return
	}
	v.add(out.Grad)
}

// addScaled adds c·x to the gradient.
func (v *Var) addScaled(c float32, x []float32) {
	if v.fresh() {
		scale(v.Grad, c, x)
	} else {
		addScaled(v.Grad, c, x)
	}
}

// addProduct adds x·y to the gradient.
func (v *Var) addProduct(x, y []float32) {
	if v.fresh() {
		times(v.Grad, x, y)
	} else {
		addProduct(v.Grad, x, y)
	}
}

// differentiable reports whether an input has a gradient.
func (r *record) differentiable() bool {
	for _, v := range [...]*Var{r.a, r.b, r.c, r.d} {
		if v != nil && v.Grad != nil {
			return true
		}
	}
	for _, v := range r.list {
		if v != nil && v.Grad != nil {
			return true
		}
	}
	for _, term := range r.terms {
		if term.Var.Grad != nil {
			return true
		}
	}
	return false
}

// listOf copies matrices that the caller may reuse the slice of.
func (t *Tape) listOf(vars ...*Var) []*Var {
	list := t.lists.alloc(len(vars))
	copy(list, vars)
	return list
}

func (t *Tape) newVar(rows, cols int, value, grad []float32) *Var {
	chunk, i := t.used/varChunk, t.used%varChunk
	if chunk == len(t.vars) {
		t.vars = append(t.vars, make([]Var, varChunk))
	}
	t.used++
	v := &t.vars[chunk][i]
	*v = Var{Rows: rows, Cols: cols, Value: value, Grad: grad}
	return v
}

// row is row i of the value.
func (v *Var) row(i int) []float32 { return v.Value[i*v.Cols : (i+1)*v.Cols] }

// gradRow is row i of the gradient.
func (v *Var) gradRow(i int) []float32 { return v.Grad[i*v.Cols : (i+1)*v.Cols] }
