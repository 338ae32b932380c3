package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
)

// Attention is scaled dot-product attention with heads (Vaswani et al., NeurIPS
// 2017, equation 1): every row of the batch has tokens rows in q, k and v
// [B·tokens, d], head h uses columns h·d/heads and on. Keys with mask false take no
// part; nil allows all. Where a row of the batch has no key, its output is zero.
// The mask [B·tokens] is not copied.
func (t *Tape) Attention(q, k, v *Var, heads, tokens int, mask []bool) *Var {
	checkSame("attention", q, k)
	checkSame("attention", q, v)
	if heads < 1 || q.Cols%heads != 0 {
		panic(fmt.Sprintf("nn: attention: %d columns for %d heads", q.Cols, heads))
	}
	if tokens < 1 || q.Rows%tokens != 0 {
		panic(fmt.Sprintf("nn: attention: %d rows for %d tokens", q.Rows, tokens))
	}
	if mask != nil {
		checkLength("attention", "keys in the mask", len(mask), q.Rows)
	}
	a := &attention{q: q, k: k, v: v, heads: heads, tokens: tokens, width: q.Cols / heads, mask: mask}
	a.scale = float32(1 / math.Sqrt(float64(a.width)))
	a.weights = t.arena.alloc(q.Rows * tokens * heads)
	out := t.op(q.Rows, q.Cols, func(out *Var) { a.backward(t, out) }, q, k, v)
	a.forward(out)
	return out
}

type attention struct {
	q, k, v              *Var
	heads, tokens, width int
	mask                 []bool
	scale                float32
	weights              []float32 // [B, heads, tokens, tokens]
}

func (a *attention) forward(out *Var) {
	clear(out.Value)
	a.each(func(weights []float32, query int, columns int) {
		y := out.row(query)[columns : columns+a.width]
		x := a.q.row(query)[columns : columns+a.width]
		first := query / a.tokens * a.tokens
		for j := range weights {
			weights[j] = float32(math.Inf(-1))
			if a.sees(first + j) {
				weights[j] = a.scale * dot(x, a.k.row(first + j)[columns:columns+a.width])
			}
		}
		softmax(weights, weights)
		for j, w := range weights {
			if a.sees(first + j) {
				addScaled(y, w, a.v.row(first + j)[columns:columns+a.width])
			}
		}
	})
}

func (a *attention) backward(t *Tape, out *Var) {
	slopes := t.Scratch(a.tokens)
	a.each(func(weights []float32, query int, columns int) {
		dy := out.gradRow(query)[columns : columns+a.width]
		first := query / a.tokens * a.tokens
		var mean float64
		for j, w := range weights {
			if !a.sees(first + j) {
				continue
			}
			if a.v.Grad != nil {
				addScaled(a.v.gradRow(first + j)[columns:columns+a.width], w, dy)
			}
			slopes[j] = dot(dy, a.v.row(first + j)[columns:columns+a.width])
			mean += float64(w) * float64(slopes[j])
		}
		for j, w := range weights {
			if !a.sees(first + j) {
				continue
			}
			d := a.scale * w * (slopes[j] - float32(mean))
			if a.q.Grad != nil {
				addScaled(a.q.gradRow(query)[columns:columns+a.width], d, a.k.row(first + j)[columns:columns+a.width])
			}
			if a.k.Grad != nil {
				addScaled(a.k.gradRow(first + j)[columns:columns+a.width], d, a.q.row(query)[columns:columns+a.width])
			}
		}
	})
}

// each calls f for every head of every query with its weights over the keys and
// its first column.
func (a *attention) each(f func(weights []float32, query int, columns int)) {
	rest := a.weights
	for query := range a.q.Rows {
		for h := range a.heads {
			f(rest[:a.tokens], query, h*a.width)
			rest = rest[a.tokens:]
		}
	}
}

func (a *attention) sees(key int) bool { return a.mask == nil || a.mask[key] }

// dot is the inner product.
func dot(x, y []float32) float32 {
	y = y[:len(x)]
	var sum float32
	for i, v := range x {
		sum += v * y[i]
	}
	return sum
}

// KeyMask is the mask of Attention for tokens that stand for modalities: bit m of
// a row's availability is its token m.
func KeyMask(availability []uint64, tokens int) []bool {
	mask := make([]bool, 0, len(availability)*tokens)
	for _, a := range availability {
		for m := range tokens {
			mask = append(mask, a>>m&1 == 1)
		}
	}
	return mask
}

// MultiHeadAttention is a layer of self-attention.
type MultiHeadAttention struct {
	Heads                  int
	Query, Key, Value, Out *Linear
}

// NewMultiHeadAttention makes the projections name.query, name.key, name.value and
// name.out. Heads must divide width.
func NewMultiHeadAttention(ps *Params, name string, width, heads int, r *rand.Rand) *MultiHeadAttention {
	if heads < 1 || width%heads != 0 {
		panic(fmt.Sprintf("nn: attention %s: %d columns for %d heads", name, width, heads))
	}
	return &MultiHeadAttention{
		Heads: heads,
		Query: NewLinear(ps, name+".query", width, width, r),
		Key:   NewLinear(ps, name+".key", width, width, r),
		Value: NewLinear(ps, name+".value", width, width, r),
		Out:   NewLinear(ps, name+".out", width, width, r),
	}
}

// Apply maps x [B·tokens, width] to the same shape; see Tape.Attention for the
// mask.
func (m *MultiHeadAttention) Apply(t *Tape, x *Var, tokens int, mask []bool) *Var {
	q, k, v := m.Query.Apply(t, x), m.Key.Apply(t, x), m.Value.Apply(t, x)
	return m.Out.Apply(t, t.Attention(q, k, v, m.Heads, tokens, mask))
}
