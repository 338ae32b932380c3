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
	rate, momentum := float32(s.config.LearningRate), float32(s.config.Momentum)
	for n, p := range s.params {
		p.settle()
		decay := float32(s.decay(p))
		grad, v := p.Grad[:len(p.Value)], s.moments[0][n][:len(p.Value)]
		for i, x := range p.Value {
			v[i] = momentum*v[i] + scale*grad[i] + decay*x
			p.Value[i] = x - rate*v[i]
		}
	}
}
