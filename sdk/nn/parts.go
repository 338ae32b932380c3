package nn

import "fmt"

// Part is a block of columns of a matrix, for LinearParts.
type Part struct {
	// X are the rows that there are, [len(Rows), C].
	X *Var
	// Rows are their places in the matrix, in ascending order; nil if X has all or none.
	// The list is not copied.
	Rows []int32
	// Missing [1, C] is what the other rows have; nil is zeros.
	Missing *Var
}

// LinearParts is Linear of the matrix of n rows that the parts make side by side. It
// computes only the rows that a part has, and Missing once for all others: a row of
// the result depends on nothing but its own parts. Parts that are whole, or have
// zeros in other rows, give the bits of Linear.
func (t *Tape) LinearParts(n int, parts []Part, w, b *Var) *Var {
	return t.linearParts(n, parts, w, b, false)
}

// LinearPartsReLU is ReLU of LinearParts, in one operation.
func (t *Tape) LinearPartsReLU(n int, parts []Part, w, b *Var) *Var {
	return t.linearParts(n, parts, w, b, true)
}

func (t *Tape) linearParts(n int, parts []Part, w, b *Var, rectified bool) *Var {
	l := t.joins.take()
	*l = join{parts: append(l.parts[:0], parts...), w: w, b: b, rectified: rectified}
	inputs := t.lists.alloc(2*len(parts) + 2)
	inputs[0], inputs[1] = w, b
	cols := 0
	for i, p := range parts {
		p.check(n)
		cols += p.X.Cols
		inputs[2+2*i], inputs[3+2*i] = p.X, p.Missing
	}
	if cols != w.Rows {
		panic(fmt.Sprintf("nn: linear of parts: they have %d columns, w is %s", cols, shape(w)))
	}
	if b != nil {
		checkShape("linear of parts", "b", b, 1, w.Cols)
	}
	out := t.op(n, w.Cols, record{list: inputs, op: l, first: true})
	l.forward(t, out)
	return out
}

func (p Part) check(n int) {
	if p.Missing != nil {
		checkShape("linear of parts", "what is missing", p.Missing, 1, p.X.Cols)
	}
	if p.Rows == nil && p.X.Rows == n {
		return
	}
	checkLength("linear of parts", "rows are named", len(p.Rows), p.X.Rows)
	for i, r := range p.Rows {
		checkRow("linear of parts", r, n)
		if i > 0 && r <= p.Rows[i-1] {
			panic(fmt.Sprintf("nn: linear of parts: row %d after row %d", r, p.Rows[i-1]))
		}
	}
}

// join is a LinearParts.
type join struct {
	parts     []Part
	w, b      *Var
	rectified bool
}

func (l *join) forward(t *Tape, out *Var) {
	n, cols := out.Rows, out.Cols
	for i := range n {
		if l.b != nil {
			copy(out.row(i), l.b.Value)
		} else {
			clear(out.row(i))
		}
	}
	rows := t.arena.alloc(n * cols)
	at := 0
	for _, p := range l.parts {
		k := p.X.Cols
		w := l.w.Value[at*cols : (at+k)*cols]
		at += k
		if p.X.Rows == n {
			gemm(&t.pack, false, false, n, cols, k, p.X.Value, k, w, cols, out.Value, cols, true)
			continue
		}
		seen := rows[:len(p.Rows)*cols]
		for i, r := range p.Rows {
			copy(seen[i*cols:(i+1)*cols], out.row(int(r)))
		}
		gemm(&t.pack, false, false, len(p.Rows), cols, k, p.X.Value, k, w, cols, seen, cols, true)
		for i, r := range p.Rows {
			copy(out.row(int(r)), seen[i*cols:(i+1)*cols])
		}
		if p.Missing != nil {
			share := t.arena.alloc(cols)
			gemm(&t.pack, false, false, 1, cols, k, p.Missing.Value, k, w, cols, share, cols, false)
			p.others(n, func(row int) { addTo(out.row(row), share) })
		}
	}
	if l.rectified {
		relu(out.Value, out.Value)
	}
}

func (l *join) backward(t *Tape, out *Var) {
	n, cols := out.Rows, out.Cols
	d := out.Grad
	var sum []float32
	if l.b != nil && l.b.Grad != nil {
		l.b.settle()
		sum = l.b.Grad
	}
	switch {
	case l.rectified:
		d = t.consumed(out)
		takePositiveRows(d, out.Grad, out.Value, sum, cols)
	case sum != nil:
		addRows(sum, d)
	}
	rows := t.arena.alloc(n * cols)
	add := l.w.Grad != nil && !l.w.fresh()
	at := 0
	for _, p := range l.parts {
		k, seen := p.X.Cols, d
		if p.X.Rows < n {
			seen = rows[:len(p.Rows)*cols]
			for i, r := range p.Rows {
				copy(seen[i*cols:(i+1)*cols], d[int(r)*cols:])
			}
		}
		w := l.w.Value[at*cols : (at+k)*cols]
		if p.X.Grad != nil {
			more := !p.X.fresh()
			gemm(&t.pack, false, true, p.X.Rows, k, cols, seen, cols, w, cols, p.X.Grad, k, more)
		}
		if l.w.Grad != nil {
			gemm(&t.pack, true, false, k, cols, p.X.Rows, p.X.Value, k, seen, cols, l.w.Grad[at*cols:], cols, add)
		}
		if p.Missing != nil && p.X.Rows < n {
			l.backwardMissing(t, p, d, at)
		}
		at += k
	}
}

// backwardMissing is backward for the rows that a part does not have, given the
// gradient d of the sums; the part begins at row at of the weights.
func (l *join) backwardMissing(t *Tape, p Part, d []float32, at int) {
	cols, k := l.w.Cols, p.X.Cols
	sum := t.Scratch(cols)
	p.others(len(d)/max(1, cols), func(row int) { addTo(sum, d[row*cols:]) })
	if p.Missing.Grad != nil {
		more := !p.Missing.fresh()
		gemm(&t.pack, false, true, 1, k, cols, sum, cols, l.w.Value[at*cols:], cols, p.Missing.Grad, k, more)
	}
	if l.w.Grad != nil {
		gemm(&t.pack, true, false, k, cols, 1, p.Missing.Value, k, sum, cols, l.w.Grad[at*cols:], cols, true)
	}
}

// others calls f for the rows of n that the part does not have.
func (p Part) others(n int, f func(row int)) {
	next := 0
	for row := range n {
		if next < len(p.Rows) && int(p.Rows[next]) == row {
			next++
			continue
		}
		f(row)
	}
}

// ApplyPartsReLU is Tape.LinearPartsReLU.
func (l *Linear) ApplyPartsReLU(t *Tape, n int, parts []Part) *Var {
	return t.LinearPartsReLU(n, parts, t.Param(l.Weight), t.Param(l.Bias))
}
