package nn

import (
	"fmt"
	"math"
)

// GCE is the generalised cross-entropy (1 - p^q)/q of every row, [B, 1], with the
// probability p that softmax gives the class (Zhang and Sabuncu, NeurIPS 2018,
// equation 6), for logits [B, C], classes from 0 to C-1 and q in (0, 1]: near 0 it
// is the cross-entropy, at 1 the mean absolute error. The list is not copied.
func (t *Tape) GCE(logits *Var, class []int32, q float64) *Var {
	checkClasses("generalised cross entropy", logits, class)
	if !(q > 0 && q <= 1) {
		panic(fmt.Sprintf("nn: generalised cross entropy: q is %v, want it above 0 and at most 1", q))
	}
	p := t.arena.alloc(len(logits.Value))
	weight := t.arena.alloc(logits.Rows) // p^q of the class
	out := t.op(logits.Rows, 1, record{a: logits, rows: class, values: p, more: weight, run: func(_ *Tape, r *record) {
		for i, g := range r.out.Grad {
			g *= r.more[i]
			if g == 0 {
				continue
			}
			d := r.a.gradRow(i)
			addScaled(d, g, r.values[i*len(d):(i+1)*len(d)])
			d[r.rows[i]] -= g
		}
	}})
	for i := range out.Value {
		z := logits.row(i)
		norm := probabilities(p[i*len(z):(i+1)*len(z)], z)
		power := q * (float64(z[class[i]]) - norm)
		weight[i] = float32(math.Exp(power))
		// expm1 keeps the digits where the power is small.
		out.Value[i] = float32(-math.Expm1(power) / q)
	}
	return out
}
