package nn

import "math"

// Add is a + b.
func (t *Tape) Add(a, b *Var) *Var {
	checkSame("add", a, b)
	out := t.op(a.Rows, a.Cols, record{a: a, b: b, first: true, run: func(t *Tape, r *record) {
		out, a, b := r.out, r.a, r.b
		if a.Grad != nil {
			a.add(out.Grad)
		}
		if b.Grad != nil {
			t.give(b, out)
		}
	}})
	plus(out.Value, a.Value, b.Value)
	return out
}

// Sub is a - b.
func (t *Tape) Sub(a, b *Var) *Var {
	checkSame("sub", a, b)
	out := t.op(a.Rows, a.Cols, record{a: a, b: b, first: true, run: func(t *Tape, r *record) {
		out, a, b := r.out, r.a, r.b
		if a.Grad != nil {
			a.add(out.Grad)
		}
		if b.Grad != nil {
			b.addScaled(-1, out.Grad)
		}
	}})
	minus(out.Value, a.Value, b.Value)
	return out
}

// Mul is the product, element by element.
func (t *Tape) Mul(a, b *Var) *Var {
	checkSame("mul", a, b)
	out := t.op(a.Rows, a.Cols, record{a: a, b: b, first: true, run: func(t *Tape, r *record) {
		out, a, b := r.out, r.a, r.b
		if a.Grad != nil {
			a.addProduct(out.Grad, b.Value)
		}
		if b.Grad != nil {
			b.addProduct(out.Grad, a.Value)
		}
	}})
	times(out.Value, a.Value, b.Value)
	return out
}

// Div is a/b, element by element.
func (t *Tape) Div(a, b *Var) *Var {
	checkSame("div", a, b)
	out := t.op(a.Rows, a.Cols, record{a: a, b: b, run: func(t *Tape, r *record) {
		out, a, b := r.out, r.a, r.b
		for i, g := range out.Grad {
			g /= b.Value[i]
			if a.Grad != nil {
				a.Grad[i] += g
			}
			if b.Grad != nil {
				b.Grad[i] -= g * out.Value[i]
			}
		}
	}})
	for i, v := range a.Value {
		out.Value[i] = v / b.Value[i]
	}
	return out
}

// Scale is c·x.
func (t *Tape) Scale(x *Var, c float64) *Var {
	f := float32(c)
	out := t.op(x.Rows, x.Cols, record{a: x, scale: c, first: true, run: func(t *Tape, r *record) {
		out, x, f := r.out, r.a, float32(r.scale)
		x.addScaled(f, out.Grad)
	}})
	scale(out.Value, f, x.Value)
	return out
}

// Shift is x + c.
func (t *Tape) Shift(x *Var, c float64) *Var {
	f := float32(c)
	out := t.op(x.Rows, x.Cols, record{a: x, first: true, run: func(t *Tape, r *record) {
		t.give(r.a, r.out)
	}})
	y := out.Value
	for i, v := range x.Value {
		y[i] = v + f
	}
	return out
}

// Exp is e^x.
func (t *Tape) Exp(x *Var) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, first: true, run: func(t *Tape, r *record) {
		out, x := r.out, r.a
		x.addProduct(out.Grad, out.Value)
	}})
	exponential(out.Value, x.Value)
	return out
}

// Log is the natural logarithm.
func (t *Tape) Log(x *Var) *Var {
	return t.each(x, func(v float32) float32 { return float32(math.Log(float64(v))) },
		func(v, _ float32) float32 { return 1 / v })
}

// Square is x².
func (t *Tape) Square(x *Var) *Var {
	return t.each(x, func(v float32) float32 { return v * v }, func(v, _ float32) float32 { return 2 * v })
}

// Sqrt is √x; its gradient is infinite at 0.
func (t *Tape) Sqrt(x *Var) *Var {
	return t.each(x, func(v float32) float32 { return float32(math.Sqrt(float64(v))) },
		func(_, y float32) float32 { return 0.5 / y })
}

// Abs is |x|, with gradient 0 at 0.
func (t *Tape) Abs(x *Var) *Var {
	return t.each(x, func(v float32) float32 { return float32(math.Abs(float64(v))) }, func(v, _ float32) float32 {
		switch {
		case v > 0:
			return 1
		case v < 0:
			return -1
		}
		return 0
	})
}
