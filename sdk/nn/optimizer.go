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
	// moments are the running values of every parameter, by kind and parameter; those
	// of a kind lie one behind the other.
	moments [][][]float32
	kinds   [][]float32 // all moments of a kind
	runs    []run
}

// run are parameters that are updated in one pass: they lie one behind the other in
// flat, and have the same weight decay.
type run struct {
	from, to    int // in the list of parameters
	flat        *flat
	decay       float64
	value, grad []float32
	moments     [2][]float32
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
	size := 0
	for _, p := range o.params {
		size += padded(len(p.Value))
	}
	o.moments, o.kinds = make([][][]float32, kinds), make([][]float32, kinds)
	for kind := range o.moments {
		o.kinds[kind] = make([]float32, size)
		at := 0
		for _, p := range o.params {
			end := at + len(p.Value)
			o.moments[kind] = append(o.moments[kind], o.kinds[kind][at:end:end])
			at += padded(len(p.Value))
		}
	}
}

// passes are the runs, whose gradients are ready.
func (o *optimizer) passes() []run {
	stale := len(o.runs) == 0
	for _, r := range o.runs {
		for _, p := range o.params[r.from:r.to] {
			p.settle()
			stale = stale || p.flat != r.flat || o.decay(p) != r.decay
		}
	}
	if stale {
		o.divide()
	}
	return o.runs
}

// divide finds the runs.
func (o *optimizer) divide() {
	o.runs = o.runs[:0]
	at := 0 // of the moments
	for n, p := range o.params {
		p.settle()
		size := padded(len(p.Value))
		if last := len(o.runs) - 1; last >= 0 && p.flat != nil {
			r := &o.runs[last]
			if r.flat == p.flat && r.decay == o.decay(p) && o.params[n-1].at+padded(len(o.params[n-1].Value)) == p.at {
				first := o.params[r.from].at
				r.to, r.value, r.grad = n+1, p.flat.values[first:p.at+size], p.flat.grads[first:p.at+size]
				for kind := range o.kinds {
					r.moments[kind] = o.kinds[kind][at-(p.at-first) : at+size]
				}
				at += size
				continue
			}
		}
		r := run{from: n, to: n + 1, flat: p.flat, decay: o.decay(p), value: p.Value, grad: p.Grad}
		for kind := range o.kinds {
			r.moments[kind] = o.moments[kind][n]
		}
		o.runs = append(o.runs, r)
		at += size
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
