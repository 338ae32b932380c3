package nn

import "math"

// normFloor is the least norm of a row that is divided by, as in PyTorch.
const normFloor = 1e-8

// Normalise divides every row of x by its Euclidean norm, or by 1e-8 if the norm is
// less.
func (t *Tape) Normalise(x *Var) *Var {
	inverse := t.arena.alloc(x.Rows)
	out := t.op(x.Rows, x.Cols, record{a: x, values: inverse, run: func(_ *Tape, r *record) {
		for i, f := range r.values {
			y, g := r.out.row(i), r.out.gradRow(i)
			addScaled(r.a.gradRow(i), f, g)
			if f < 1/normFloor {
				addScaled(r.a.gradRow(i), -f*float32(dot64(y, g)), y)
			}
		}
	}})
	for i := range inverse {
		z, y := x.row(i), out.row(i)
		f := float32(1 / max(math.Sqrt(dot64(z, z)), normFloor))
		inverse[i] = f
		for j, v := range z {
			y[j] = f * v
		}
	}
	return out
}

// Cosine is the cosine of the angle between the rows of a and b, [B, 1], each norm
// at least 1e-8.
func (t *Tape) Cosine(a, b *Var) *Var {
	checkSame("cosine", a, b)
	return t.SumCols(t.Mul(t.Normalise(a), t.Normalise(b)))
}

// Contrastive is the symmetric contrastive loss of pairs, [B, 1]: row i of a and of
// b, both [B, d], belong together and the others do not. It is the mean of the
// cross-entropies of the cosines over the temperature, of row i of a to all rows of
// b and of row i of b to all rows of a (Radford et al., ICML 2021, figure 3).
func (t *Tape) Contrastive(a, b *Var, temperature float64) *Var {
	checkSame("contrastive", a, b)
	if !(temperature > 0) {
		panic("nn: contrastive: the temperature is not positive")
	}
	logits := t.Scale(t.MatMulT(t.Normalise(a), t.Normalise(b)), 1/temperature)
	own := t.int32s.alloc(a.Rows)
	for i := range own {
		own[i] = int32(i)
	}
	return t.Scale(t.Add(t.CrossEntropy(logits, own), t.CrossEntropy(t.Transpose(logits), own)), 0.5)
}
