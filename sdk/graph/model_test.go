package graph_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"go.uber.org/goleak"
	"gorgonia.org/gorgonia"
	"gorgonia.org/tensor"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/backbone/backbonetest"
	"github.com/deconfound/deconfound/sdk/graph"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func info(name string) sdk.Info {
	return sdk.Info{
		Name: name, Version: "0.0.0",
		Hyperparameters: []sdk.Hyperparameter{{Name: "dropout", Type: sdk.Float, Default: 0.25, Min: 0, Max: 0.9}},
		Capabilities: sdk.Capabilities{
			BatchIndependent: true, Deterministic: true,
			ModalityKinds: []sdk.ModalityKind{sdk.Tabular, sdk.Embedding},
		},
	}
}

func author(write func(*graph.Builder) *gorgonia.Node) func(backbone.Config) (backbone.Model, error) {
	return func(c backbone.Config) (backbone.Model, error) { return graph.New(c, write) }
}

// together is all features side by side.
func together(b *graph.Builder) *gorgonia.Node {
	var xs []*gorgonia.Node
	for m := range b.Config().Modalities {
		xs = append(xs, b.Features(m))
	}
	return b.Columns(xs...)
}

func TestNew_Fused(t *testing.T) {
	backbonetest.Run(t, info("fused"), author(func(b *graph.Builder) *gorgonia.Node {
		x := b.Columns(together(b), b.Availability())
		x = b.ReLU(b.Dense("a", x, 9))
		x = b.Dropout(x, b.Config().Float("dropout"))
		// One parameter in two places, and a node with two readers.
		w := b.Param("shared", 9, 9, nn.XavierUniform(b.Config().Rand("shared")))
		y := b.Tanh(b.Linear(x, w, nil))
		y = b.Sum(b.Linear(y, w, nil), b.Mul(b.Sigmoid(y), x))
		gate := b.Softmax(b.Dense("gate", x, 3))
		y = b.MulRows(y, b.Slice(gate, 1, 2))
		y = b.MulRows(y, b.Available(0))
		return b.Sum(b.Dense("h", y, b.Config().Width), b.Dense("skip", together(b), b.Config().Width))
	}))
}

func TestNew_StockOperations(t *testing.T) {
	must := func(n *gorgonia.Node, err error) *gorgonia.Node {
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	backbonetest.Run(t, info("stock"), author(func(b *graph.Builder) *gorgonia.Node {
		c := b.Config()
		x := together(b)
		w := b.Param("w", x.Shape()[1], 8, nn.XavierUniform(c.Rand("w")))
		v := b.Param("v", c.Width, 5, nn.XavierUniform(c.Rand("v")))
		y := gorgonia.Must(gorgonia.Tanh(must(gorgonia.Mul(x, w))))
		left, right := must(gorgonia.Slice(y, nil, gorgonia.S(0, 3))), must(gorgonia.Slice(y, nil, gorgonia.S(3, 8)))
		y = must(gorgonia.HadamardProd(must(gorgonia.Concat(1, right, left)), y))
		y = b.Dropout(y, c.Float("dropout"))
		y = b.Slice(y, 2, 7) // a fused operation after a stock one
		transposed := must(gorgonia.Transpose(v))
		h := must(gorgonia.Mul(y, transposed))
		return b.Sum(must(gorgonia.Neg(h)), b.Dense("skip", together(b), c.Width))
	}))
}

// wide has more than 255 rows and columns everywhere, where stock slices go wrong.
func TestNew_Wide(t *testing.T) {
	c := config(300, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3})
	c.Width = 400
	var weights []*gorgonia.Node
	m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		var parts []*gorgonia.Node
		for i := range 4 {
			w := b.Param(string(rune('p'+i)), 3, 100, nn.XavierUniform(c.Rand(i)))
			weights = append(weights, w)
			parts = append(parts, b.Linear(b.Features(0), w, nil))
		}
		all := b.Columns(parts...)
		return b.Columns(b.Slice(all, 300, 400), b.Slice(all, 0, 300))
	})
	if err != nil {
		t.Fatal(err)
	}
	source := &ramp{rows: 300, width: 3}
	b := train(t, backbone.NewLoader(c.Modalities, source), 300, 1)
	if _, err := m.Forward(b); err != nil {
		t.Fatal(err)
	}
	dh := make([]float32, 300*400)
	dh[299*400+99] = 1  // last row: column 99 of h is column 99 of the last part
	dh[299*400+100] = 2 // column 100 is column 0 of the first
	if _, err := m.Backward(dh); err != nil {
		t.Fatal(err)
	}
	want := map[string]map[int]float32{"p": {0: 2}, "s": {99: 1}}
	for _, p := range m.Params() {
		for i, g := range p.Grad {
			if w := want[p.Name][i%100] * source.at(299, i/100); g != w {
				t.Fatalf("gradient of %s[%d, %d] is %v, want %v", p.Name, i/100, i%100, g, w)
			}
		}
	}
}

