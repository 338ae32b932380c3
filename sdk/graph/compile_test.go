package graph_test

import (
	"slices"
	"strings"
	"sync"
	"testing"

	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
	"github.com/deconfound/deconfound/sdk/rng"
)

// fill gives parameters values from a formula.
func fill(params []*nn.Param) {
	for k, p := range params {
		for i := range p.Value {
			p.Value[i] = float32((7*i+3*k)%11)/8 - 0.6
		}
	}
}

// build is graph.New of a batch of rows with one modality of three columns.
func build(t *testing.T, rows, width int, write func(*graph.Builder) *gorgonia.Node) (backbone.Model, *backbone.Loader) {
	t.Helper()
	c := config(rows, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3})
	c.Width = width
	m, err := graph.New(c, write)
	if err != nil {
		t.Fatal(err)
	}
	return m, backbone.NewLoader(c.Modalities, &ramp{rows: rows, width: 3})
}

// checkGradients compares the gradient of Σ h·dh, with dh from a formula, with
// differences.
func checkGradients(t *testing.T, m backbone.Model, loader *backbone.Loader, seen []uint64, width int) {
	t.Helper()
	dh := make([]float32, len(seen)*width)
	for i := range dh {
		dh[i] = float32(i%5)/2 - 0.8
	}
	h, gradient := passes(t, m, loader, seen, dh)
	nntest.CheckGradients(t, m.Params(), func() float64 {
		var sum float64
		for i, v := range h() {
			sum += float64(v) * float64(dh[i])
		}
		return sum
	}, gradient)
}

// TestNew_Clusters checks gradients where the graph is divided: a node that a
// cluster and a stock operation read, a parameter that both read, a stock operation
// between readers of one node, and a node that does not lead to h.
func TestNew_Clusters(t *testing.T) {
	graphs := map[string]func(b *graph.Builder) *gorgonia.Node{
		"node read by both": func(b *graph.Builder) *gorgonia.Node {
			x := b.Tanh(b.Dense("x", b.Features(0), 4))
			return b.Sum(b.Sigmoid(x), gorgonia.Must(gorgonia.Neg(x)))
		},
		"parameter read by both": func(b *graph.Builder) *gorgonia.Node {
			w := b.Param("w", 3, 4, nil)
			x := b.Tanh(b.Linear(b.Features(0), w, nil))
			return b.Sum(x, gorgonia.Must(gorgonia.Mul(b.Features(0), gorgonia.Must(gorgonia.Tanh(w)))))
		},
		"way through stock": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			y := gorgonia.Must(gorgonia.Tanh(b.Dense("y", x, 4)))
			return b.Mul(b.Dense("z", y, 4), x)
		},
		"two outputs of one part": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			return gorgonia.Must(gorgonia.Sub(b.Tanh(x), b.Sigmoid(x)))
		},
		"dead end": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			b.Softmax(x)
			gorgonia.Must(gorgonia.Tanh(x))
			return b.Tanh(x)
		},
		"constant factor": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			return b.Tanh(gorgonia.Must(gorgonia.Mul(x, gorgonia.NewConstant(float32(0.5)))))
		},
		"stock alone":     func(b *graph.Builder) *gorgonia.Node { return gorgonia.Must(gorgonia.Tanh(b.Param("w", 3, 4, nil))) },
		"parameter alone": func(b *graph.Builder) *gorgonia.Node { return b.Param("w", 3, 4, nil) },
		"relu of a linear map read twice": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			return b.Sum(b.ReLU(x), b.Tanh(x))
		},
		"sum of linear maps": func(b *graph.Builder) *gorgonia.Node {
			x := b.Features(0)
			y := b.Sum(b.Dense("x", x, 4), b.Linear(x, b.Param("w", 3, 4, nil), nil))
			return b.Sum(b.Dense("y", y, 4), y)
		},
		"sum of a linear map with itself": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			return b.Sum(x, x)
		},
		"sum with a linear map of wide columns": func(b *graph.Builder) *gorgonia.Node {
			x, y := b.Dense("x", b.Features(0), 16), b.Dense("y", b.Features(0), 17)
			return b.Sum(b.Dense("own", b.Features(0), 4), b.Tanh(b.Sum(b.Slice(x, 0, 4), b.Dense("z", b.Columns(x, y), 4))))
		},
		"sum with a linear map of another cluster": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			return b.Sum(gorgonia.Must(gorgonia.Neg(x)), x)
		},
		"relu in the next cluster": func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("x", b.Features(0), 4)
			return b.Sum(b.ReLU(x), gorgonia.Must(gorgonia.Tanh(b.ReLU(x))))
		},
	}
	for name, write := range graphs {
		t.Run(name, func(t *testing.T) {
			m, loader := build(t, 3, 4, write)
			fill(m.Params())
			checkGradients(t, m, loader, observed(3), 4)
		})
	}
}

