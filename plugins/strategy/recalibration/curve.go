package main

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// curve is a slope and an intercept, or one for each class.
type curve []float64

func identity(biases int) curve {
	c := make(curve, 1+biases)
	c[0] = 1
	return c
}

// probabilities are those of the logits of a row: one of a sigmoid, more of a
// softmax.
func (c curve) probabilities(logits []float64) []float64 {
	out := make([]float64, len(logits))
	if len(logits) == 1 {
		z := c[0]*logits[0] + c[1]
		out[0] = 1 / (1 + math.Exp(-z))
		return out
	}
	top := math.Inf(-1)
	for j, l := range logits {
		out[j] = c[0]*l + c[1+j]
		top = max(top, out[j])
	}
	var sum float64
	for j, z := range out {
		out[j] = math.Exp(z - top)
		sum += out[j]
	}
	for j := range out {
		out[j] /= sum
	}
	return out
}

// problem is a penalised maximum likelihood of a curve. It is strictly convex.
type problem struct {
	logits    []float64 // of all rows, one after the other
	labels    []int
	towards   curve
	shrinkage float64
	intercept bool
}

const (
	leastSlope = 0.01 // below, a calibration would reverse the order
	newtons    = 100
	halvings   = 40
	converged  = 1e-12
)

// solve returns the minimum over slopes of at least leastSlope.
func (p problem) solve() curve {
	c := p.newton(append(curve(nil), p.towards...), 0)
	if c[0] >= leastSlope {
		return c
	}
	c = append(curve(nil), p.towards...)
	c[0] = leastSlope
	return p.newton(c, 1)
}

// newton minimises over the parameters from the given one on by damped Newton steps.
func (p problem) newton(c curve, from int) curve {
	to := len(c)
	if !p.intercept {
		to = 1
	}
	if from >= to {
		return c
	}
	value, gradient, hessian := p.derivatives(c)
	for range newtons {
		n := to - from
		h, g := mat.NewSymDense(n, nil), mat.NewVecDense(n, gradient[from:to])
		for i := range n {
			for j := i; j < n; j++ {
				h.SetSym(i, j, hessian[(from+i)*len(c)+from+j])
			}
		}
		var cholesky mat.Cholesky
		var step mat.VecDense
		if !cholesky.Factorize(h) || cholesky.SolveVecTo(&step, g) != nil {
			return c
		}
		decrease := mat.Dot(g, &step)
		if decrease < converged {
			return c
		}
		moved := false
		for scale := 1.0; scale > math.Pow(0.5, halvings); scale /= 2 {
			next := append(curve(nil), c...)
			for i := range n {
				next[from+i] -= scale * step.AtVec(i)
			}
			v, dg, dh := p.derivatives(next)
			if v <= value-1e-4*scale*decrease {
				c, value, gradient, hessian, moved = next, v, dg, dh, true
				break
			}
		}
		if !moved {
			return c // the value is as small as its rounding
		}
	}
	return c
}

// derivatives are value, gradient and matrix of second derivatives.
func (p problem) derivatives(c curve) (value float64, gradient, hessian []float64) {
	n := len(c)
	gradient, hessian = make([]float64, n), make([]float64, n*n)
	for i, v := range c {
		d := v - p.towards[i]
		value += p.shrinkage / 2 * d * d
		gradient[i] = p.shrinkage * d
		hessian[i*n+i] = p.shrinkage
	}
	width := n - 1
	for i, y := range p.labels {
		l := p.logits[i*width : (i+1)*width]
		q := c.probabilities(l)
		if width == 1 {
			z := c[0]*l[0] + c[1]
			value += max(z, 0) - z*float64(y) + math.Log1p(math.Exp(-math.Abs(z)))
			g, h := q[0]-float64(y), q[0]*(1-q[0])
			gradient[0] += g * l[0]
			gradient[1] += g
			hessian[0] += h * l[0] * l[0]
			hessian[1] += h * l[0]
			hessian[3] += h
			continue
		}
		var mean, square float64
		for j, v := range q {
			mean += v * l[j]
			square += v * l[j] * l[j]
		}
		value -= math.Log(q[y])
		gradient[0] += mean - l[y]
		gradient[1+y]--
		hessian[0] += square - mean*mean
		for j, v := range q {
			gradient[1+j] += v
			hessian[1+j] += v * (l[j] - mean)
			hessian[(1+j)*n+1+j] += v
			for k := j; k < width; k++ {
				hessian[(1+j)*n+1+k] -= v * q[k]
			}
		}
	}
	return value, gradient, hessian
}
