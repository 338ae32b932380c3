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
	rate := float32(c.LearningRate / correction1)
	root := float32(1 / correction2)
	epsilon := float32(c.Epsilon)
	b1, b2 := float32(c.Beta1), float32(c.Beta2)
	r1, r2 := float32(1-c.Beta1), float32(1-c.Beta2)
	for n, p := range a.params {
		decay, shrink := float32(a.decay(p)), float32(1)
		if a.decoupled {
			decay, shrink = 0, float32(1-c.LearningRate*a.decay(p))
		}
		grad := p.Grad[:len(p.Value)]
		m, v := a.moments[0][n][:len(p.Value)], a.moments[1][n][:len(p.Value)]
		for i, x := range p.Value {
			g := scale*grad[i] + decay*x
			m[i] = b1*m[i] + r1*g
			v[i] = b2*v[i] + r2*g*g
			p.Value[i] = shrink*x - rate*m[i]/(float32(math.Sqrt(float64(v[i])))*root+epsilon)
		}
	}
}
