package encoder

import (
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// bands and frequency are those of the Fourier features: sin and cos of πfx for as many
// f from 1 to frequency/2, and x itself, where x runs from -1 to 1 over the steps.
const (
	bands     = 2
	frequency = 10
)

// Raw reads a modality for models that attend to its parts: a sequence has one token
// for each time step, with Fourier features of its position (as in Jaegle et al.,
// Perceiver, ICML 2021) after its columns; anything else is one token.
type Raw struct {
	modality  int
	width     int
	length    int       // 0 if it is no sequence
	positions []float32 // [length, 2 bands + 1]
	seen      []bool
}

// NewRaw reads modality m of c.
func NewRaw(c backbone.Config, m int) *Raw {
	r := &Raw{modality: m, width: c.Modalities[m].Width}
	if c.Modalities[m].Kind == sdk.Sequence {
		r.length = c.Modalities[m].Length
		r.positions = fourier(r.length)
	}
	return r
}

// Sequence reports whether the tokens are time steps.
func (r *Raw) Sequence() bool { return r.length > 0 }

// Tokens is the number of tokens of a row.
func (r *Raw) Tokens() int { return max(1, r.length) }

// Columns is the width of a token.
func (r *Raw) Columns() int {
	if r.Sequence() {
		return r.width + 2*bands + 1
	}
	return r.width
}

// Read returns the tokens of the n rows that have the modality, [n·Tokens, Columns],
// which of them are within the length of their sequence, nil if all are, and the rows;
// nil if there are none. The slices are valid until the next Read.
func (r *Raw) Read(t *nn.Tape, b *backbone.Batch) (tokens *nn.Var, seen []bool, rows []int32) {
	rows = b.Observed(r.modality)
	if rows == nil {
		return nil, nil, nil
	}
	x := b.Features(r.modality, rows)
	if !r.Sequence() {
		return t.Const(len(rows), r.width, x), nil, rows
	}
	features, cols := 2*bands+1, r.Columns()
	steps := t.Scratch(len(rows) * r.length * cols)
	r.seen = r.seen[:0]
	for i, n := range b.Lengths(r.modality, rows) {
		for s := range r.length {
			at := i*r.length + s
			step := steps[at*cols : (at+1)*cols]
			copy(step, x[at*r.width:(at+1)*r.width])
			copy(step[r.width:], r.positions[s*features:(s+1)*features])
			r.seen = append(r.seen, s < int(n))
		}
	}
	return t.Const(len(rows)*r.length, cols, steps), r.seen, rows
}

// fourier are the features of the positions of n steps, [n, 2 bands + 1].
func fourier(n int) []float32 {
	var out []float32
	for i := range n {
		x := -1.0
		if n > 1 {
			x += 2 * float64(i) / float64(n-1)
		}
		for _, f := range []func(float64) float64{math.Sin, math.Cos} {
			for k := range bands {
				scale := 1 + (frequency/2.0-1)*float64(k)/(bands-1)
				out = append(out, float32(f(math.Pi*scale*x)))
			}
		}
		out = append(out, float32(x))
	}
	return out
}
