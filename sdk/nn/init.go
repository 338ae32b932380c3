package nn

import (
	"math"
	"math/rand/v2"
)

// Init sets the initial value of a parameter. Rows are the fan-in, columns the
// fan-out.
type Init func(p *Param)

// Zeros sets 0.
func Zeros(p *Param) { clear(p.Value) }

// Ones sets 1.
func Ones(p *Param) {
	for i := range p.Value {
		p.Value[i] = 1
	}
}

// Uniform draws from [-bound, bound).
func Uniform(r *rand.Rand, bound float64) Init {
	return func(p *Param) {
		for i := range p.Value {
			p.Value[i] = float32((2*r.Float64() - 1) * bound)
		}
	}
}

// Normal draws from a normal distribution with mean 0.
func Normal(r *rand.Rand, std float64) Init {
	return func(p *Param) {
		for i := range p.Value {
			p.Value[i] = float32(r.NormFloat64() * std)
		}
	}
}

// KaimingUniform draws from ±1/√fan-in: He et al. (ICCV 2015) with the negative
// slope √5 that PyTorch's Linear uses, so that models start like the published
// ones.
func KaimingUniform(r *rand.Rand) Init {
	return func(p *Param) {
		Uniform(r, 1/math.Sqrt(float64(max(1, p.Rows))))(p)
	}
}

// XavierUniform draws from ±√(6/(fan-in + fan-out)), Glorot and Bengio (AISTATS
// 2010), equation 16.
func XavierUniform(r *rand.Rand) Init {
	return func(p *Param) {
		Uniform(r, math.Sqrt(6/float64(max(1, p.Rows+p.Cols))))(p)
	}
}
