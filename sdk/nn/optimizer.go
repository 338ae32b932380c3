package nn

import (
	"cmp"
	"fmt"
	"math"
)

// OptimizerConfig says how parameters follow their gradients. Zero values of
// Beta1, Beta2 and Epsilon mean 0.9, 0.999 and 1e-8.
type OptimizerConfig struct {
	// Name is adam (with L2 regularisation), adamw or sgd.
	Name         string
	LearningRate float64
	// WeightDecay is added to the gradient as WeightDecay·value by adam and sgd;
	// adamw shrinks the value itself. Parameters with NoDecay are exempt.
	WeightDecay  float64
	Beta1, Beta2 float64 // of adam and adamw
	Epsilon      float64 // of adam and adamw
	Momentum     float64 // of sgd
	// ClipNorm bounds the norm of the gradient of all parameters together; 0 is off.
	ClipNorm float64
}

// Optimizer updates parameters in place. It reads their gradients and leaves them
// as they are.
type Optimizer interface {
	// Step makes one update. A gradient that is not finite makes parameters that
	// are not: the caller checks first.
	Step()
	SetLearningRate(rate float64)
	// Reset forgets the running moments and the steps, as if it were new; the
	// learning rate stays.
	Reset()
	// State returns everything that later steps depend on, beside the parameters.
	State() []byte
	// SetState takes what State returned for equally configured parameters of the
	// same shapes; after it, steps give the same bits. An error changes nothing.
	SetState(state []byte) error
}

// NewOptimizer checks the configuration and returns an optimiser of the
// parameters.
func NewOptimizer(ps []*Param, c OptimizerConfig) (Optimizer, error) {
	c.Beta1 = cmp.Or(c.Beta1, 0.9)
	c.Beta2 = cmp.Or(c.Beta2, 0.999)
	c.Epsilon = cmp.Or(c.Epsilon, 1e-8)
	if err := c.validate(); err != nil {
		return nil, err
	}
	base := optimizer{params: append([]*Param(nil), ps...), config: c}
	switch c.Name {
	case "adam", "adamw":
		return newAdam(base), nil
	case "sgd":
		return newSGD(base), nil
	}
	return nil, fmt.Errorf("unknown optimiser %q, want adam, adamw or sgd", c.Name)
}

func (c OptimizerConfig) validate() error {
	for _, v := range []struct {
		name  string
		value float64
		ok    bool
	}{
		{"learning rate", c.LearningRate, c.LearningRate > 0},
		{"weight decay", c.WeightDecay, c.WeightDecay >= 0},
		{"beta1", c.Beta1, c.Beta1 >= 0 && c.Beta1 < 1},
		{"beta2", c.Beta2, c.Beta2 >= 0 && c.Beta2 < 1},
		{"epsilon", c.Epsilon, c.Epsilon > 0},
		{"momentum", c.Momentum, c.Momentum >= 0 && c.Momentum < 1},
		{"clip norm", c.ClipNorm, c.ClipNorm >= 0},
	} {
		if !v.ok || math.IsInf(v.value, 0) || math.IsNaN(v.value) {
			return fmt.Errorf("the %s of the optimiser is %v, which is out of range", v.name, v.value)
		}
	}
	return nil
}

// optimizer is what all optimisers share.
type optimizer struct {
	params []*Param
	config OptimizerConfig
	steps  uint64
	// moments are the running values of every parameter, by kind and parameter.
	moments [][][]float32
}

func (o *optimizer) SetLearningRate(rate float64) { o.config.LearningRate = rate }

func (o *optimizer) Reset() {
	o.steps = 0
	for _, kind := range o.moments {
		for _, values := range kind {
			clear(values)
		}
	}
}

func (o *optimizer) newMoments(kinds int) {
	o.moments = make([][][]float32, kinds)
	for kind := range o.moments {
		for _, p := range o.params {
			o.moments[kind] = append(o.moments[kind], make([]float32, len(p.Value)))
		}
	}
}

// clip is the factor for all gradients that keeps their norm within ClipNorm.
func (o *optimizer) clip() float32 {
	if o.config.ClipNorm == 0 {
		return 1
	}
	return float32(min(1, o.config.ClipNorm/(GradientNorm(o.params)+1e-6)))
}

// GradientNorm is the Euclidean norm of the gradients of the parameters together.
func GradientNorm(ps []*Param) float64 {
	var sum float64
	for _, p := range ps {
		p.settle()
		sum += dot64(p.Grad, p.Grad)
	}
	return math.Sqrt(sum)
}

// decay is the weight decay of a parameter.
func (o *optimizer) decay(p *Param) float64 {
	if p.NoDecay {
		return 0
	}
	return o.config.WeightDecay
}
