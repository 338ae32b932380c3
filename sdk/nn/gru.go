package nn

import (
	"cmp"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sort"
)

// GRUWeights are the parameters of a GRU with state [·, H] on inputs [·, in], on a
// tape. Columns are the reset gate, the update gate and the candidate, H each, as
// in PyTorch (there transposed).
type GRUWeights struct {
	In, State         *Var // [in, 3H], [H, 3H]
	InBias, StateBias *Var // [1, 3H]
}

// GRU runs a gated recurrent unit over padded sequences and returns the state
// after the last valid step of each, [B, H]. Row i of the batch is the rows
// i·T to i·T + T-1 of x [B·T, in], of which the first lengths[i] count; length 0
// gives the initial state. The initial state is h [B, H], or zero for nil. The
// lengths are not copied.
//
//	r = σ(x·Wr + br + h·Ur + cr)
//	z = σ(x·Wz + bz + h·Uz + cz)
//	n = tanh(x·Wn + bn + r ⊙ (h·Un + cn))
//	h = (1-z) ⊙ n + z ⊙ h
//
// This is Cho et al. (EMNLP 2014), equations 5 to 8, with the reset gate after
// the product as cuDNN and PyTorch have it. Padding is not computed.
func (t *Tape) GRU(x, h *Var, lengths []int32, w GRUWeights) *Var {
	g := newGRU(t, x, h, lengths, w)
	out := t.op(len(lengths), g.width, record{list: t.listOf(x, h, w.In, w.State, w.InBias, w.StateBias), op: g})
	g.forward(out)
	return out
}

// GRUCell is one step: x [B, in], h [B, H] or nil for zeros, result [B, H].
func (t *Tape) GRUCell(x, h *Var, w GRUWeights) *Var {
	lengths := t.int32s.alloc(x.Rows)
	for i := range lengths {
		lengths[i] = 1
	}
	return t.GRU(x, h, lengths, w)
}

// gru holds the steps of a batch packed: rows are sorted by length, longest first,
// and step s has the rows that are long enough, as many as active[s], one step
// after the other.
type gru struct {
	tape   *Tape
	x, h   *Var
	w      GRUWeights
	width  int   // H
	order  []int // rows of the batch, longest first
	source []int // packed row -> row of x
	active []int

	in       []float32 // packed inputs [P, in]
	previous []float32 // the state before each step [P, H]
	gates    []float32 // r, z, n of each step [P, 3H]
	product  []float32 // h·Un + cn of each step [P, H]
}

func newGRU(t *Tape, x, h *Var, lengths []int32, w GRUWeights) *gru {
	width := w.State.Rows
	checkShape("gru", "the weight of the input", w.In, x.Cols, 3*width)
	checkShape("gru", "the weight of the state", w.State, width, 3*width)
	checkShape("gru", "the bias of the input", w.InBias, 1, 3*width)
	checkShape("gru", "the bias of the state", w.StateBias, 1, 3*width)
	if h != nil {
		checkShape("gru", "the initial state", h, len(lengths), width)
	}
	batch, steps := len(lengths), 0
	if batch > 0 {
		steps = x.Rows / batch
	}
	if batch*steps != x.Rows {
		panic(fmt.Sprintf("nn: gru: %d rows for %d sequences", x.Rows, batch))
	}
	g := t.grus.take()
	*g = gru{tape: t, x: x, h: h, w: w, width: width, order: t.ints.alloc(batch)}
	g.active, g.source = t.ints.alloc(steps)[:0], t.ints.alloc(batch * steps)[:0]
	for i, n := range lengths {
		if n < 0 || int(n) > steps {
			panic(fmt.Sprintf("nn: gru: sequence %d has length %d of %d", i, n, steps))
		}
		g.order[i] = i
	}
	slices.SortStableFunc(g.order, func(i, j int) int { return cmp.Compare(lengths[j], lengths[i]) })
	for s := range steps {
		n := sort.Search(batch, func(i int) bool { return int(lengths[g.order[i]]) <= s })
		if n == 0 {
			break
		}
		g.active = append(g.active, n)
		for _, row := range g.order[:n] {
			g.source = append(g.source, row*steps+s)
		}
	}
	packed := len(g.source)
	g.in = t.arena.alloc(packed * x.Cols)
	g.previous = t.arena.alloc(packed * width)
	g.gates = t.arena.alloc(packed * 3 * width)
	g.product = t.arena.alloc(packed * width)
	return g
}

func (g *gru) forward(out *Var) {
	t, w, width, inputs := g.tape, g.w, g.width, g.x.Cols
	for i, row := range g.source {
		copy(g.in[i*inputs:(i+1)*inputs], g.x.row(row))
	}
	packed := len(g.source)
	gemmWith(&t.pack, false, false, packed, 3*width, inputs, g.in, inputs, w.In.Value, 3*width, g.gates, 3*width, false, epilogue{bias: w.InBias.Value})

	state := t.Scratch(len(g.order) * width) // sorted
	if g.h != nil {
		for i, row := range g.order {
			copy(state[i*width:(i+1)*width], g.h.row(row))
		}
	}
	if len(g.active) > 0 {
		recurrent := t.arena.alloc(g.active[0] * 3 * width)
		at := 0
		for _, n := range g.active {
			copy(g.previous[at*width:], state[:n*width])
			gemmWith(&t.pack, false, false, n, 3*width, width, state, width, w.State.Value, 3*width, recurrent, 3*width, false, epilogue{bias: w.StateBias.Value})
			for i := range n {
				g.step(at+i, recurrent[i*3*width:(i+1)*3*width], state[i*width:(i+1)*width])
			}
			at += n
		}
	}
	for i, row := range g.order {
		copy(out.row(row), state[i*width:(i+1)*width])
	}
}

