package nn_test

import (
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
	"github.com/deconfound/deconfound/sdk/rng"
)

// panics fails unless f panics with a message that begins with want.
func panics(t *testing.T, want string, f func()) {
	t.Helper()
	defer func() {
		t.Helper()
		if r := fmt.Sprint(recover()); !strings.HasPrefix(r, want) {
			t.Errorf("got panic %q, want %q", r, want)
		}
	}()
	f()
}

func TestTape_PanicsOnShapesThatDoNotFit(t *testing.T) {
	tape := nn.NewTape()
	m := func(rows, cols int) *nn.Var { return tape.Const(rows, cols, make([]float32, rows*cols)) }
	for want, f := range map[string]func(){
		"nn: const: 3 values for [2, 2]":                        func() { tape.Const(2, 2, make([]float32, 3)) },
		"nn: leaf: 4 values for [-2, -2]":                       func() { tape.Leaf(-2, -2, make([]float32, 4)) },
		"nn: linear: x is [2, 3], w is [4, 2]":                  func() { tape.Linear(m(2, 3), m(4, 2), nil) },
		"nn: linear: b is [2, 1], want [1, 2]":                  func() { tape.Linear(m(2, 3), m(3, 2), m(2, 1)) },
		"nn: linear add: y is [2, 3], want [2, 2]":              func() { tape.LinearAdd(m(2, 3), m(2, 3), m(3, 2), nil) },
		"nn: linear columns: 1 matrices, 1 weights and 0 biase": func() { tape.LinearColumns([]*nn.Var{m(2, 3)}, []*nn.Var{m(3, 2)}, nil) },
		"nn: linear columns: x is [3, 3], w is [3, 2]": func() {
			tape.LinearColumns([]*nn.Var{m(2, 3), m(3, 3)}, []*nn.Var{m(3, 2), m(3, 2)}, make([]*nn.Var, 2))
		},
		"nn: linear of parts: they have 3 columns, w is [4, 2]": func() { tape.LinearParts(2, []nn.Part{{X: m(2, 3)}}, m(4, 2), nil) },
		"nn: linear of parts: row 1 after row 1":                func() { tape.LinearParts(2, []nn.Part{{X: m(2, 3), Rows: []int32{1, 1}}}, m(3, 2), nil) },
		"nn: linear of parts: 0 rows are named, want 2":         func() { tape.LinearParts(3, []nn.Part{{X: m(2, 3)}}, m(3, 2), nil) },
		"nn: linear of parts: row 3 of 3":                       func() { tape.LinearParts(3, []nn.Part{{X: m(1, 3), Rows: []int32{3}}}, m(3, 2), nil) },
		"nn: mean of blocks: 4 rows in blocks of 3":             func() { tape.MeanBlocks(m(4, 2), 3) },
		"nn: matmul: [2, 3] times [2, 3]":                       func() { tape.MatMul(m(2, 3), m(2, 3)) },
		"nn: matmul: [2, 3] times the transpose of [3, 2]":      func() { tape.MatMulT(m(2, 3), m(3, 2)) },
		"nn: batch matmul: 2 blocks of [4, 3] times [5, 2]":     func() { tape.BatchMatMul(m(4, 3), m(5, 2), 2) },
		"nn: add: shapes [2, 3] and [3, 2] differ":              func() { tape.Add(m(2, 3), m(3, 2)) },
		"nn: mul rows: the column is [3, 1], want [2, 1]":       func() { tape.MulRows(m(2, 3), m(3, 1)) },
		"nn: concat: 2 and 3 rows":                              func() { tape.Concat(m(2, 1), m(3, 1)) },
		"nn: concat: no matrices":                               func() { tape.Concat() },
		"nn: stack: 1 and 2 columns":                            func() { tape.Stack(m(2, 1), m(2, 2)) },
		"nn: slice 1:4 of 3 columns":                            func() { tape.Slice(m(2, 3), 1, 4) },
		"nn: rows -1:1 of 2":                                    func() { tape.Rows(m(2, 3), -1, 1) },
		"nn: reshape: [2, 3] to [4, 2]":                         func() { tape.Reshape(m(2, 3), 4, 2) },
		"nn: gather: row 2 of 2":                                func() { tape.Gather(m(2, 3), []int32{0, 2}) },
		"nn: scatter: 1 rows are named, want 2":                 func() { tape.Scatter(m(2, 3), []int32{0}, 4) },
		"nn: scatter: row 4 of 4":                               func() { tape.Scatter(m(2, 3), []int32{0, 4}, 4) },
		"nn: embedding: row 2 of 2":                             func() { tape.Embedding(m(2, 3), []int32{2}) },
		"nn: dropout: the rate 1 ":                              func() { tape.Dropout(m(2, 3), 1, nil) },
		"nn: cross entropy: row 1 has class 3 of 3":             func() { tape.CrossEntropy(m(2, 3), []int32{0, 3}) },
		"nn: cross entropy: 1 classes, want 2":                  func() { tape.CrossEntropy(m(2, 3), []int32{0}) },
		"nn: binary cross entropy: 2 targets, want 6":           func() { tape.BCE(m(2, 3), make([]float32, 2)) },
		"nn: generalised cross entropy: q is 0":                 func() { tape.GCE(m(2, 3), []int32{0, 2}, 0) },
		"nn: generalised cross entropy: row 0 has class -1":     func() { tape.GCE(m(2, 3), []int32{-1, 2}, 1) },
		"nn: kl divergence: shapes [2, 3] and [3, 3] differ":    func() { tape.KL(m(2, 3), m(3, 3)) },
		"nn: contrastive: the temperature is not positive":      func() { tape.Contrastive(m(2, 3), m(2, 3), 0) },
		"nn: cross-covariance: 3 rows of b, want 2":             func() { tape.CrossCovariance(m(2, 3), m(3, 3)) },
		"nn: hsic: 3 rows of b, want 2":                         func() { tape.HSIC(m(2, 3), m(3, 3)) },
		"nn: top softmax: 4 of 3 columns":                       func() { tape.TopSoftmax(m(2, 3), 4) },
		"nn: router r: 0 of 3 experts":                          func() { nn.NewRouter(&nn.Params{}, "r", 2, 3, 0) },
		"nn: weighted mean: x is [2, 3], want [2, 1]":           func() { tape.WeightedMean(m(2, 3), nil) },
		"nn: weighted mean: 3 weights, want 2":                  func() { tape.WeightedMean(m(2, 1), make([]float32, 3)) },
		"nn: attention: 4 columns for 3 heads":                  func() { tape.Attention(m(6, 4), m(6, 4), m(6, 4), 3, 3, nil) },
		"nn: attention: 6 rows for 4 tokens":                    func() { tape.Attention(m(6, 4), m(6, 4), m(6, 4), 2, 4, nil) },
		"nn: attention: the query is [3, 4], want [2, 4]":       func() { tape.CrossAttention(m(3, 4), m(6, 4), m(6, 4), 2, 1, 3, nil) },
		"nn: attention: 0 queries":                              func() { tape.CrossAttention(m(0, 4), m(6, 4), m(6, 4), 2, 0, 3, nil) },
		"nn: attention: 2 keys in the mask, want 6":             func() { tape.Attention(m(6, 4), m(6, 4), m(6, 4), 2, 3, make([]bool, 2)) },
		"nn: layer norm: the gain is [1, 3], want [1, 4]":       func() { tape.LayerNorm(m(6, 4), m(1, 3), m(1, 4)) },
		"nn: batch norm: 3 running means, want 4":               func() { tape.BatchNorm(m(6, 4), m(1, 4), m(1, 4), nn.NewRunning(3), true) },
		"nn: gru: sequence 1 has length 4 of 3":                 func() { gruOf(tape, m(6, 2), []int32{0, 4}) },
		"nn: gru: 6 rows for 4 sequences":                       func() { gruOf(tape, m(6, 2), make([]int32, 4)) },
		"nn: gru: the weight of the input is [2, 9], want [1":   func() { gruOf(tape, m(6, 1), make([]int32, 2)) },
		"nn: backward from [2, 1], want a scalar [1, 1]":        func() { tape.BackwardFrom(m(2, 1)) },
		"nn: add scaled: no terms":                              func() { tape.Sum() },
		"nn: where: 1 rows in the mask, want 2":                 func() { tape.Where([]bool{true}, m(2, 1), m(2, 1)) },
		"nn: mlp m: 1 widths":                                   func() { nn.NewMLP(&nn.Params{}, "m", []int{3}, nil, 0, rng.Stream(1)) },
		"nn: attention: 5 rows for 3 tokens":                    func() { tape.AttentionAt(m(6, 4), m(6, 4), m(6, 4), 2, 3, make([]int32, 5), nil) },
		"nn: attention: 2 columns for 0 heads":                  func() { tape.AttentionAt(m(6, 2), m(6, 2), m(6, 2), 0, 3, make([]int32, 3), nil) },
		"nn: attention: 4 keys in the mask, want 3":             func() { tape.AttentionAt(m(6, 4), m(6, 4), m(6, 4), 2, 3, make([]int32, 3), make([]bool, 4)) },
		"nn: attention a: 4 columns for 3 heads":                func() { nn.NewMultiHeadAttention(&nn.Params{}, "a", 4, 3, rng.Stream(1)) },
	} {
		panics(t, want, f)
	}
}

