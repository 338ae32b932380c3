package nn

import "fmt"

// Param is a trained matrix. Value and Grad are row-major, [Rows*Cols], and keep
// their memory for the life of the parameter, but for Params.Flatten.
type Param struct {
	Name       string
	Rows, Cols int
	Value      []float32
	// Grad is added to by Backward; ZeroGrad clears it.
	Grad []float32
	// NoDecay exempts the parameter from weight decay. Layers set it for biases and
	// for the gains of normalisations.
	NoDecay bool

	unset bool // Grad is zero, and has not been written yet
	flat  *flat
	at    int // of Value and Grad in flat
}

// flat is the memory of parameters that lie one behind the other.
type flat struct{ values, grads []float32 }

// Params are the parameters of a model in the order in which they were made. The
// zero value is ready to use.
type Params struct {
	all   []*Param
	names map[string]bool
}

// New makes a parameter and initialises it; init nil leaves zeros. A name that is
// taken panics.
func (p *Params) New(name string, rows, cols int, init Init) *Param {
	if rows < 0 || cols < 0 {
		panic(fmt.Sprintf("nn: parameter %s is [%d, %d]", name, rows, cols))
	}
	if p.names[name] {
		panic(fmt.Sprintf("nn: two parameters are named %q", name))
	}
	if p.names == nil {
		p.names = map[string]bool{}
	}
	p.names[name] = true
	n := &Param{Name: name, Rows: rows, Cols: cols, Value: make([]float32, rows*cols), Grad: make([]float32, rows*cols)}
	if init != nil {
		init(n)
	}
	p.all = append(p.all, n)
	return n
}

// Flatten moves the values of all parameters, in order, to one slice, and their
// gradients to another, so that an optimiser goes through them in one pass. Each
// begins on a cache line; zeros lie between. What was taken of Value and Grad before,
// by a tape or otherwise, is not the parameter's any more: call it once, when the
// model is made.
func (p *Params) Flatten() (values, grads []float32) {
	size := 0
	for _, n := range p.all {
		size += padded(len(n.Value))
	}
	f := &flat{make([]float32, size), make([]float32, size)}
	at := 0
	for _, n := range p.all {
		end := at + len(n.Value)
		copy(f.values[at:], n.Value)
		copy(f.grads[at:], n.Grad)
		n.Value, n.Grad, n.flat, n.at = f.values[at:end:end], f.grads[at:end:end], f, at
		at += padded(len(n.Value))
	}
	return f.values, f.grads
}

// All returns the parameters in order. The slice belongs to the caller.
func (p *Params) All() []*Param {
	return append([]*Param(nil), p.all...)
}

// ZeroGrad sets all gradients to zero.
func (p *Params) ZeroGrad() {
	for _, n := range p.all {
		n.unset = false
		clear(n.Grad)
	}
}

// settle writes the zeros of Tape.ZeroGrad.
func (p *Param) settle() {
	if p.unset {
		p.unset = false
		clear(p.Grad)
	}
}

// Count is the number of trained values.
func (p *Params) Count() int {
	count := 0
	for _, n := range p.all {
		count += len(n.Value)
	}
	return count
}

// noDecay makes a row that weight decay leaves alone: a bias or a gain.
func (p *Params) noDecay(name string, cols int, init Init) *Param {
	n := p.New(name, 1, cols, init)
	n.NoDecay = true
	return n
}
