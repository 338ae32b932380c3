package graph_test

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
)

// operations are all operations of Builder, each of parameters that in makes, or
// of the mask, as testdata/torch_fixtures.py has them.
var operations = map[string]func(b *graph.Builder, in func(name string) *gorgonia.Node) *gorgonia.Node{
	"linear": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.Linear(in("x"), in("w"), in("b"))
	},
	"linear without bias": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.Linear(in("x"), in("w"), nil)
	},
	"dense": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.Dense("dense", in("x"), 3)
	},
	"relu of dense": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.ReLU(b.Dense("dense", in("x"), 3))
	},
	"dense and its relu": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		x := b.Dense("dense", in("x"), 3)
		return b.Mul(x, b.ReLU(x))
	},
	"relu":    func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.ReLU(in("x")) },
	"tanh":    func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.Tanh(in("x")) },
	"sigmoid": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.Sigmoid(in("x")) },
	"gelu":    func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.GELU(in("x")) },
	"softmax": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.Softmax(in("x")) },
	"masked softmax": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.MaskedSoftmax(in("x"), matrix(b, "mask", opsMask))
	},
	"sum": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		a := in("a")
		return b.Sum(a, in("b"), in("c"), a)
	},
	"mul": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.Mul(in("a"), in("b")) },
	"mul itself": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		a := in("a")
		return b.Mul(a, a)
	},
	"mul rows": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.MulRows(in("x"), in("s"))
	},
	"columns": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		a := in("a")
		return b.Columns(a, in("b"), in("c"), a)
	},
	"slice": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node { return b.Slice(in("x"), 1, 4) },
	"reshape": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.Tanh(b.Reshape(in("x"), 4, 6))
	},
	"layer norm": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.LayerNorm("norm", in("x"))
	},
	"attention": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.Attention(in("q"), in("k"), in("v"), 2, 2, nil)
	},
	"attention with a mask": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		mask := b.Reshape(matrix(b, "mask", [][]float32{{1}, {0}, {1}, {1}}), 2, 2)
		return b.Attention(in("q"), in("k"), in("v"), 2, 2, mask)
	},
	"fused": func(b *graph.Builder, in func(string) *gorgonia.Node) *gorgonia.Node {
		return b.Fused("fused", 4, 6, func(t *nn.Tape, in []*nn.Var) *nn.Var {
			return t.Div(t.Exp(in[0]), t.Shift(t.Square(in[1]), 1))
		}, in("a"), in("b"))
	},
	"block": func(b *graph.Builder, _ func(string) *gorgonia.Node) *gorgonia.Node {
		w, bias := b.Params().New("w", 6, 3, nil), b.Params().New("b", 1, 3, nil)
		return b.Block("block", 3, func(t *nn.Tape, batch *backbone.Batch) *nn.Var {
			var x []float32
			for _, row := range opsMask[:batch.Size] {
				x = append(x, row...)
			}
			return t.LinearReLU(t.Const(batch.Size, 6, x), t.Param(w), t.Param(bias))
		})
	},
}

// opsMask is the mask of the script.
var opsMask = [][]float32{{1, 0, 1, 1, 0, 1}, {0, 0, 0, 0, 0, 0}, {1, 1, 1, 1, 1, 1}, {0, 0, 0, 0, 1, 0}}

// matrix is an input that is the same in every batch.
func matrix(b *graph.Builder, name string, rows [][]float32) *gorgonia.Node {
	return b.Input(name, len(rows[0]), func(dst []float32, _ *backbone.Batch) {
		for i, row := range rows {
			copy(dst[i*len(row):], row)
		}
	})
}

// fixture is what PyTorch computes for an operation: the output, and the gradients
// of Σ output·factors.
type fixture struct {
	Inputs    map[string][][]float32
	Output    [][]float32
	Factors   [][]float32
	Gradients map[string][][]float32
}