// A single row is the batch size at which gorgonia takes matrices for vectors and
// scalars.
func TestNew_OneRow(t *testing.T) {
	c := config(1, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 1})
	c.Width = 1
	m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node { return b.Dense("h", b.Features(0), 1) })
	if err != nil {
		t.Fatal(err)
	}
	b := train(t, backbone.NewLoader(c.Modalities, &ramp{rows: 1, width: 1}), 1, 1)
	if _, err := m.Forward(b); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Backward([]float32{3}); err != nil {
		t.Fatal(err)
	}
	if w, bias := m.Params()[0].Grad[0], m.Params()[1].Grad[0]; w != 3*(&ramp{}).at(0, 0) || bias != 3 {
		t.Errorf("gradients %v, %v", w, bias)
	}
}

func TestNew_ErrRefused(t *testing.T) {
	stock := func(n *gorgonia.Node, err error) *gorgonia.Node {
		if err != nil {
			panic(err)
		}
		return n
	}
	tests := map[string]struct {
		want  string
		write func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node
	}{
		"slice": {"past 255", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.Slice(b.Dense("wide", x, 512), nil, gorgonia.S(256, 260)))
		}},
		"concat": {"past 255", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.Concat(1, b.Dense("p", x, 128), b.Dense("q", x, 128)))
		}},
		"softmax": {"LogSoftMax", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.SoftMax(x))
		}},
		"log softmax": {"LogSoftMax", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.LogSoftMax(x))
		}},
		"softmax that does not lead to h": {"LogSoftMax", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			stock(gorgonia.SoftMax(x))
			return x
		}},
		"group norm": {"Builder.LayerNorm", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			image := stock(gorgonia.Reshape(x, tensor.Shape{4, 4, 1, 1}))
			gain, bias := b.Param("gain", 1, 4, nn.Ones), b.Bias("bias", 4)
			one := func(n *gorgonia.Node) *gorgonia.Node { return stock(gorgonia.Reshape(n, tensor.Shape{1, 4, 1, 1})) }
			return stock(gorgonia.Reshape(stock(gorgonia.GroupNorm(image, one(gain), one(bias), 2, 4, 1e-5)), tensor.Shape{4, 4}))
		}},
		"batch norm": {"nn.Tape.BatchNorm", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			y, _, _, _, err := gorgonia.BatchNorm(x, b.Param("gain", 4, 4, nn.Ones), b.Param("bias", 4, 4, nn.Zeros), 0.1, 1e-5)
			return stock(y, err)
		}},
		"read": {"written anew", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			var value gorgonia.Value
			gorgonia.Read(x, &value)
			return x
		}},
		"set": {"written anew", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			gorgonia.Set(b.Param("w", 4, 4, nn.Zeros), x)
			return x
		}},
		"softmax along two axes": {"LogSoftMax", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return b.Sum(stock(gorgonia.SoftMax(x, 0)), stock(gorgonia.SoftMax(x, 1)))
		}},
		"dropout": {"seed", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.Dropout(x, 0.5))
		}},
		"noise": {"seed", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.Add(x, gorgonia.GaussianRandomNode(b.Graph(), tensor.Float32, 0, 1, 4, 4)))
		}},
		"constant": {"printouts", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.Add(x, gorgonia.NewConstant(tensor.New(tensor.WithShape(4, 4), tensor.WithBacking(make([]float32, 16))))))
		}},
		"foreign input": {"not made by the Builder", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			own := gorgonia.NewMatrix(b.Graph(), tensor.Float32, gorgonia.WithShape(4, 4), gorgonia.WithName("own"), gorgonia.WithInit(gorgonia.Zeroes()))
			return b.Sum(x, own)
		}},
		"unused parameter": {"parameter lost does not influence h", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			b.Param("lost", 1, 1, nn.Zeros)
			return x
		}},
		"two parameters of one name": {"two parameters", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return b.Sum(b.Dense("twin", x, 4), b.Dense("twin", x, 4))
		}},
		"mistake in a chain": {"shapes", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return b.ReLU(b.Sum(x, b.Slice(x, 0, 2)))
		}},
		"mistake before a stock operation": {"shapes", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return stock(gorgonia.Neg(b.Sum(x, b.Slice(x, 0, 2))))
		}},
		"vector": {"must be a matrix", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node {
			return b.ReLU(stock(gorgonia.Sum(x, 1)))
		}},
		"shape of h": {"h has shape", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node { return b.Slice(x, 0, 1) }},
		"nil":        {"h is nil", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node { return nil }},
		"panic":      {"panic", func(b *graph.Builder, x *gorgonia.Node) *gorgonia.Node { panic("author") }},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			c := config(4, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 4})
			_, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
				return test.write(b, b.Dense("x", b.Features(0), 4))
			})
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want an error with %q", err, test.want)
			}
		})
	}
}

