package nn

import "math"

// Activation is an operation on every element, for example (*Tape).ReLU.
type Activation func(t *Tape, x *Var) *Var

// ReLU is max(x, 0), with gradient 0 at 0.
func (t *Tape) ReLU(x *Var) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, first: true, run: func(t *Tape, r *record) {
		out, x := r.out, r.a
		if x.fresh() {
			takePositive(x.Grad, out.Grad, x.Value)
		} else {
			addPositive(x.Grad, out.Grad, x.Value)
		}
	}})
	relu(out.Value, x.Value)
	return out
}

// LeakyReLU is x where x > 0, and slope·x elsewhere.
func (t *Tape) LeakyReLU(x *Var, slope float64) *Var {
	s := float32(slope)
	out := t.op(x.Rows, x.Cols, record{a: x, scale: slope, run: func(t *Tape, r *record) {
		out, x, s := r.out, r.a, float32(r.scale)
		dx, value := x.Grad[:len(out.Grad)], x.Value[:len(out.Grad)]
		for i, g := range out.Grad {
			if value[i] > 0 {
				dx[i] += g
			} else {
				dx[i] += s * g
			}
		}
	}})
	y := out.Value[:len(x.Value)]
	for i, v := range x.Value {
		if v <= 0 {
			v *= s
		}
		y[i] = v
	}
	return out
}

// GELU is x·Φ(x) with the exact normal distribution function (Hendrycks and
// Gimpel, arXiv 1606.08415).
func (t *Tape) GELU(x *Var) *Var {
	slope := t.arena.alloc(len(x.Value))
	out := t.op(x.Rows, x.Cols, record{a: x, values: slope, first: true, run: func(t *Tape, r *record) {
		out, x, slope := r.out, r.a, r.values
		x.addProduct(out.Grad, slope)
	}})
	gelu(out.Value, slope, x.Value)
	return out
}

// Tanh is the hyperbolic tangent.
func (t *Tape) Tanh(x *Var) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, run: func(t *Tape, r *record) {
		tangentSlope(r.a.Grad, r.out.Grad, r.out.Value)
	}})
	tangent(out.Value, x.Value)
	return out
}

// Sigmoid is 1/(1 + e^-x).
func (t *Tape) Sigmoid(x *Var) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, run: func(t *Tape, r *record) {
		logisticSlope(r.a.Grad, r.out.Grad, r.out.Value)
	}})
	logistic(out.Value, x.Value)
	return out
}

// each applies f to every element; slope is the derivative at x, given y = f(x).
func (t *Tape) each(x *Var, f func(x float32) float32, slope func(x, y float32) float32) *Var {
	out := t.op(x.Rows, x.Cols, record{a: x, slope: slope, run: func(t *Tape, r *record) {
		out, x, slope := r.out, r.a, r.slope
		for i, g := range out.Grad {
			x.Grad[i] += g * slope(x.Value[i], out.Value[i])
		}
	}})
	for i, v := range x.Value {
		out.Value[i] = f(v)
	}
	return out
}

// Softplus is log(1 + e^x).
func (t *Tape) Softplus(x *Var) *Var {
	return t.each(x, func(v float32) float32 {
		return float32(max(float64(v), 0) + math.Log1p(math.Exp(-math.Abs(float64(v)))))
	}, func(v, _ float32) float32 { return sigmoid32(v) })
}
