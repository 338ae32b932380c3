package nn

import (
	"fmt"
	"math/rand/v2"
)

// Dropout sets elements to zero with probability rate and multiplies the others
// by 1/(1-rate). It is x itself if r is nil (no training) or rate is 0. Elements
// draw in row-major order.
func (t *Tape) Dropout(x *Var, rate float64, r *rand.Rand) *Var {
	if !(rate >= 0 && rate < 1) {
		panic(fmt.Sprintf("nn: dropout: the rate %v is not at least 0 and below 1", rate))
	}
	if r == nil || rate == 0 {
		return x
	}
	keep := float32(1 / (1 - rate))
	mask := t.Scratch(len(x.Value))
	for i := range mask {
		if r.Float64() >= rate {
			mask[i] = keep
		}
	}
	out := t.op(x.Rows, x.Cols, func(out *Var) { addProduct(x.Grad, out.Grad, mask) }, x)
	for i, v := range x.Value {
		out.Value[i] = v * mask[i]
	}
	return out
}