// step turns the sums of packed row p into gates, and h into the next state, given
// h·U + c.
func (g *gru) step(p int, recurrent, h []float32) {
	n := g.width
	gates := g.gates[p*3*n : (p+1)*3*n]
	r, z, candidate := gates[:n], gates[n:2*n], gates[2*n:]
	copy(g.product[p*n:(p+1)*n], recurrent[2*n:])
	addTo(gates[:2*n], recurrent)
	logistic(gates[:2*n], gates)
	addProduct(candidate, r, recurrent[2*n:])
	tangent(candidate, candidate)
	for j := range n {
		h[j] = (1-z[j])*candidate[j] + z[j]*h[j]
	}
}

func (g *gru) backward(t *Tape, out *Var) {
	w, width, inputs := g.w, g.width, g.x.Cols
	packed := len(g.source)
	dstate := t.Scratch(len(g.order) * width) // sorted
	for i, row := range g.order {
		copy(dstate[i*width:(i+1)*width], out.gradRow(row))
	}
	din := t.arena.alloc(packed * 3 * width)        // of x·W + b
	drecurrent := t.arena.alloc(packed * 3 * width) // of h·U + c
	end := packed
	for s := len(g.active) - 1; s >= 0; s-- {
		n := g.active[s]
		at := end - n
		for i := range n {
			g.unstep(at+i, din, drecurrent, dstate[i*width:(i+1)*width])
		}
		gemm(&t.pack, false, true, n, width, 3*width, drecurrent[at*3*width:], 3*width, w.State.Value, 3*width, dstate, width, true)
		end = at
	}
	if g.h != nil && g.h.Grad != nil {
		for i, row := range g.order {
			addTo(g.h.gradRow(row), dstate[i*width:(i+1)*width])
		}
	}
	if w.In.Grad != nil {
		gemm(&t.pack, true, false, inputs, 3*width, packed, g.in, inputs, din, 3*width, w.In.Grad, 3*width, true)
	}
	if w.State.Grad != nil {
		gemm(&t.pack, true, false, width, 3*width, packed, g.previous, width, drecurrent, 3*width, w.State.Grad, 3*width, true)
	}
	if w.InBias.Grad != nil {
		addRows(w.InBias.Grad, din)
	}
	if w.StateBias.Grad != nil {
		addRows(w.StateBias.Grad, drecurrent)
	}
	if g.x.Grad != nil {
		dx := t.arena.alloc(packed * inputs)
		gemm(&t.pack, false, true, packed, inputs, 3*width, din, 3*width, w.In.Value, 3*width, dx, inputs, false)
		for i, row := range g.source {
			addTo(g.x.gradRow(row), dx[i*inputs:(i+1)*inputs])
		}
	}
}

// unstep writes the gradients of the sums of packed row p, and turns dh of the
// state after the step into the part of dh before it that does not pass U.
func (g *gru) unstep(p int, din, drecurrent, dh []float32) {
	n := g.width
	din, drecurrent = din[p*3*n:(p+1)*3*n], drecurrent[p*3*n:(p+1)*3*n]
	unstep(din, drecurrent[2*n:], dh, g.gates[p*3*n:(p+1)*3*n], g.previous[p*n:(p+1)*n], g.product[p*n:(p+1)*n])
	copy(drecurrent[:2*n], din)
}

// GRU is a layer with state of width H on inputs of width in.
type GRU struct {
	In, State         *Param // [in, 3H], [H, 3H]
	InBias, StateBias *Param // [1, 3H]
}

// NewGRU makes the parameters name.in, name.state, name.in_bias and
// name.state_bias, drawn from ±1/√H.
func NewGRU(ps *Params, name string, in, hidden int, r *rand.Rand) *GRU {
	init := Uniform(r, 1/math.Sqrt(float64(max(1, hidden))))
	return &GRU{
		In:        ps.New(name+".in", in, 3*hidden, init),
		State:     ps.New(name+".state", hidden, 3*hidden, init),
		InBias:    ps.noDecay(name+".in_bias", 3*hidden, init),
		StateBias: ps.noDecay(name+".state_bias", 3*hidden, init),
	}
}

// Apply maps padded sequences x [B·T, in] with B lengths to their last states
// [B, H].
func (l *GRU) Apply(t *Tape, x *Var, lengths []int32) *Var {
	return t.GRU(x, nil, lengths, l.Weights(t))
}

// Weights puts the parameters on a tape.
func (l *GRU) Weights(t *Tape) GRUWeights {
	return GRUWeights{In: t.Param(l.In), State: t.Param(l.State), InBias: t.Param(l.InBias), StateBias: t.Param(l.StateBias)}
}