// Gradients are added to what is there, also where h is a view of a parameter.
func TestNew_GradientsAdd(t *testing.T) {
	for name, write := range map[string]func(b *graph.Builder) *gorgonia.Node{
		"view":  func(b *graph.Builder) *gorgonia.Node { return b.Reshape(b.Param("w", 6, 2, nil), 3, 4) },
		"fused": func(b *graph.Builder) *gorgonia.Node { return b.Sum(b.Param("w", 3, 4, nil)) },
		"stock": func(b *graph.Builder) *gorgonia.Node {
			return gorgonia.Must(gorgonia.Mul(b.Param("w", 3, 4, nil), gorgonia.NewConstant(float32(1))))
		},
	} {
		m, loader := build(t, 3, 4, write)
		dh := []float32{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}
		_, gradient := passes(t, m, loader, observed(3), dh)
		m.Params()[0].Grad[0] = 100
		gradient()
		gradient()
		for i, g := range m.Params()[0].Grad {
			want := 2 * dh[i]
			if i == 0 {
				want += 100
			}
			if g != want {
				t.Errorf("%s: gradient %d is %v, want %v", name, i, g, want)
			}
		}
	}
}

// TestBuilder_Keys makes every operation twice with the same inputs and other
// settings. Gorgonia takes operations of one hash and the same inputs for one.
func TestBuilder_Keys(t *testing.T) {
	c := config(4, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3})
	seen := map[uint32]bool{}
	_, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		x, y, w := b.Param("x", 4, 4, nil), b.Param("y", 4, 4, nil), b.Param("w", 4, 4, nil)
		scaled := func(f float64) func(*nn.Tape, []*nn.Var) *nn.Var {
			return func(t *nn.Tape, in []*nn.Var) *nn.Var { return t.Scale(in[0], f) }
		}
		constant := func(f float32) func(*nn.Tape, *backbone.Batch) *nn.Var {
			return func(t *nn.Tape, batch *backbone.Batch) *nn.Var {
				return t.Const(batch.Size, 4, slices.Repeat([]float32{f}, batch.Size*4))
			}
		}
		parts := func(f float32) func(*nn.Tape, *backbone.Batch) nn.Part {
			return func(t *nn.Tape, batch *backbone.Batch) nn.Part { return nn.Part{X: constant(f)(t, batch)} }
		}
		var all []*gorgonia.Node
		for name, pair := range map[string][2]*gorgonia.Node{
			"fused":     {b.Fused("scale", 4, 4, scaled(2), x), b.Fused("scale", 4, 4, scaled(3), x)},
			"block":     {b.Block("constant", 4, constant(2)), b.Block("constant", 4, constant(3))},
			"part":      {b.Part("part", 4, parts(2)), b.Part("part", 4, parts(3))},
			"slice":     {b.Slice(x, 0, 2), b.Slice(x, 2, 4)},
			"attention": {b.Attention(x, y, w, 1, 2, nil), b.Attention(x, y, w, 2, 2, nil)},
			"tokens":    {b.Attention(x, y, w, 2, 4, nil), b.Attention(x, y, w, 2, 1, nil)},
			"dropout":   {b.Dropout(x, 0.5), b.Dropout(x, 0.5)},
			"norm":      {b.LayerNorm("one", x), b.LayerNorm("two", x)},
			"dense":     {b.Dense("first", x, 4), b.Dense("second", x, 4)},
			"linear":    {b.Linear(x, w, nil), b.Linear(w, x, nil)},
			"mul rows":  {b.MulRows(x, b.Slice(x, 0, 1)), b.MulRows(x, b.Slice(x, 1, 2))},
			"softmax":   {b.Softmax(x), b.MaskedSoftmax(x, b.Input("mask", 4, func([]float32, *backbone.Batch) {}))},
			"unary":     {b.Tanh(x), b.Sigmoid(x)},
			"relu":      {b.ReLU(x), b.GELU(x)},
			"sum":       {b.Sum(x, y), b.Mul(x, y)},
			"columns":   {b.Columns(x, y), b.Columns(y, x)},
			"reshape":   {b.Reshape(x, 2, 8), b.Reshape(x, 8, 2)},
		} {
			if pair[0] == pair[1] || pair[0].Hashcode() == pair[1].Hashcode() || pair[0].Op().Hashcode() == pair[1].Op().Hashcode() {
				t.Errorf("%s: two operations with one hash", name)
			}
			all = append(all, pair[:]...)
		}
		for _, n := range all {
			if seen[n.Op().Hashcode()] {
				t.Errorf("%s has the hash of another operation", n)
			}
			seen[n.Op().Hashcode()] = true
		}
		return b.Sum(x, y, w)
	})
	if len(seen) != 34 || err == nil || !strings.Contains(err.Error(), "does not influence h") {
		t.Errorf("%d operations, %v; want 32 of which some do not lead to h", len(seen), err)
	}
}