// gruOf runs a GRU of input width 2 and state width 3 with zero weights.
func gruOf(t *nn.Tape, x *nn.Var, lengths []int32) *nn.Var {
	zero := func(rows, cols int) *nn.Var { return t.Const(rows, cols, make([]float32, rows*cols)) }
	return t.GRU(x, nil, lengths, nn.GRUWeights{In: zero(2, 9), State: zero(3, 9), InBias: zero(1, 9), StateBias: zero(1, 9)})
}

func TestTape_ConstantsHaveNoGradient(t *testing.T) {
	tape := nn.NewTape()
	x := tape.Const(1, 2, []float32{1, 2})
	if y := tape.Tanh(tape.Add(x, x)); y.Grad != nil {
		t.Error("a function of constants has a gradient")
	}
	leaf := tape.Leaf(1, 2, []float32{3, 4})
	y := tape.SumAll(tape.Mul(leaf, tape.Detach(leaf)))
	tape.BackwardFrom(y)
	if want := []float32{3, 4}; !slices.Equal(leaf.Grad, want) {
		t.Errorf("the gradient is %v, want %v: detached values are constants", leaf.Grad, want)
	}
	tape.Backward()
	if want := []float32{3, 4}; !slices.Equal(leaf.Grad, want) {
		t.Errorf("the gradient is %v after a second Backward, want %v", leaf.Grad, want)
	}
}

