package graph_test

import (
	"fmt"
	"math"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// embeddings are two modalities with a learned row, or zeros, where they are missing:
// as Parts or, the same, as Blocks.
func embeddings(b *graph.Builder, cols int, learned, sparse bool) []*gorgonia.Node {
	var nodes []*gorgonia.Node
	for m, modality := range b.Config().Modalities {
		name := fmt.Sprintf("embedding %d", m)
		w := nn.NewLinear(b.Params(), name, modality.Width, cols, rng.Stream(1, name))
		var other *nn.Param
		if learned {
			other = b.Params().New(name+" missing", 1, cols, nn.Normal(rng.Stream(2, name), 1))
		}
		part := func(t *nn.Tape, batch *backbone.Batch) nn.Part {
			rows := batch.Observed(m)
			p := nn.Part{X: t.Const(0, cols, nil)}
			if len(rows) > 0 {
				p = nn.Part{X: w.Apply(t, t.Const(len(rows), modality.Width, batch.Features(m, rows))), Rows: rows}
			}
			if other != nil {
				p.Missing = t.Param(other)
			}
			return p
		}
		if sparse {
			nodes = append(nodes, b.Part(name, cols, part))
			continue
		}
		nodes = append(nodes, b.Block(name, cols, func(t *nn.Tape, batch *backbone.Batch) *nn.Var {
			p := part(t, batch)
			x := t.Scatter(p.X, p.Rows, batch.Size)
			if p.Missing == nil {
				return x
			}
			mask := make([]bool, batch.Size)
			for i := range mask {
				mask[i] = batch.Has(i, m)
			}
			return t.Where(mask, x, t.Repeat(p.Missing, batch.Size))
		}))
	}
	return nodes
}

// TestBuilder_Part holds graphs of Parts against the same of Blocks, and against
// differences: linear maps of parts side by side, operations on their rows, attention
// to tokens of them, and readers that must have a matrix.
func TestBuilder_Part(t *testing.T) {
	const rows, width = 5, 4
	graphs := map[string]func(b *graph.Builder, parts []*gorgonia.Node) *gorgonia.Node{
		"linear of columns": func(b *graph.Builder, parts []*gorgonia.Node) *gorgonia.Node {
			x := b.Columns(append(parts, b.Dense("own", b.Features(0), 16))...)
			return b.Sum(b.Dense("h", x, width), b.ReLU(b.Dense("rectified", x, width)))
		},
		"rows": func(b *graph.Builder, parts []*gorgonia.Node) *gorgonia.Node {
			x := b.LayerNorm("norm", b.GELU(b.Dense("x", parts[0], width)))
			return b.Sum(b.Tanh(x), b.Mul(b.Sigmoid(x), b.ReLU(b.Dense("y", parts[1], width))), b.Slice(parts[1], 1, width+1))
		},
		"columns of columns": func(b *graph.Builder, parts []*gorgonia.Node) *gorgonia.Node {
			x := b.Columns(b.Columns(parts...), parts[0])
			return b.Sum(b.Dense("h", x, width), b.Softmax(b.Slice(x, 30, 30+width)))
		},
		"attention": func(b *graph.Builder, parts []*gorgonia.Node) *gorgonia.Node {
			x := b.Reshape(b.Columns(parts...), rows*2, 16)
			q, k, v := b.Dense("q", x, 4), b.Dense("k", b.LayerNorm("norm", x), 4), b.Dense("v", x, 4)
			y := b.Sum(b.Attention(q, k, v, 2, 2, nil), b.Attention(q, k, v, 2, 2, b.Availability()))
			y = b.Sum(y, b.Attention(q, b.Tanh(y), v, 1, 2, nil))
			return b.Dense("h", b.Reshape(b.Sum(y, b.Slice(x, 0, 4)), rows, 8), width)
		},
		"read by a stock operation": func(b *graph.Builder, parts []*gorgonia.Node) *gorgonia.Node {
			return b.Dense("h", b.Sum(gorgonia.Must(gorgonia.Neg(parts[0])), parts[1]), width)
		},
	}
	seen := [][]uint64{{3, 3, 3, 3, 3}, {3, 1, 2, 0, 3}, {1, 1, 1, 1, 1}, {0, 0, 0, 0, 0}, {3}, {2, 1}}
	c := config(rows, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3}, sdk.Modality{Name: "b", Kind: sdk.Tabular, Width: 2})
	for name, write := range graphs {
		for _, learned := range []bool{true, false} {
			t.Run(fmt.Sprintf("%s/learned=%v", name, learned), func(t *testing.T) {
				loader := backbone.NewLoader(c.Modalities, &ramp{rows: rows})
				build := func(sparse bool) backbone.Model {
					m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
						return write(b, embeddings(b, 16, learned, sparse))
					})
					if err != nil {
						t.Fatal(err)
					}
					r := rng.Stream(3, "values")
					for _, p := range m.Params() {
						nn.Normal(r, 0.4)(p)
					}
					return m
				}
				sparse, whole := build(true), build(false)
				for _, s := range seen {
					checkGradients(t, sparse, loader, s, width)
					checkGradients(t, whole, loader, s, width)
					got, _ := passes(t, sparse, loader, s, nil)
					want, _ := passes(t, whole, loader, s, nil)
					if a, b := slices.Clone(got()), want(); !alike(a, b) {
						t.Errorf("%b: h is %v with parts and %v with blocks", s, a, b)
					}
					for i, p := range sparse.Params() {
						if q := whole.Params()[i]; !alike(p.Grad, q.Grad) {
							t.Errorf("%b: the gradient of %s is %v with parts and %v with blocks", s, p.Name, p.Grad, q.Grad)
						}
					}
				}
			})
		}
	}
}

// alike reports whether values agree to 1e-5.
func alike(a, b []float32) bool {
	return slices.EqualFunc(a, b, func(x, y float32) bool { return math.Abs(float64(x-y)) <= 1e-5*max(1, math.Abs(float64(y))) })
}

// A Part of the wrong shape is an error of the call.
func TestBuilder_ErrPart(t *testing.T) {
	for name, part := range map[string]func(t *nn.Tape) nn.Part{
		"columns": func(t *nn.Tape) nn.Part { return nn.Part{X: t.Const(2, 3, make([]float32, 6))} },
		"rows":    func(t *nn.Tape) nn.Part { return nn.Part{X: t.Const(1, 4, make([]float32, 4))} },
		"panic":   func(*nn.Tape) nn.Part { panic("author") },
	} {
		m, loader := build(t, 2, 4, func(b *graph.Builder) *gorgonia.Node {
			return b.Dense("h", b.Part("part", 4, func(t *nn.Tape, _ *backbone.Batch) nn.Part { return part(t) }), 4)
		})
		batch, err := loader.Eval([]int32{0, 1}, observed(2))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := m.Forward(batch); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
}
