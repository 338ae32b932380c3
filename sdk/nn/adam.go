package nn

import "math"

// adam is Adam (Kingma and Ba, ICLR 2015, algorithm 1), with L2 regularisation
// coupled to the gradient, or AdamW (Loshchilov and Hutter, ICLR 2019, algorithm
// 2) with the weight decay scaled by the learning rate, as in PyTorch.
type adam struct {
	optimizer
	decoupled bool
}

func newAdam(base optimizer) *adam {
	a := &adam{optimizer: base, decoupled: base.config.Name == "adamw"}
	a.newMoments(2)
	return a
}

// Step implements Optimizer.
func (a *adam) Step() {
	a.steps++
	c := a.config
	scale := a.clip()
	correction1 := 1 - math.Pow(c.Beta1, float64(a.steps))
	correction2 := math.Sqrt(1 - math.Pow(c.Beta2, float64(a.steps)))
	step := adamStep{
		scale: scale,
		keep1: float32(c.Beta1), take1: float32(1 - c.Beta1),
		keep2: float32(c.Beta2), take2: float32(1 - c.Beta2),
		root:    float32(1 / correction2),
		epsilon: float32(c.Epsilon),
		rate:    float32(c.LearningRate / correction1),
	}
	for _, r := range a.passes() {
		step.decay, step.shrink = float32(r.decay), 1
		if a.decoupled {
			step.decay, step.shrink = 0, float32(1-c.LearningRate*r.decay)
		}
		step.apply(r.value, r.grad, r.moments[0], r.moments[1])
	}
}

// adamStep holds the factors of a step. The assembly knows their order.
type adamStep struct {
	scale, decay float32 // of the gradient and of the value in it
	keep1, take1 float32 // of the first moment
	keep2, take2 float32 // of the second
	shrink       float32 // of the value
	root         float32 // of the root of the second moment
	epsilon      float32
	rate         float32
}

// apply updates x and its moments m and v by the gradient g.
func (s *adamStep) apply(x, g, m, v []float32) {
	if len(x) == 0 {
		return
	}
	g, m, v = g[:len(x)], m[:len(x)], v[:len(x)]
	if hasAVX2 {
		adamAVX2(len(x), &x[0], &g[0], &m[0], &v[0], s)
		return
	}
	if hasNEON {
		adamNEON(len(x), &x[0], &g[0], &m[0], &v[0], s)
		return
	}
	for i, old := range x {
		d := s.scale*g[i] + s.decay*old
		m[i] = s.keep1*m[i] + s.take1*d
		v[i] = s.keep2*v[i] + s.take2*d*d
		x[i] = s.shrink*old - s.rate*m[i]/(float32(math.Sqrt(float64(v[i])))*s.root+s.epsilon)
	}
}
