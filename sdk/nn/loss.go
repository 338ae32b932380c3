package nn

import (
	"math"
)

// CrossEntropy is -log softmax(logits)[class] of every row, [B, 1], for logits
// [B, C] and classes from 0 to C-1. The list is not copied.
func (t *Tape) CrossEntropy(logits *Var, class []int32) *Var {
	checkClasses("cross entropy", logits, class)
	p := t.arena.alloc(len(logits.Value))
	out := t.op(logits.Rows, 1, record{a: logits, rows: class, values: p, run: func(t *Tape, r *record) {
		out, logits, class, p := r.out, r.a, r.rows, r.values
		for i, g := range out.Grad {
			if g == 0 {
				continue
			}
			d := logits.gradRow(i)
			for j, v := range p[i*len(d) : (i+1)*len(d)] {
				d[j] += g * v
			}
			d[class[i]] -= g
		}
	}})
	for i := range out.Value {
		z := logits.row(i)
		norm := probabilities(p[i*len(z):(i+1)*len(z)], z)
		out.Value[i] = float32(norm - float64(z[class[i]]))
	}
	return out
}

// BCE is the binary cross-entropy with logits of every row, [B, 1], for one outcome
// or many (multi-label): the mean over
// the columns whose target is not NaN, and 0 for a row without any. Targets are
// [B*C], from 0 to 1, and not copied.
func (t *Tape) BCE(logits *Var, targets []float32) *Var {
	checkLength("binary cross entropy", "targets", len(targets), len(logits.Value))
	var scratch []float32
	if logits.Cols >= wideRow {
		scratch = t.Scratch(logits.Cols)
	}
	out := t.op(logits.Rows, 1, record{a: logits, values: targets, more: scratch, run: func(t *Tape, r *record) {
		out, logits, targets := r.out, r.a, r.values
		for i, g := range out.Grad {
			if g == 0 {
				continue
			}
			z, d := logits.row(i), logits.gradRow(i)
			y := targets[i*len(z) : (i+1)*len(z)]
			n := present(y)
			share := g / float32(max(1, n))
			if n == len(z) && n >= wideRow {
				s := r.more
				logistic(s, z)
				minus(s, s, y)
				addScaled(d, share, s)
				continue
			}
			for j, target := range y {
				if target == target {
					d[j] += share * (sigmoid32(z[j]) - target)
				}
			}
		}
	}})
	for i := range out.Value {
		z := logits.row(i)
		y := targets[i*len(z) : (i+1)*len(z)]
		sum := binaryEntropy(z, y, scratch)
		out.Value[i] = float32(sum / float64(max(1, present(y))))
	}
	return out
}

// factors is how many numbers of at most 2 are multiplied before their logarithm is
// taken: their product is in the range of float64.
const factors = 512

// binaryEntropy is the sum of the binary cross-entropies of a row whose target is
// not NaN. scratch is as long as a wide row.
func binaryEntropy(z, y, scratch []float32) float64 {
	var sum float64
	if len(z) < wideRow {
		for j, target := range y {
			if target == target {
				v := float64(z[j])
				sum += max(v, 0) - v*float64(target) + math.Log1p(math.Exp(-math.Abs(v)))
			}
		}
		return sum
	}
	for j, v := range z {
		scratch[j] = -float32(math.Abs(float64(v)))
	}
	exponential(scratch, scratch)
	for len(z) > 0 {
		n := min(len(z), factors)
		product := 1.0
		for j, target := range y[:n] {
			if target == target {
				v := float64(z[j])
				sum += max(v, 0) - v*float64(target)
				product *= 1 + float64(scratch[j])
			}
		}
		sum += math.Log(product)
		z, y, scratch = z[n:], y[n:], scratch[n:]
	}
	return sum
}

// present counts the values that are not NaN.
func present(y []float32) int {
	n := 0
	for _, v := range y {
		if v == v {
			n++
		}
	}
	return n
}

// wideRow is the number of columns from which on probabilities go through the
// vectorised exponential: fewer are as fast in float64.
const wideRow = 16

// probabilities writes the softmax of z to p and returns log Σ exp z.
func probabilities(p, z []float32) float64 {
	if len(z) < wideRow {
		norm := logNormalizer(z)
		for j, v := range z {
			p[j] = float32(math.Exp(float64(v) - norm))
		}
		return norm
	}
	top := z[0]
	for _, v := range z[1:] {
		top = max(top, v)
	}
	if math.IsInf(float64(top), 0) || top != top {
		for j, v := range z {
			p[j] = float32(math.Exp(float64(v) - float64(top)))
		}
		return float64(top)
	}
	for j, v := range z {
		p[j] = v - top
	}
	exponential(p, p)
	sum := sum64(p)
	f := float32(1 / sum)
	for j := range p {
		p[j] *= f
	}
	return float64(top) + math.Log(sum)
}

// logNormalizer is log Σ exp z.
func logNormalizer(z []float32) float64 {
	top := math.Inf(-1)
	for _, v := range z {
		top = max(top, float64(v))
	}
	if math.IsInf(top, 0) || math.IsNaN(top) {
		return top
	}
	var sum float64
	for _, v := range z {
		sum += math.Exp(float64(v) - top)
	}
	return top + math.Log(sum)
}
