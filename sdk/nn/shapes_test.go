package nn_test

import (
	"fmt"
	"slices"
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
		"parts": func(ps *nn.Params, rows, width int) func(*nn.Tape, *nn.Var) *nn.Var {
			l := nn.NewLinear(ps, "l", 3*width, 5, rng.Stream(1))
			missing := ps.New("missing", 1, width, nn.Normal(rng.Stream(2), 1))
			places := make([]int32, rows)
			for i := range places {
				places[i] = int32(2*i + 1)
			}
			return func(t *nn.Tape, x *nn.Var) *nn.Var {
				return l.ApplyPartsReLU(t, 2*rows+1, []nn.Part{
					{X: t.Const(2*rows+1, width, make([]float32, (2*rows+1)*width))},
					{X: x, Rows: places, Missing: t.Param(missing)},
					{X: t.Const(0, width, nil), Missing: t.Param(missing)},
				})
			}
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

// Columns give the bits of the layers side by side, and the same gradients.
func TestLinearColumns_GivesBitsOfConcat(t *testing.T) {
	r := rng.Stream(6)
	for _, width := range []int{1, 6, 17, 70, 300} {
		for _, rows := range []int{0, 1, 9} {
			ps := &nn.Params{}
			a, b := nn.NewLinear(ps, "a", width, 2*width, r), nn.NewLinear(ps, "b", 3, width, r)
			nn.Normal(r, 1)(a.Bias)
			x, y := make([]float32, rows*width), make([]float32, rows*3)
			for _, s := range [][]float32{x, y} {
				for i := range s {
					s[i] = float32(r.NormFloat64())
				}
			}
			run := func(combine func(t *nn.Tape, x, y *nn.Var) *nn.Var) [][]float32 {
				tape := nn.NewSeededTape()
				ps.ZeroGrad()
				left, right := tape.Leaf(rows, width, x), tape.Leaf(rows, 3, y)
				out := combine(tape, left, right)
				tape.BackwardFrom(tape.SumAll(tape.Square(out)))
				all := [][]float32{out.Value, left.Grad, right.Grad}
				for _, p := range ps.All() {
					all = append(all, slices.Clone(p.Grad))
				}
				return all
			}
			want := run(func(t *nn.Tape, x, y *nn.Var) *nn.Var { return t.Concat(a.Apply(t, x), b.Apply(t, y)) })
			got := run(func(t *nn.Tape, x, y *nn.Var) *nn.Var {
				return t.LinearColumns([]*nn.Var{x, y}, []*nn.Var{t.Param(a.Weight), t.Param(b.Weight)}, []*nn.Var{t.Param(a.Bias), t.Param(b.Bias)})
			})
			for i := range want {
				if !slices.Equal(got[i], want[i]) {
					t.Errorf("width %d, %d rows: matrix %d has other bits", width, rows, i)
				}
			}
		}
	}
}

// Parts give the bits of the matrix with zeros in their place, and rows the same alone.
func TestLinearParts_GivesBitsOfLinear(t *testing.T) {
	r := rng.Stream(5)
	for _, width := range []int{1, 6, 17, 70, 600} {
		const rows = 9
		ps := &nn.Params{}
		l := nn.NewLinear(ps, "l", 2*width, width, r)
		nn.Normal(r, 1)(l.Bias)
		x, y := make([]float32, rows*width), make([]float32, rows*width)
		for i := range x {
			x[i], y[i] = float32(r.NormFloat64()), float32(r.NormFloat64())
		}
		tape, places := nn.NewTape(), []int32{0, 3, 4, 8}
		left, right := tape.Const(rows, width, x), tape.Gather(tape.Const(rows, width, y), places)
		want := l.ApplyReLU(tape, tape.Concat(left, tape.Scatter(right, places, rows)))
		got := l.ApplyPartsReLU(tape, rows, []nn.Part{{X: left}, {X: right, Rows: places}})
		if !slices.Equal(got.Value, want.Value) {
			t.Errorf("width %d: parts do not give the bits of the matrix", width)
		}
		missing := tape.Const(1, width, y[:width])
		got = l.ApplyPartsReLU(tape, rows, []nn.Part{{X: left}, {X: right, Rows: places, Missing: missing}})
		for i := range rows {
			part := nn.Part{X: tape.Const(0, width, nil), Missing: missing}
			if at := slices.Index(places, int32(i)); at >= 0 {
				part = nn.Part{X: tape.Rows(right, at, at+1)}
			}
			alone := l.ApplyPartsReLU(tape, 1, []nn.Part{{X: tape.Rows(left, i, i+1)}, part})
			if !slices.Equal(got.Value[i*width:(i+1)*width], alone.Value) {
				t.Errorf("width %d: row %d has other bits alone", width, i)
			}
		}
	}
}