func TestTape_OpOfAnotherPackage(t *testing.T) {
	ps := &nn.Params{}
	p := ps.New("x", 2, 3, nn.Normal(rng.Stream(1), 1))
	sine := func(t *nn.Tape, x *nn.Var) *nn.Var {
		out := t.Op(x.Rows, x.Cols, []*nn.Var{x}, func(out *nn.Var) {
			for i, g := range out.Grad {
				x.Grad[i] += g * float32(math.Cos(float64(x.Value[i])))
			}
		})
		for i, v := range x.Value {
			out.Value[i] = float32(math.Sin(float64(v)))
		}
		return out
	}
	nntest.CheckTape(t, ps.All(), func(tape *nn.Tape) *nn.Var { return sine(tape, tape.Param(p)) })

	tape := nn.NewTape()
	for range 2 { // the second time in used memory
		tape.Reset()
		out := tape.Op(4, 5, []*nn.Var{tape.Param(p)}, func(*nn.Var) {})
		for i := range out.Value {
			if out.Value[i] != 0 || out.Grad[i] != 0 {
				t.Fatal("the output of an operation is not zero")
			}
			out.Value[i], out.Grad[i] = 1, 1
		}
		for i, v := range tape.Scratch(50) {
			if v != 0 {
				t.Fatalf("value %d of the scratch is %v", i, v)
			}
		}
	}
	called := false
	tape.Op(1, 1, []*nn.Var{tape.Const(1, 1, []float32{1})}, func(*nn.Var) { called = true })
	tape.Backward()
	if called {
		t.Error("an operation on constants is run backwards")
	}
}

// everything is a model that uses every layer, and most operations.
type everything struct {
	ps        *nn.Params
	optimizer nn.Optimizer
	step      func(tape *nn.Tape) *nn.Var
}

