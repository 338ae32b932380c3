package nn

// KL is the Kullback-Leibler divergence Σ p·log(p/q) of every row, [B, 1], of the
// softmax p of a from the softmax q of b, both logits [B, C]. The gradient goes to
// both: detach the one that is a target.
func (t *Tape) KL(a, b *Var) *Var {
	checkSame("kl divergence", a, b)
	p, q := t.arena.alloc(len(a.Value)), t.arena.alloc(len(b.Value))
	out := t.op(a.Rows, 1, record{a: a, b: b, values: p, more: q, run: func(_ *Tape, r *record) {
		a, b := r.a, r.b
		for i, g := range r.out.Grad {
			p, q := r.values[i*a.Cols:(i+1)*a.Cols], r.more[i*a.Cols:(i+1)*a.Cols]
			if b.Grad != nil {
				addScaled(b.gradRow(i), g, q)
				addScaled(b.gradRow(i), -g, p)
			}
			if a.Grad == nil {
				continue
			}
			d, x, y := a.gradRow(i), a.row(i), b.row(i)
			// The difference of logits is that of log probabilities up to a constant,
			// which its mean under p takes away.
			var mean float64
			for j, v := range p {
				if v > 0 {
					mean += float64(v) * (float64(x[j]) - float64(y[j]))
				}
			}
			for j, v := range p {
				if v > 0 {
					d[j] += g * float32(float64(v)*(float64(x[j])-float64(y[j])-mean))
				}
			}
		}
	}})
	for i := range out.Value {
		x, y := a.row(i), b.row(i)
		p, q := p[i*a.Cols:(i+1)*a.Cols], q[i*a.Cols:(i+1)*a.Cols]
		normA, normB := probabilities(p, x), probabilities(q, y)
		var sum float64
		for j, f := range p {
			if f > 0 {
				sum += float64(f) * (float64(x[j]) - normA - (float64(y[j]) - normB))
			}
		}
		out.Value[i] = float32(sum)
	}
	return out
}
