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
	return t.attend(&attention{q: q, k: k, v: v, tokens: tokens, queries: queries, mask: mask}, heads, k.Rows/tokens)
}

// AttentionAt is Attention of the matrices that Gather makes of q, k and v [·, d] with
// rows, one for each of the tokens of every row of the batch, which it does not make. A
// row may be named repeatedly: what tokens have in common is computed once. At -1 there
// is no token: it is no key, and its output is zero. The list and the mask, as long, are
// not copied.
func (t *Tape) AttentionAt(q, k, v *Var, heads, tokens int, rows []int32, mask []bool) *Var {
	checkSame("attention", q, k)
	checkSame("attention", k, v)
	if heads < 1 || q.Cols%heads != 0 {
		panic(fmt.Sprintf("nn: attention: %d columns for %d heads", q.Cols, heads))
	}
	if tokens < 1 || len(rows)%tokens != 0 {
		panic(fmt.Sprintf("nn: attention: %d rows for %d tokens", len(rows), tokens))
	}
	for _, row := range rows {
		if row != -1 {
			checkRow("attention", row, q.Rows)
		}
	}
	if mask != nil {
		checkLength("attention", "keys in the mask", len(mask), len(rows))
	}
	return t.attend(&attention{q: q, k: k, v: v, tokens: tokens, queries: tokens, rows: rows, mask: mask}, heads, len(rows)/tokens)
}

// attend records one of the operations above on a batch.
func (t *Tape) attend(op *attention, heads, batch int) *Var {
	a := t.attentions.take()
	*a = *op
	a.batch, a.shape = batch, attendShape{heads, a.q.Cols / heads}
	a.scale = float32(1 / math.Sqrt(float64(a.shape.width)))
	a.weights = t.arena.alloc(batch * a.size())
	a.from, a.to, a.keys = t.ints.alloc(a.queries)[:0], t.ints.alloc(a.queries)[:0], t.ints.alloc(a.tokens)[:0]
	out := t.op(batch*a.queries, a.q.Cols, record{a: a.q, b: a.k, c: a.v, op: a, first: true})
	if out.Cols > 0 {
		t.pack.work += 2 * a.forward(out)
	}
	return out
}

type attention struct {
	q, k, v                *Var
	batch, queries, tokens int
	shape                  attendShape
	mask                   []bool
	rows                   []int32 // of q, k and v, for every token; nil for one after the other
	scale                  float32
	// weights are [B, queries, heads, tokens]; the first of each row of the batch are
	// those of the queries and keys that there are, one after the other.
	weights []float32
	// from are the queries of the row at hand in q and to in the output, and keys the
	// keys in k and v, as offsets.
	from, to, keys []int
}

// whole reports whether every row of the matrices is there, once.
func (a *attention) whole() bool { return a.rows == nil && a.mask == nil }

// forward answers the work of one of its two products.
func (a *attention) forward(out *Var) (work uint64) {
	whole := a.whole()
	if !whole {
		clear(out.Value)
	}
	for row := range a.batch {
		if !a.look(row) {
			continue
		}
		weights := a.row(row)
		a.shape.scores(weights, a.q.Value, a.from, a.k.Value, a.keys, a.scale)
		softmaxRows(weights, weights, len(a.keys))
		a.shape.mix(out.Value, a.to, weights, a.v.Value, a.keys, whole)
		work += uint64(len(weights) * a.shape.width)
	}
	return work
}

func (a *attention) backward(t *Tape, out *Var) {
	// Gradients that are fresh are written row by row, if there is every row.
	var fresh [3]bool
	for i, x := range [...]*Var{a.v, a.q, a.k} {
		if a.whole() {
			fresh[i] = x.fresh()
		}
		x.settle()
	}
	scratch := t.arena.alloc(a.size())
	size := a.queries * out.Cols
	for row := range a.batch {
		if zero(out.Grad[row*size:(row+1)*size]) || !a.look(row) {
			for i, x := range [...]*Var{a.v, a.q, a.k} {
				if rows := x.Rows / a.batch * x.Cols; fresh[i] {
					clear(x.Grad[row*rows : (row+1)*rows])
				}
			}
			continue
		}
		weights := a.row(row)
		t.pack.work += 4 * uint64(len(weights)*a.shape.width)
		if a.v.Grad != nil {
			a.shape.spread(a.v.Grad, a.keys, weights, out.Grad, a.to, fresh[0])
		}
		slopes := scratch[:len(weights)]
		a.shape.scores(slopes, out.Grad, a.to, a.v.Value, a.keys, 1)
		softmaxSlopes(slopes, weights, len(a.keys), a.scale)
		if a.q.Grad != nil {
			a.shape.mix(a.q.Grad, a.from, slopes, a.k.Value, a.keys, fresh[1])
		}
		if a.k.Grad != nil {
			a.shape.spread(a.k.Grad, a.keys, slopes, a.q.Value, a.from, fresh[2])
		}
	}
}

// look finds the queries and the keys of a row of the batch, and reports whether there
// are any.
func (a *attention) look(row int) bool {
	cols := a.q.Cols
	a.from, a.to, a.keys = a.from[:0], a.to[:0], a.keys[:0]
	for query := row * a.queries; query < (row+1)*a.queries; query++ {
		at := query
		if a.rows != nil {
			at = int(a.rows[query])
		}
		if at >= 0 {
			a.from, a.to = append(a.from, at*cols), append(a.to, query*cols)
		}
	}
	for key := row * a.tokens; key < (row+1)*a.tokens; key++ {
		at := key
		if a.rows != nil {
			at = int(a.rows[key])
		}
		if at >= 0 && (a.mask == nil || a.mask[key]) {
			a.keys = append(a.keys, at*cols)
		}
	}
	return len(a.from) > 0 && len(a.keys) > 0
}

// size is the largest number of weights of a row of the batch.
func (a *attention) size() int { return a.queries * a.shape.heads * a.tokens }

// row are the weights of the row of the batch that look was at.
func (a *attention) row(row int) []float32 {
	return a.weights[row*a.size():][:len(a.from)*a.shape.heads*len(a.keys)]
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