func fixtures(t *testing.T) map[string]fixture {
	t.Helper()
	text, err := os.ReadFile("testdata/torch.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases map[string]fixture }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	return file.Cases
}

// near fails unless got is want to 1e-5.
func near(t *testing.T, what string, got []float32, want [][]float32) {
	t.Helper()
	flat := slices.Concat(want...)
	if len(got) != len(flat) {
		t.Fatalf("%s has %d values, want %d", what, len(got), len(flat))
	}
	for i, w := range flat {
		if off := math.Abs(float64(got[i] - w)); !(off <= 1e-5*max(1, math.Abs(float64(w)))) {
			t.Errorf("%s[%d] is %v, want %v", what, i, got[i], w)
		}
	}
}

// twice is x through two stock operations that change no bit: a border between
// clusters.
func twice(x *gorgonia.Node) *gorgonia.Node {
	return gorgonia.Must(gorgonia.Neg(gorgonia.Must(gorgonia.Neg(x))))
}

func same(x *gorgonia.Node) *gorgonia.Node { return x }

// TestBuilder_Operations compares every operation with PyTorch and its gradient
// with differences: within a cluster, and with stock operations before and after,
// where gradients pass through gorgonia.
func TestBuilder_Operations(t *testing.T) {
	cases := fixtures(t)
	if len(cases) != len(operations) {
		t.Errorf("%d fixtures for %d operations", len(cases), len(operations))
	}
	for name, write := range operations {
		for place, border := range map[string]func(*gorgonia.Node) *gorgonia.Node{"alone": same, "among stock operations": twice} {
			t.Run(name+"/"+place, func(t *testing.T) {
				want, ok := cases[name]
				if !ok {
					t.Fatal("no fixture")
				}
				c := config(len(want.Output), sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 1})
				c.Width = len(want.Output[0])
				m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
					return border(write(b, func(name string) *gorgonia.Node {
						return border(b.Param(name, len(want.Inputs[name]), len(want.Inputs[name][0]), nil))
					}))
				})
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range m.Params() {
					if len(want.Inputs[p.Name]) != p.Rows {
						t.Fatalf("parameter %s is [%d, %d], the fixture has %d rows", p.Name, p.Rows, p.Cols, len(want.Inputs[p.Name]))
					}
					copy(p.Value, slices.Concat(want.Inputs[p.Name]...))
				}
				factors := slices.Concat(want.Factors...)
				loader := backbone.NewLoader(c.Modalities, &ramp{rows: c.MaxBatch, width: 1})
				h, gradient := passes(t, m, loader, observed(c.MaxBatch), factors)
				near(t, "h", h(), want.Output)
				nntest.CheckGradients(t, m.Params(), func() float64 {
					var sum float64
					for i, v := range h() {
						sum += float64(v) * float64(factors[i])
					}
					return sum
				}, gradient)
				for _, p := range m.Params() {
					near(t, "gradient of "+p.Name, p.Grad, want.Gradients[p.Name])
				}
			})
		}
	}
}

// passes are h of the first rows, in evaluation, and the gradient of Σ h·dh; seen is
// their availability.
func passes(t *testing.T, m backbone.Model, loader *backbone.Loader, seen []uint64, dh []float32) (h func() []float32, gradient func()) {
	t.Helper()
	positions := make([]int32, len(seen))
	for i := range positions {
		positions[i] = int32(i)
	}
	forward := func(batch *backbone.Batch, err error) []float32 {
		if err != nil {
			t.Fatal(err)
		}
		h, err := m.Forward(batch)
		if err != nil {
			t.Fatal(err)
		}
		return h
	}
	h = func() []float32 { return forward(loader.Eval(positions, seen)) }
	return h, func() {
		evaluated := slices.Clone(h())
		if !slices.Equal(forward(loader.Train(positions, seen, nil, nil)), evaluated) {
			t.Error("h differs between training and evaluation")
		}
		if _, err := m.Backward(dh); err != nil {
			t.Fatal(err)
		}
	}
}

// observed is the availability of rows that have the first modality.
func observed(rows int) []uint64 { return slices.Repeat([]uint64{1}, rows) }