// TestNew_Order checks that blocks run in the order in which they were written, in
// which they draw from the batch's stream, whatever reads them first.
func TestNew_Order(t *testing.T) {
	var ran []string
	m, loader := build(t, 2, 2, func(b *graph.Builder) *gorgonia.Node {
		block := func(name string) *gorgonia.Node {
			return b.Block(name, 1, func(t *nn.Tape, batch *backbone.Batch) *nn.Var {
				ran = append(ran, name)
				return t.Const(batch.Size, 1, make([]float32, batch.Size))
			})
		}
		first, second, third := block("first"), block("second"), block("third")
		return b.Columns(third, b.Sum(second, first))
	})
	h, _ := passes(t, m, loader, observed(2), nil)
	h()
	if want := []string{"first", "second", "third"}; !slices.Equal(ran, want) {
		t.Errorf("blocks ran as %v, want %v", ran, want)
	}
}

// TestNew_OneName checks that operations of one name and the same inputs stay apart
// in the graph that is run, with their gradients.
func TestNew_OneName(t *testing.T) {
	m, loader := build(t, 3, 4, func(b *graph.Builder) *gorgonia.Node {
		w := b.Param("w", 3, 4, nil)
		scaled := func(f float64) *gorgonia.Node {
			return gorgonia.Must(gorgonia.Neg(b.Fused("scale", 3, 4, func(t *nn.Tape, in []*nn.Var) *nn.Var {
				return t.Scale(in[0], f)
			}, w)))
		}
		return b.Sum(scaled(2), scaled(3))
	})
	fill(m.Params())
	w := m.Params()[0]
	dh := slices.Repeat([]float32{1}, 12)
	h, gradient := passes(t, m, loader, observed(3), dh)
	for i, v := range h() {
		if want := -2*w.Value[i] - 3*w.Value[i]; v-want > 1e-6 || want-v > 1e-6 {
			t.Errorf("h[%d] is %v, want %v", i, v, want)
		}
	}
	gradient()
	for i, g := range w.Grad {
		if g != -5 {
			t.Errorf("gradient %d is %v, want -5", i, g)
		}
	}
}

// TestNew_Products checks that stock products are those of sdk/nn, to the bit: h,
// and the gradients, which need both transposes.
func TestNew_Products(t *testing.T) {
	const rows, inner, cols = 37, 53, 29
	run := func(product func(b *graph.Builder, x, w *gorgonia.Node) *gorgonia.Node) (h []float32, params []*nn.Param) {
		m, loader := build(t, rows, cols, func(b *graph.Builder) *gorgonia.Node {
			return product(b, b.Param("x", rows, inner, nil), b.Param("w", inner, cols, nil))
		})
		fill(m.Params())
		dh := make([]float32, rows*cols)
		for i := range dh {
			dh[i] = float32(i%7)/3 - 1
		}
		value, gradient := passes(t, m, loader, observed(rows), dh)
		h = slices.Clone(value())
		gradient()
		return h, m.Params()
	}
	h, params := run(func(_ *graph.Builder, x, w *gorgonia.Node) *gorgonia.Node { return gorgonia.Must(gorgonia.Mul(x, w)) })
	wantH, wantParams := run(func(b *graph.Builder, x, w *gorgonia.Node) *gorgonia.Node { return b.Linear(x, w, nil) })
	if !slices.Equal(h, wantH) {
		t.Error("a stock product differs from Linear")
	}
	for i, p := range params {
		if !slices.Equal(p.Grad, wantParams[i].Grad) {
			t.Errorf("the gradient of %s of a stock product differs from that of Linear", p.Name)
		}
	}
}

