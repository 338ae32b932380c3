package nn

// sgd is stochastic gradient descent with heavy-ball momentum: v = µ·v + g,
// x -= rate·v.
type sgd struct {
	optimizer
}

func newSGD(base optimizer) *sgd {
	s := &sgd{base}
	s.newMoments(1)
	return s
}

// Step implements Optimizer.
func (s *sgd) Step() {
	s.steps++
	scale := s.clip()
	step := sgdStep{scale: scale, momentum: float32(s.config.Momentum), rate: float32(s.config.LearningRate)}
	for _, r := range s.passes() {
		step.decay = float32(r.decay)
		step.apply(r.value, r.grad, r.moments[0])
	}
}

// sgdStep holds the factors of a step. The assembly knows their order.
type sgdStep struct {
	scale, decay   float32 // of the gradient and of the value in it
	momentum, rate float32
}

// apply updates x and its momentum v by the gradient g.
func (s *sgdStep) apply(x, g, v []float32) {
	if len(x) == 0 {
		return
	}
	g, v = g[:len(x)], v[:len(x)]
	if hasAVX2 {
		sgdAVX2(len(x), &x[0], &g[0], &v[0], s)
		return
	}
	if hasNEON {
		sgdNEON(len(x), &x[0], &g[0], &v[0], s)
		return
	}
	for i, old := range x {
		v[i] = s.momentum*v[i] + s.scale*g[i] + s.decay*old
		x[i] = old - s.rate*v[i]
	}
}
