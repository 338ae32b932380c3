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
	a.keys = make([]int, 0, tokens)
	out := t.op(q.Rows, q.Cols, func(out *Var) { a.backward(t, out) }, q, k, v)
	if q.Cols > 0 {
		a.forward(out)
	}
	return out
}

type attention struct {
	q, k, v              *Var
	heads, tokens, width int
	mask                 []bool
	scale                float32
	// weights are [B·tokens, heads, tokens]; the last are those of the keys that
	// are seen, one after the other.
	weights []float32
	keys    []int // that the rows at hand see, as offsets in a matrix
}

func (a *attention) forward(out *Var) {
	clear(out.Value)
	for first := 0; first < a.q.Rows; first += a.tokens {
		if !a.look(first) {
			continue
		}
		for query := first; query < first+a.tokens; query++ {
			y, x := out.row(query), a.q.row(query)
			for h := range a.heads {
				from, to := h*a.width, (h+1)*a.width
				weights := a.row(query, h)
				attendScores(weights, a.keys, x[from:to], a.k.Value[from:], a.scale)
				softmax(weights, weights)
				attendMix(y[from:to], a.keys, weights, a.v.Value[from:])
			}
		}
	}
}

func (a *attention) backward(t *Tape, out *Var) {
	slopes := t.Scratch(a.tokens)
	for first := 0; first < a.q.Rows; first += a.tokens {
		if !a.look(first) {
			continue
		}
		slopes := slopes[:len(a.keys)]
		for query := first; query < first+a.tokens; query++ {
			dy := out.gradRow(query)
			if zero(dy) {
				continue
			}
			for h := range a.heads {
				a.backwardHead(slopes, dy, query, h)
			}
		}
	}
}

// backwardHead is backward for one head of one query; slopes are overwritten.
func (a *attention) backwardHead(slopes, dy []float32, query, head int) {
	from, to := head*a.width, (head+1)*a.width
	weights := a.row(query, head)
	dy = dy[from:to]
	if a.v.Grad != nil {
		attendSpread(a.v.Grad[from:], a.keys, weights, dy)
	}
	attendScores(slopes, a.keys, dy, a.v.Value[from:], 1)
	var mean float64
	for j, w := range weights {
		mean += float64(w) * float64(slopes[j])
	}
	for j, w := range weights {
		slopes[j] = a.scale * w * (slopes[j] - float32(mean))
	}
	if a.q.Grad != nil {
		attendMix(a.q.gradRow(query)[from:to], a.keys, slopes, a.k.Value[from:])
	}
	if a.k.Grad != nil {
		attendSpread(a.k.Grad[from:], a.keys, slopes, a.q.row(query)[from:to])
	}
}

// look finds the keys that the rows from first on see, and reports whether there
// are any.
func (a *attention) look(first int) bool {
	a.keys = a.keys[:0]
	for key := first; key < first+a.tokens; key++ {
		if a.mask == nil || a.mask[key] {
			a.keys = append(a.keys, key*a.q.Cols)
		}
	}
	return len(a.keys) > 0
}

// row is the weights of a query over the keys it sees.
func (a *attention) row(query, head int) []float32 {
	at := (query*a.heads + head) * a.tokens
	return a.weights[at : at+len(a.keys)]
}

// zero reports whether all values are zero.
func zero(x []float32) bool {
	for _, v := range x {
		if v != 0 {
			return false
		}
	}
	return true
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