// rowwise has every operation that works on rows.
func rowwise(b *graph.Builder) *gorgonia.Node {
	width := b.Config().Width
	x := b.Columns(append(b.Encode(2, 2, 0), b.Features(0), b.Availability())...)
	x = b.LayerNorm("norm", b.ReLU(b.Dense("x", x, 4)))
	x = b.Attention(b.Dense("q", x, 4), b.Dense("k", x, 4), b.Dense("v", x, 4), 2, 1, b.Available(0))
	x = b.Sum(b.GELU(x), b.Tanh(x), b.Sigmoid(x), b.Mul(x, b.Softmax(x)))
	x = b.MulRows(x, b.Slice(gorgonia.Must(gorgonia.Tanh(x)), 1, 2))
	return b.Dense("h", b.Reshape(b.Reshape(x, b.Config().MaxBatch*4, 1), b.Config().MaxBatch, 4), width)
}

// TestNew_FewRows checks gradients of batches smaller than the graph, down to one
// row, and of rows without any modality, of which an encoder has no row to read.
func TestNew_FewRows(t *testing.T) {
	for _, maxBatch := range []int{1, 2, 5} {
		for _, width := range []int{1, 3} {
			for _, seen := range [][]uint64{{1}, {0}, {0, 1}, {0, 0}, {1, 1, 0, 1, 1}} {
				if len(seen) > maxBatch {
					continue
				}
				m, loader := build(t, maxBatch, width, rowwise)
				checkGradients(t, m, loader, seen, width)
			}
		}
	}
}

// TestNew_Concurrent builds and trains models side by side, with stock operations,
// whose memory and BLAS gorgonia shares between graphs: the same bits as one alone.
func TestNew_Concurrent(t *testing.T) {
	learn := func() ([]float32, error) {
		c := config(6, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3})
		m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
			w := b.Param("w", 4, 4, nn.XavierUniform(c.Rand("w")))
			x := gorgonia.Must(gorgonia.Tanh(gorgonia.Must(gorgonia.Mul(rowwise(b), w))))
			return b.Dropout(gorgonia.Must(gorgonia.Concat(1, gorgonia.Must(gorgonia.Slice(x, nil, gorgonia.S(0, 2))), b.Slice(x, 2, 4))), 0.25)
		})
		if err != nil {
			return nil, err
		}
		optimizer, err := nn.NewOptimizer(m.Params(), nn.OptimizerConfig{Name: "adam", LearningRate: 0.01})
		if err != nil {
			return nil, err
		}
		loader := backbone.NewLoader(c.Modalities, &ramp{rows: 6, width: 3})
		dh := make([]float32, 6*c.Width)
		for step := range 20 {
			batch, err := loader.Train([]int32{0, 1, 2, 3, 4, 5}, observed(6), nil, rng.Stream(1, uint64(step)))
			if err != nil {
				return nil, err
			}
			h, err := m.Forward(batch)
			if err != nil {
				return nil, err
			}
			copy(dh, h)
			for _, p := range m.Params() {
				clear(p.Grad)
			}
			if _, err := m.Backward(dh); err != nil {
				return nil, err
			}
			optimizer.Step()
		}
		var values []float32
		for _, p := range m.Params() {
			values = append(values, p.Value...)
		}
		return values, nil
	}
	want, err := learn()
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	for i := range 8 {
		running.Go(func() {
			if got, err := learn(); err != nil || !slices.Equal(got, want) {
				t.Errorf("model %d among others differs from one alone (%v)", i, err)
			}
		})
	}
	running.Wait()
}
