package main

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
)

// problem is a logistic regression with an L1 penalty on the coefficients, of one
// logit or, with classes, of a softmax.
type problem struct {
	width, outputs int
	regularisation float64
	x              []float64 // [rows, width]
	labels         []int
	fixed          []bool // classes that no row has: their logits are not learnt
}

const (
	iterations = 20000
	converged  = 1e-10 // largest change of a parameter, relative to the largest
)

func newProblem(task sdk.Task, width int, regularisation float64) *problem {
	return &problem{width: width, outputs: task.Outputs(), regularisation: regularisation}
}

// solve returns coefficients [width, outputs] and intercepts [outputs]; start is a
// solution of a similar problem, or nil. It is FISTA (Beck and Teboulle, SIAM J.
// Imaging Sciences 2009) with backtracking, and with restarts where the momentum
// points uphill (O'Donoghue and Candès, Found. Comput. Math. 2015). Where one class
// alone is there, its share, one row of every other added, is all that is said.
func (p *problem) solve(start []float64) []float64 {
	now, several := p.start(start)
	if !several {
		return now
	}
	ahead, momentum := append([]float64(nil), now...), 1.0
	lipschitz := 1.0
	gradient := make([]float64, len(now))
	for range iterations {
		value := p.loss(ahead, gradient)
		next := make([]float64, len(now))
		for {
			bound := value
			for i, g := range gradient {
				next[i] = ahead[i] - g/lipschitz
				if i < p.width*p.outputs {
					next[i] = soft(next[i], p.regularisation/lipschitz)
				}
				d := next[i] - ahead[i]
				bound += d * (g + lipschitz/2*d)
			}
			if p.loss(next, nil) <= bound+1e-12*math.Abs(bound) || lipschitz > 1e12 {
				break
			}
			lipschitz *= 2
		}
		var uphill, change, size float64
		for i, v := range next {
			uphill += (ahead[i] - v) * (v - now[i])
			change, size = max(change, math.Abs(v-now[i])), max(size, math.Abs(v))
		}
		before := now
		now = next
		if change <= converged*max(size, 1) && momentum > 1 {
			break
		}
		following := (1 + math.Sqrt(1+4*momentum*momentum)) / 2
		factor := (momentum - 1) / following
		if uphill > 0 {
			factor, following = 0, 1
		}
		for i, v := range now {
			ahead[i] = v + factor*(v-before[i])
		}
		momentum = following
	}
	return now
}

// start are the first parameters, and whether several classes are there.
func (p *problem) start(similar []float64) (now []float64, several bool) {
	classes := max(p.outputs, 2)
	count := make([]float64, classes)
	for _, y := range p.labels {
		count[y]++
	}
	there := 0
	p.fixed = make([]bool, classes)
	for y, n := range count {
		if n > 0 {
			there++
		} else {
			p.fixed[y] = true
		}
	}
	now = make([]float64, (p.width+1)*p.outputs)
	bias := now[p.width*p.outputs:]
	if p.outputs == 1 {
		bias[0] = math.Log((count[1] + 1) / (count[0] + 1))
	} else {
		for y, n := range count {
			bias[y] = math.Log((n + 1) / float64(len(p.labels)))
		}
	}
	if similar != nil && there == classes {
		copy(now, similar)
	}
	return now, there > 1
}

// loss is the mean cross-entropy; gradient, if not nil, is overwritten.
func (p *problem) loss(at, gradient []float64) float64 {
	clear(gradient)
	var sum float64
	logits := make([]float64, p.outputs)
	n := float64(len(p.labels))
	for i, y := range p.labels {
		x := p.x[i*p.width : (i+1)*p.width]
		copy(logits, at[p.width*p.outputs:])
		for j, v := range x {
			for c := range logits {
				logits[c] += v * at[j*p.outputs+c]
			}
		}
		if p.outputs == 1 {
			z := logits[0]
			sum += max(z, 0) - z*float64(y) + math.Log1p(math.Exp(-math.Abs(z)))
		} else {
			sum -= logits[y] - logSum(logits)
		}
		if gradient == nil {
			continue
		}
		probabilities(logits)
		if p.outputs == 1 {
			logits[0] -= float64(y)
		} else {
			logits[y]--
		}
		for c, g := range logits {
			if p.outputs > 1 && p.fixed[c] {
				continue
			}
			for j, v := range x {
				gradient[j*p.outputs+c] += g * v / n
			}
			gradient[p.width*p.outputs+c] += g / n
		}
	}
	return sum / n
}

// soft is the proximal operator of t times the absolute value.
func soft(v, t float64) float64 {
	return math.Copysign(max(math.Abs(v)-t, 0), v)
}

// probabilities turns logits into them: one by a sigmoid, more by a softmax.
func probabilities(logits []float64) {
	if len(logits) == 1 {
		logits[0] = 1 / (1 + math.Exp(-logits[0]))
		return
	}
	norm := logSum(logits)
	for c, z := range logits {
		logits[c] = math.Exp(z - norm)
	}
}

func logSum(logits []float64) float64 {
	top := math.Inf(-1)
	for _, z := range logits {
		top = max(top, z)
	}
	var sum float64
	for _, z := range logits {
		sum += math.Exp(z - top)
	}
	return top + math.Log(sum)
}