func newEverything(t testing.TB, optimizer string) *everything {
	t.Helper()
	const batch, tokens, width = 24, 3, 8
	r := rng.Stream(1)
	ps := &nn.Params{}
	table := nn.NewEmbedding(ps, "table", 5, width, r)
	mlp := nn.NewMLP(ps, "mlp", []int{width, 17, width}, nil, 0.1, r)
	smooth := nn.NewMLP(ps, "smooth", []int{width, 9, width}, (*nn.Tape).GELU, 0, r)
	norm := nn.NewLayerNorm(ps, "norm", width)
	batchNorm := nn.NewBatchNorm(ps, "batch", width)
	attention := nn.NewMultiHeadAttention(ps, "attention", width, 2, r)
	gru := nn.NewGRU(ps, "gru", width, width, r)
	router := nn.NewRouter(ps, "router", 2*width, 4, 2)
	head := nn.NewLinear(ps, "head", 2*width, 3, r)
	x := make([]float32, batch*tokens*width)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	ids, lengths, classes := make([]int32, batch*tokens), make([]int32, batch), make([]int32, batch)
	mask, choice := make([]bool, batch*tokens), make([]bool, batch)
	for i := range ids {
		ids[i], mask[i] = int32(r.IntN(6)-1), r.IntN(3) > 0
	}
	rows := make([]int32, batch)
	for i := range rows {
		rows[i], lengths[i], classes[i], choice[i] = int32((i*7)%batch), int32(r.IntN(tokens+1)), int32(r.IntN(3)), i%2 == 0
	}
	targets, weights := make([]float32, batch*3), make([]float32, batch)
	for i := range weights {
		weights[i] = r.Float32()
	}
	joint, missing, places := nn.NewLinear(ps, "joint", 2*width, 3, r), ps.New("missing", 1, width, nn.Ones), []int32{0, 2}
	all := ps.All()
	o, err := nn.NewOptimizer(all, nn.OptimizerConfig{Name: optimizer, LearningRate: 1e-3, ClipNorm: 1})
	if err != nil {
		t.Fatalf("new optimizer: %v", err)
	}
	return &everything{ps: ps, optimizer: o, step: func(tape *nn.Tape) *nn.Var {
		tape.Reset()
		tape.ZeroGrad(all)
		v := tape.Add(tape.Const(batch*tokens, width, x), table.Apply(tape, ids))
		v = smooth.Apply(tape, mlp.Apply(tape, v, r), nil)
		v = attention.Apply(tape, norm.Apply(tape, batchNorm.Apply(tape, v, true)), tokens, mask)
		last := tape.Softmax(tape.Tanh(gru.Apply(tape, v, lengths)))
		mean := tape.Scatter(tape.Gather(tape.Standardise(last, 1e-5), rows), rows, batch)
		cross := attention.ApplyCross(tape, mean, v, 1, tokens, mask)
		joined := tape.Concat(tape.Where(choice, last, mean), tape.Mul(cross, tape.Sigmoid(cross)))
		gates := router.Apply(tape, joined, r)
		joined = tape.MulRows(joined, tape.Slice(gates, 0, 1))
		logits := head.Apply(tape, joined)
		parts := joint.ApplyPartsReLU(tape, batch, []nn.Part{
			{X: last}, {X: tape.Gather(cross, places), Rows: places, Missing: tape.Param(missing)},
		})
		loss := tape.Sum(
			tape.SumAll(parts),
			tape.WeightedMean(tape.CrossEntropy(logits, classes), weights),
			tape.WeightedMean(tape.BCE(logits, targets), nil),
			tape.SumAll(tape.Square(tape.MeanRows(tape.Stack(last, mean)))),
			tape.WeightedMean(tape.GCE(logits, classes, 0.7), weights),
			tape.WeightedMean(tape.KL(last, cross), nil),
			tape.WeightedMean(tape.Contrastive(last, cross, 0.5), nil),
			tape.WeightedMean(tape.VCLUB(last, mean, cross), nil),
			tape.WeightedMean(tape.Likelihood(last, mean, cross), nil),
			tape.CrossCovariance(last, cross),
			tape.HSIC(last, cross),
			tape.Variation(tape.SumRows(gates)),
		)
		tape.BackwardFrom(loss)
		o.Step()
		return loss
	}}
}

func TestTape_SteadyStepAllocatesNothing(t *testing.T) {
	for _, optimizer := range []string{"adam", "adamw", "sgd"} {
		for _, tape := range []*nn.Tape{nn.NewTape(), nn.NewSeededTape()} {
			e := newEverything(t, optimizer)
			step := func() { e.step(tape) }
			step()
			step()
			if n := testing.AllocsPerRun(5, step); n != 0 {
				t.Errorf("a step with %s makes %v allocations", optimizer, n)
			}
		}
	}
}

// A long training holds as much memory as a short one.
func TestTape_LongTrainingDoesNotGrow(t *testing.T) {
	steps := 100_000
	if testing.Short() {
		steps = 1000
	}
	ps := &nn.Params{}
	mlp := nn.NewMLP(ps, "m", []int{4, 8, 2}, nil, 0.1, rng.Stream(1))
	optimizer := newOptimizer(t, ps, nn.OptimizerConfig{Name: "adam", LearningRate: 1e-3})
	x, classes, draws := make([]float32, 8*4), make([]int32, 8), rng.Stream(2)
	tape := nn.NewTape()
	train := func(steps int) {
		for range steps {
			tape.Reset()
			ps.ZeroGrad()
			logits := mlp.Apply(tape, tape.Const(8, 4, x), draws)
			tape.BackwardFrom(tape.WeightedMean(tape.CrossEntropy(logits, classes), nil))
			optimizer.Step()
		}
	}
	var before, after runtime.MemStats
	train(100)
	runtime.GC()
	runtime.ReadMemStats(&before)
	train(steps)
	runtime.ReadMemStats(&after)
	// The test framework and the runtime may make a few of their own.
	if made := after.Mallocs - before.Mallocs; made > 1000 {
		t.Errorf("%d steps made %d allocations", steps, made)
	}
	if grown := int64(after.Sys) - int64(before.Sys); grown > 1<<20 {
		t.Errorf("%d steps took %d bytes from the system", steps, grown)
	}
}

