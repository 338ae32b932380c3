package nn

import (
	"fmt"
	"math/rand/v2"
)

// FeedForward is the network of a transformer layer in its pre-norm form, with its
// residual: x + W₂ dropout(GELU(W₁ norm(x))).
type FeedForward struct {
	Norm         *LayerNorm
	Wide, Narrow *Linear
	Dropout      float64
}

// NewFeedForward makes the parameters name.norm, name.wide [width, wide] and
// name.narrow.
func NewFeedForward(ps *Params, name string, width, wide int, dropout float64, r *rand.Rand) *FeedForward {
	return &FeedForward{
		Norm:    NewLayerNorm(ps, name+".norm", width),
		Wide:    NewLinear(ps, name+".wide", width, wide, r),
		Narrow:  NewLinear(ps, name+".narrow", wide, width, r),
		Dropout: dropout,
	}
}

// Apply maps x [n, width] to the same shape; nil draws nothing.
func (l *FeedForward) Apply(t *Tape, x *Var, r *rand.Rand) *Var {
	y := t.GELU(l.Wide.Apply(t, l.Norm.Apply(t, x)))
	return l.Narrow.ApplyAdd(t, x, t.Dropout(y, l.Dropout, r))
}

// TokenAttention is multi-head self-attention among the tokens that each row has, in
// its pre-norm form and with its residual: x + dropout(merge(attention(norm(x)))).
// Tokens that do not exist are neither queries nor keys.
type TokenAttention struct {
	Norm                     *LayerNorm
	Query, Key, Value, Merge *Linear
	Heads                    int
	Dropout                  float64
}

// NewTokenAttention makes the parameters name.norm, name.query, name.key, name.value
// and name.merge. Heads must divide width.
func NewTokenAttention(ps *Params, name string, width, heads int, dropout float64, r *rand.Rand) *TokenAttention {
	if heads < 1 || width%heads != 0 {
		panic(fmt.Sprintf("nn: attention %s: %d columns for %d heads", name, width, heads))
	}
	return &TokenAttention{
		Norm:    NewLayerNorm(ps, name+".norm", width),
		Query:   NewLinear(ps, name+".query", width, width, r),
		Key:     NewLinear(ps, name+".key", width, width, r),
		Value:   NewLinear(ps, name+".value", width, width, r),
		Merge:   NewLinear(ps, name+".merge", width, width, r),
		Heads:   heads,
		Dropout: dropout,
	}
}

// Apply maps a stack of tokens [n, width] to its first keep rows, all for keep < 0:
// after the last layer often nothing reads the others.
func (l *TokenAttention) Apply(t *Tape, x *Var, tokens *Tokens, keep int, r *rand.Rand) *Var {
	z := l.Norm.Apply(t, x)
	q, k, v := l.Query.Apply(t, z), l.Key.Apply(t, z), l.Value.Apply(t, z)
	y := t.Gather(t.AttentionAt(q, k, v, l.Heads, tokens.PerRow, tokens.stacked(t), tokens.Seen), tokens.Place)
	if keep >= 0 {
		x, y = t.Rows(x, 0, keep), t.Rows(y, 0, keep)
	}
	if r == nil || l.Dropout == 0 {
		return l.Merge.ApplyAdd(t, x, y)
	}
	return t.Add(x, t.Dropout(l.Merge.Apply(t, y), l.Dropout, r))
}

// TransformerLayer is a layer of the transformer encoder in its pre-norm form (Xiong
// et al., On Layer Normalization in the Transformer Architecture, ICML 2020).
type TransformerLayer struct {
	Attention *TokenAttention
	Network   *FeedForward
}

// NewTransformerLayer makes the parameters of name.attention and name.network, which
// is four times as wide.
func NewTransformerLayer(ps *Params, name string, width, heads int, dropout float64, r *rand.Rand) *TransformerLayer {
	return &TransformerLayer{
		Attention: NewTokenAttention(ps, name+".attention", width, heads, dropout, r),
		Network:   NewFeedForward(ps, name+".network", width, 4*width, dropout, r),
	}
}

// Apply is the network after the attention; see TokenAttention for keep.
func (l *TransformerLayer) Apply(t *Tape, x *Var, tokens *Tokens, keep int, r *rand.Rand) *Var {
	return l.Network.Apply(t, l.Attention.Apply(t, x, tokens, keep, r), r)
}
