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
	return t.CrossAttention(q, k, v, heads, tokens, tokens, mask)
}

// CrossAttention is Attention of queries to the keys and values of others: every
// row of the batch has queries rows in q [B·queries, d], and tokens rows in k, v
// [B·tokens, d] and the mask [B·tokens].
func (t *Tape) CrossAttention(q, k, v *Var, heads, queries, tokens int, mask []bool) *Var {
	checkSame("attention", k, v)
	if heads < 1 || q.Cols%heads != 0 {
		panic(fmt.Sprintf("nn: attention: %d columns for %d heads", q.Cols, heads))
	}
	if tokens < 1 || k.Rows%tokens != 0 {
		panic(fmt.Sprintf("nn: attention: %d rows for %d tokens", k.Rows, tokens))
	}
	if queries < 1 {
		panic(fmt.Sprintf("nn: attention: %d queries", queries))
	}
	checkShape("attention", "the query", q, k.Rows/tokens*queries, k.Cols)
	if mask != nil {
		checkLength("attention", "keys in the mask", len(mask), k.Rows)
	}
	a := t.attentions.take()
	*a = attention{q: q, k: k, v: v, heads: heads, queries: queries, tokens: tokens, width: q.Cols / heads, mask: mask}
	a.scale = float32(1 / math.Sqrt(float64(a.width)))
	a.weights = t.arena.alloc(q.Rows * tokens * heads)
	a.keys = t.ints.alloc(tokens)[:0]
	out := t.op(q.Rows, q.Cols, record{a: q, b: k, c: v, op: a})
	if q.Cols > 0 {
		a.forward(out)
	}
	return out
}

type attention struct {
	q, k, v                       *Var
	heads, queries, tokens, width int
	mask                          []bool
	scale                         float32
	// weights are [B·queries, heads, tokens]; the last are those of the keys that
	// are seen, one after the other.
	weights []float32
	keys    []int // that the rows at hand see, as offsets in a matrix
}

func (a *attention) forward(out *Var) {
	clear(out.Value)
	for row := range a.k.Rows / a.tokens {
		if !a.look(row) {
			continue
		}
		for query := row * a.queries; query < (row+1)*a.queries; query++ {
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
	for row := range a.k.Rows / a.tokens {
		if !a.look(row) {
			continue
		}
		slopes := slopes[:len(a.keys)]
		for query := row * a.queries; query < (row+1)*a.queries; query++ {
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

// look finds the keys that a row of the batch sees, and reports whether there are
// any.
func (a *attention) look(row int) bool {
	a.keys = a.keys[:0]
	for key := row * a.tokens; key < (row+1)*a.tokens; key++ {
		if a.mask == nil || a.mask[key] {
			a.keys = append(a.keys, key*a.q.Cols)
		}
	}
	return len(a.keys) > 0
}

// row are the weights of a query over the keys it sees.
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

// MultiHeadAttention is a layer of self-attention or, with ApplyCross, of attention
// to others.
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
	return m.ApplyCross(t, x, x, tokens, tokens, mask)
}

// ApplyCross lets x [B·queries, width] attend to y [B·tokens, width]; the result has
// the shape of x. See Tape.CrossAttention for the mask.
func (m *MultiHeadAttention) ApplyCross(t *Tape, x, y *Var, queries, tokens int, mask []bool) *Var {
	q, k, v := m.Query.Apply(t, x), m.Key.Apply(t, y), m.Value.Apply(t, y)
	return m.Out.Apply(t, t.CrossAttention(q, k, v, m.Heads, queries, tokens, mask))
}