// A row has the same bits alone and among others, in every operation that does not
// mix rows.
func TestTape_RowsDoNotDependOnEachOther(t *testing.T) {
	const batch, steps, width = 70, 3, 8
	ps := &nn.Params{}
	r := rng.Stream(1)
	mlp := nn.NewMLP(ps, "mlp", []int{width, 33, width}, (*nn.Tape).GELU, 0.5, r)
	norm := nn.NewLayerNorm(ps, "norm", width)
	batchNorm := nn.NewBatchNorm(ps, "batch", width)
	attention := nn.NewMultiHeadAttention(ps, "attention", width, 2, r)
	gru := nn.NewGRU(ps, "gru", width, 5, r)
	x := make([]float32, batch*steps*width)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	lengths, mask := make([]int32, batch), make([]bool, batch*steps)
	for i := range lengths {
		lengths[i] = int32(r.IntN(steps + 1))
	}
	for i := range mask {
		mask[i] = r.IntN(2) == 0
	}
	forward := func(x []float32, lengths []int32, mask []bool) []float32 {
		t := nn.NewTape()
		v := mlp.Apply(t, t.Const(len(mask), width, x), nil)
		v = t.Softmax(t.Tanh(batchNorm.Apply(t, norm.Apply(t, v), false)))
		return gru.Apply(t, attention.Apply(t, v, steps, mask), lengths).Value
	}
	all := forward(x, lengths, mask)
	for i := range batch {
		alone := forward(x[i*steps*width:(i+1)*steps*width], lengths[i:i+1], mask[i*steps:(i+1)*steps])
		if want := all[i*5 : (i+1)*5]; !slices.Equal(alone, want) {
			t.Fatalf("row %d is %v alone and %v among others", i, alone, want)
		}
	}
}

// The number of threads and other tapes at work change no bit of a training.
func TestTape_ThreadsDoNotChangeBits(t *testing.T) {
	train := func() []float32 {
		e, tape := newEverything(t, "adam"), nn.NewTape()
		for range 5 {
			e.step(tape)
		}
		var values []float32
		for _, p := range e.ps.All() {
			values = append(values, p.Value...)
		}
		return values
	}
	want := train()
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	for _, threads := range []int{1, 4} {
		runtime.GOMAXPROCS(threads)
		results := make([][]float32, 4)
		var all sync.WaitGroup
		for i := range results {
			all.Go(func() { results[i] = train() })
		}
		all.Wait()
		for i, got := range results {
			if !slices.Equal(got, want) {
				t.Errorf("training %d of 4 on %d threads gives other bits", i, threads)
			}
		}
	}
}

// Rows of weight 0 at the end of a batch change no bit of loss and gradients.
func TestTape_PaddingDoesNotChangeBits(t *testing.T) {
	const rows, steps, width = 21, 3, 8
	r := rng.Stream(1)
	ps := &nn.Params{}
	mlp := nn.NewMLP(ps, "mlp", []int{width, 33, width}, (*nn.Tape).GELU, 0.2, r)
	norm := nn.NewLayerNorm(ps, "norm", width)
	attention := nn.NewMultiHeadAttention(ps, "attention", width, 2, r)
	gru := nn.NewGRU(ps, "gru", width, 5, r)
	head := nn.NewMLP(ps, "head", []int{5, 17, 3}, nil, 0, r)
	const most = rows + 300
	x, weights := make([]float32, most*steps*width), make([]float32, most)
	lengths, classes := make([]int32, most), make([]int32, most)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	for i := range lengths {
		lengths[i], classes[i] = int32(r.IntN(steps+1)), int32(r.IntN(3))
		if i < rows {
			weights[i] = 1
		}
	}
	run := func(rows int) (loss float32, gradients []float32) {
		tape := nn.NewTape()
		ps.ZeroGrad()
		v := mlp.Apply(tape, tape.Const(rows*steps, width, x[:rows*steps*width]), rng.Stream(2))
		v = norm.Apply(tape, attention.Apply(tape, v, steps, nil))
		logits := head.Apply(tape, gru.Apply(tape, v, lengths[:rows]), nil)
		l := tape.WeightedMean(tape.CrossEntropy(logits, classes[:rows]), weights[:rows])
		tape.BackwardFrom(l)
		for _, p := range ps.All() {
			gradients = append(gradients, p.Grad...)
		}
		return l.Value[0], gradients
	}
	loss, gradients := run(rows)
	for _, padding := range []int{1, 5, 64, 300} {
		l, g := run(rows + padding)
		if l != loss || !slices.Equal(g, gradients) {
			t.Errorf("%d rows of padding change the bits of the loss (%v and %v) or of gradients", padding, l, loss)
		}
	}
}

