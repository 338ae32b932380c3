package nn_test

import (
	"fmt"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Gradients of every layer and loss at sizes around those of registers and tiles,
// and without rows.
func TestLayers_GradientsAtOddSizes(t *testing.T) {
	layers := map[string]func(ps *nn.Params, rows, width int) func(t *nn.Tape, x *nn.Var) *nn.Var{
		"mlp": func(ps *nn.Params, _, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			m := nn.NewMLP(ps, "m", []int{width, 3, width}, (*nn.Tape).GELU, 0.3, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return m.Apply(t, x, rng.Stream(2)) }
		},
		"norms": func(ps *nn.Params, _, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			l, b := nn.NewLayerNorm(ps, "l", width), nn.NewBatchNorm(ps, "b", width)
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return l.Apply(t, t.Tanh(b.Apply(t, x, false))) }
		},
		"attention": func(ps *nn.Params, _, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			a := nn.NewMultiHeadAttention(ps, "a", width, 1, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return a.Apply(t, x, max(1, x.Rows), nil) }
		},
		"gru": func(ps *nn.Params, rows, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			g := nn.NewGRU(ps, "g", width, 3, rng.Stream(1))
			lengths := make([]int32, rows)
			for i := range lengths {
				lengths[i] = int32(i+1) % 2
			}
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return g.Apply(t, x, lengths) }
		},
		"router": func(ps *nn.Params, _, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			l := nn.NewRouter(ps, "r", width, 3, 2)
			nn.Normal(rng.Stream(1), 1)(l.Weight)
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return l.Apply(t, x, nil) }
		},
		"losses": func(_ *nn.Params, rows, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			classes, targets := make([]int32, rows), make([]float32, rows*width)
			for i := range classes {
				classes[i] = int32(i % width)
			}
			return func(t *nn.Tape, x *nn.Var) *nn.Var {
				y := t.Detach(t.Scale(x, 0))
				return t.Sum(t.CrossEntropy(x, classes), t.BCE(x, targets), t.GCE(x, classes, 0.5), t.KL(x, y),
					t.Likelihood(x, x, y), t.VCLUB(y, x, y), t.SumCols(t.LogSoftmax(x)))
			}
		},
	}
	for name, layer := range layers {
		for _, width := range []int{1, 7, 9, 17} {
			for _, rows := range []int{0, 1, 7} {
				t.Run(fmt.Sprintf("%s/%dx%d", name, rows, width), func(t *testing.T) {
					ps, all := inputs(uint64(width), rows, width)
					apply := layer(ps, rows, width)
					nntest.CheckTape(t, ps.All(), func(tape *nn.Tape) *nn.Var { return apply(tape, tape.Param(all[0])) })
				})
			}
		}
	}
}