// TestModel_Abandoned checks that a Forward without its Backward is ended by the
// next call, whatever it is, and leaves later gradients alone. Leaked goroutines
// fail TestMain.
func TestModel_Abandoned(t *testing.T) {
	c := config(8, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 3})
	m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
		return b.Dense("h", b.ReLU(b.Dense("x", b.Features(0), 5)), c.Width)
	})
	if err != nil {
		t.Fatal(err)
	}
	loader := backbone.NewLoader(c.Modalities, &ramp{rows: 8, width: 3})
	gradient := func() []float32 {
		for _, p := range m.Params() {
			clear(p.Grad)
		}
		if _, err := m.Forward(train(t, loader, 8, 1)); err != nil {
			t.Fatal(err)
		}
		dh := make([]float32, 8*c.Width)
		dh[5] = 1
		if _, err := m.Backward(dh); err != nil {
			t.Fatal(err)
		}
		var all []float32
		for _, p := range m.Params() {
			all = append(all, p.Grad...)
		}
		return all
	}
	want := gradient()
	for range 3 {
		if _, err := m.Forward(train(t, loader, 4, 2)); err != nil {
			t.Fatal(err)
		}
	}
	if got := gradient(); !slices.Equal(got, want) {
		t.Error("an abandoned forward changes the next gradient")
	}
	if _, err := m.Forward(train(t, loader, 4, 2)); err != nil {
		t.Fatal(err)
	}
	eval, err := loader.Eval([]int32{1}, []uint64{1})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Forward(eval); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Backward(make([]float32, c.Width)); sdk.CodeOf(err) != sdk.CodeBadRequest {
		t.Errorf("backward after eval: %v", err)
	}
	if got := gradient(); !slices.Equal(got, want) {
		t.Error("an eval forward changes the next gradient")
	}
}

// TestModel_ErrPanic checks that a panic in an author's operation is an error of
// the call, before and after the exchange.
func TestModel_ErrPanic(t *testing.T) {
	for _, after := range []bool{false, true} {
		c := config(4, sdk.Modality{Name: "a", Kind: sdk.Tabular, Width: 2})
		m, err := graph.New(c, func(b *graph.Builder) *gorgonia.Node {
			x := b.Dense("h", b.Features(0), c.Width)
			return b.Fused("broken", 4, c.Width, func(t *nn.Tape, in []*nn.Var) *nn.Var {
				if !after {
					panic("author")
				}
				return t.Op(4, c.Width, in, func(*nn.Var) { panic("author") })
			}, x)
		})
		if err != nil {
			t.Fatal(err)
		}
		loader := backbone.NewLoader(c.Modalities, &ramp{rows: 4, width: 2})
		_, err = m.Forward(train(t, loader, 4, 1))
		if err == nil {
			_, err = m.Backward(make([]float32, 4*c.Width))
		}
		if err == nil || !strings.Contains(err.Error(), "panic") {
			t.Errorf("after the exchange: %v; got %v", after, err)
		}
	}
}

func config(maxBatch int, modalities ...sdk.Modality) backbone.Config {
	return backbone.Config{Modalities: modalities, Width: 4, Task: sdk.Task{Kind: sdk.Binary}, MaxBatch: maxBatch, Seed: 3}
}

func train(t *testing.T, loader *backbone.Loader, rows int, step uint64) *backbone.Batch {
	t.Helper()
	positions, availability := make([]int32, rows), make([]uint64, rows)
	for i := range positions {
		positions[i], availability[i] = int32(i), 1
	}
	b, err := loader.Train(positions, availability, nil, rng.Stream(1, step))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// ramp is a source with a formula.
type ramp struct{ rows, width int }

func (r *ramp) Rows() int { return r.rows }

func (r *ramp) at(row, col int) float32 { return float32(row+1)/16 - float32(col) }

func (r *ramp) Gather(_ int, rows []int32, dst []float32) error {
	width := len(dst) / len(rows)
	for i := range dst {
		dst[i] = r.at(int(rows[i/width]), i%width)
	}
	return nil
}

func (r *ramp) Lengths(int, []int32, []int32) error { return errors.New("no sequences") }