func TestTape_BatchOfNoRows(t *testing.T) {
	ps := &nn.Params{}
	r := rng.Stream(1)
	mlp := nn.NewMLP(ps, "mlp", []int{4, 3, 4}, nil, 0, r)
	norm := nn.NewLayerNorm(ps, "norm", 4)
	batchNorm := nn.NewBatchNorm(ps, "batch", 4)
	attention := nn.NewMultiHeadAttention(ps, "attention", 4, 2, r)
	gru := nn.NewGRU(ps, "gru", 4, 4, r)
	tape := nn.NewTape()
	x := tape.Leaf(0, 4, nil)
	v := batchNorm.Apply(tape, norm.Apply(tape, mlp.Apply(tape, x, nil)), true)
	v = gru.Apply(tape, attention.Apply(tape, tape.Standardise(v, 1e-5), 3, nil), nil)
	loss := tape.WeightedMean(tape.CrossEntropy(v, nil), nil)
	tape.BackwardFrom(loss)
	if loss.Value[0] != 0 {
		t.Errorf("the loss of no rows is %v", loss.Value[0])
	}
	tape.Reset()
	x = tape.Leaf(0, 4, nil)
	for i, loss := range []*nn.Var{
		tape.SumAll(tape.GCE(x, nil, 1)), tape.SumAll(tape.KL(x, x)), tape.SumAll(tape.Contrastive(x, x, 1)),
		tape.SumAll(tape.VCLUB(x, x, x)), tape.SumAll(tape.TopSoftmax(x, 2)), tape.CrossCovariance(x, x), tape.HSIC(x, x), tape.Variation(x),
	} {
		tape.BackwardFrom(loss)
		if loss.Value[0] != 0 {
			t.Errorf("loss %d of no rows is %v", i, loss.Value[0])
		}
	}
	back := tape.Scatter(tape.Leaf(0, 4, nil), nil, 2)
	if !slices.Equal(back.Value, make([]float32, 8)) {
		t.Errorf("scattering no rows gives %v", back.Value)
	}
	for _, p := range ps.All() {
		for _, g := range p.Grad {
			if g != 0 {
				t.Fatalf("the gradient of %s is %v", p.Name, p.Grad)
			}
		}
	}
	for _, v := range batchNorm.Running.Variance {
		if v != 1 {
			t.Fatalf("no rows change the running variance to %v", v)
		}
	}
}

func TestDropout_KeepsTheMean(t *testing.T) {
	tape := nn.NewTape()
	x := make([]float32, 20000)
	for i := range x {
		x[i] = 1
	}
	in := tape.Const(100, 200, x)
	var sum float64
	zeros := 0
	for _, v := range tape.Dropout(in, 0.25, rng.Stream(1)).Value {
		sum += float64(v)
		if v == 0 {
			zeros++
		}
	}
	if mean, share := sum/20000, float64(zeros)/20000; math.Abs(mean-1) > 0.02 || math.Abs(share-0.25) > 0.02 {
		t.Errorf("mean %v and share of zeros %v, want 1 and 0.25", mean, share)
	}
	if tape.Dropout(in, 0.25, nil) != in || tape.Dropout(in, 0, rng.Stream(1)) != in {
		t.Error("dropout is not the identity without draws")
	}
}

func TestAttention_WithoutKeysIsZero(t *testing.T) {
	tape := nn.NewTape()
	x := make([]float32, 4*2)
	for i := range x {
		x[i] = float32(i)
	}
	v := tape.Leaf(4, 2, x)
	out := tape.Attention(v, v, v, 1, 2, nn.KeyMask([]uint64{0b00, 0b10}, 2))
	if want := []float32{0, 0, 0, 0, 6, 7, 6, 7}; !slices.Equal(out.Value, want) {
		t.Errorf("got %v, want %v", out.Value, want)
	}
	tape.Backward()
	for _, g := range v.Grad {
		if g != 0 {
			t.Fatalf("the gradient without a seed is %v", v.Grad)
		}
	}
}

// An attended value that is not finite spoils its own row only where it is seen.
func TestAttention_MaskedKeysMayBeAnything(t *testing.T) {
	tape := nn.NewTape()
	nan := float32(math.NaN())
	v := tape.Const(2, 1, []float32{1, nan})
	out := tape.Attention(tape.Const(2, 1, []float32{1, 1}), v, v, 1, 2, []bool{true, false})
	if want := []float32{1, 1}; !slices.Equal(out.Value, want) {
		t.Errorf("got %v, want %v", out.Value, want)
	}
}

func TestReLU_OfInfinity(t *testing.T) {
	tape := nn.NewTape()
	y := tape.ReLU(tape.Const(1, 3, []float32{float32(math.Inf(-1)), -1, 2}))
	if want := []float32{0, 0, 2}; !slices.Equal(y.Value, want) {
		t.Errorf("got %v, want %v", y.Value, want)
	}
}

func TestSoftmax_ExtremeRows(t *testing.T) {
	tape := nn.NewTape()
	low, high := float32(-1e9), float32(1e30)
	x := tape.Const(3, 2, []float32{low, 0, high, high, float32(math.Inf(-1)), float32(math.Inf(-1))})
	if got, want := tape.Softmax(x).Value, []float32{0, 1, 0.5, 0.5, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
	loss := tape.CrossEntropy(tape.Const(1, 2, []float32{200, -200}), []int32{1})
	near(t, "cross entropy", loss.Value, []float32{400})
	loss = tape.BCE(tape.Const(1, 2, []float32{200, -200}), []float32{0, 0})
	near(t, "binary cross entropy", loss.Value, []float32{100})
}

// Wide rows take another way to the same numbers.
func TestLosses_OfWideRows(t *testing.T) {
	const wide = 40
	r := rng.Stream(1)
	for _, scale := range []float64{1, 30, 1e4} {
		x, y := make([]float32, wide), make([]float32, wide)
		for i := range x {
			x[i], y[i] = float32(scale*r.NormFloat64()), float32(r.NormFloat64())
		}
		norm := func(z []float32) float64 {
			top := float64(slices.Max(z))
			var sum float64
			for _, v := range z {
				sum += math.Exp(float64(v) - top)
			}
			return top + math.Log(sum)
		}
		var divergence float64
		for i := range x {
			logP := float64(x[i]) - norm(x)
			divergence += math.Exp(logP) * (logP - float64(y[i]) + norm(y))
		}
		tape := nn.NewTape()
		a, b := tape.Leaf(1, wide, x), tape.Const(1, wide, y)
		loss := tape.CrossEntropy(a, []int32{7})
		near(t, "cross entropy", loss.Value, []float32{float32(norm(x) - float64(x[7]))})
		near(t, "generalised", tape.GCE(a, []int32{7}, 0.5).Value, []float32{float32(2 * (1 - math.Exp(0.5*(float64(x[7])-norm(x)))))})
		near(t, "divergence", tape.KL(a, b).Value, []float32{float32(divergence)})
		tape.BackwardFrom(loss)
		want := make([]float32, wide)
		for i, v := range x {
			want[i] = float32(math.Exp(float64(v) - norm(x)))
		}
		want[7]--
		near(t, "gradient", a.Grad, want)
	}
	tape := nn.NewTape()
	x := make([]float32, wide)
	x[3] = float32(math.NaN())
	if v := tape.CrossEntropy(tape.Const(1, wide, x), []int32{0}).Value[0]; v == v {
		t.Errorf("the loss of NaN is %v", v)
	}
}

func TestRunning_StateRoundTripAndSingleRow(t *testing.T) {
	ps := &nn.Params{}
	b := nn.NewBatchNorm(ps, "b", 2)
	tape := nn.NewTape()
	b.Apply(tape, tape.Const(3, 2, []float32{1, 2, 3, 4, 5, 9}), true)
	variance := slices.Clone(b.Running.Variance)
	y := b.Apply(tape, tape.Const(1, 2, []float32{7, 8}), true)
	if !slices.Equal(y.Value, []float32{0, 0}) || !slices.Equal(b.Running.Variance, variance) {
		t.Errorf("one row gives %v and variance %v, want zeros and %v", y.Value, b.Running.Variance, variance)
	}
	other := nn.NewRunning(2)
	if err := other.SetState(b.State()); err != nil {
		t.Fatalf("set state: %v", err)
	}
	if !slices.Equal(other.Mean, b.Mean) || !slices.Equal(other.Variance, b.Running.Variance) {
		t.Errorf("got %v and %v, want %v and %v", other.Mean, other.Variance, b.Mean, b.Running.Variance)
	}
	if err := nn.NewRunning(3).SetState(b.State()); err == nil {
		t.Error("the state of another width was accepted")
	}
}

func TestRouter_ChoosesAndDrawsNoiseInTrainingAlone(t *testing.T) {
	ps := &nn.Params{}
	router := nn.NewRouter(ps, "router", 3, 5, 2)
	copy(router.Weight.Value, []float32{1, 2, 3, 4, 5, 0, 0, 0, 0, 0, 5, 4, 3, 2, 1})
	tape := nn.NewTape()
	x := tape.Const(2, 3, []float32{1, 0, 0, 0, 0, 1})
	high, low := float32(1/(1+math.Exp(-1))), float32(1/(1+math.Exp(1)))
	near(t, "gates", router.Apply(tape, x, nil).Value, []float32{0, 0, 0, low, high, high, low, 0, 0, 0})
	first, again := router.Apply(tape, x, rng.Stream(1)), router.Apply(tape, x, rng.Stream(1))
	if !slices.Equal(first.Value, again.Value) {
		t.Error("the same draws give other gates")
	}
	for i := range first.Rows {
		var sum float32
		chosen := 0
		for _, v := range first.Value[i*5 : (i+1)*5] {
			sum += v
			if v > 0 {
				chosen++
			}
		}
		if math.Abs(float64(sum)-1) > 1e-6 || chosen != 2 {
			t.Errorf("the gates of row %d sum to %v over %d experts, want 1 over 2", i, sum, chosen)
		}
	}
	if other := router.Apply(tape, x, rng.Stream(2)); slices.Equal(first.Value, other.Value) {
		t.Error("other draws give the same gates")
	}
	// Of equal elements the first ones count.
	if got, want := tape.TopSoftmax(tape.Const(1, 4, []float32{1, 1, 1, 1}), 2).Value, []float32{0.5, 0.5, 0, 0}; !slices.Equal(got, want) {
		t.Errorf("got %v, want %v", got, want)
	}
}

func TestHSIC_OfEqualsAndConstants(t *testing.T) {
	tape := nn.NewTape()
	x := tape.Const(4, 2, []float32{1, 2, 3, 1, 0, 5, 2, 2})
	near(t, "hsic of a matrix with itself", tape.HSIC(x, x).Value, []float32{1})
	near(t, "hsic with a constant", tape.HSIC(x, tape.Const(4, 1, []float32{3, 3, 3, 3})).Value, []float32{0})
}

// Attention at rows has the values of that of the rows gathered, and their gradients.
func TestAttentionAt_IsAttentionOfGatheredRows(t *testing.T) {
	const tokens, width, heads = 5, 24, 3
	r := rng.Stream(7)
	rows, mask := make([]int32, 4*tokens), make([]bool, 4*tokens)
	for i := range rows {
		rows[i], mask[i] = int32(r.IntN(6)), r.IntN(3) > 0
	}
	var inputs [3][]float32
	for i := range inputs {
		for range 6 * width {
			inputs[i] = append(inputs[i], float32(r.NormFloat64()))
		}
	}
	run := func(attend func(t *nn.Tape, q, k, v *nn.Var) *nn.Var) (value []float32, grads [3][]float32) {
		tape := nn.NewTape()
		var vars [3]*nn.Var
		for i := range vars {
			vars[i] = tape.Leaf(6, width, inputs[i])
		}
		out := attend(tape, vars[0], vars[1], vars[2])
		tape.BackwardFrom(tape.SumAll(tape.Square(out)))
		for i := range grads {
			grads[i] = vars[i].Grad
		}
		return out.Value, grads
	}
	got, gotGrads := run(func(t *nn.Tape, q, k, v *nn.Var) *nn.Var {
		return t.AttentionAt(q, k, v, heads, tokens, rows, mask)
	})
	want, wantGrads := run(func(t *nn.Tape, q, k, v *nn.Var) *nn.Var {
		return t.Attention(t.Gather(q, rows), t.Gather(k, rows), t.Gather(v, rows), heads, tokens, mask)
	})
	if !slices.Equal(got, want) {
		t.Error("the values differ from those of the rows gathered")
	}
	for i := range gotGrads {
		for j, g := range wantGrads[i] {
			if math.Abs(float64(gotGrads[i][j]-g)) > 1e-4*max(1, math.Abs(float64(g))) {
				t.Fatalf("gradient %d of input %d is %v, want %v", j, i, gotGrads[i][j], g)
			}
		}
	}
}
