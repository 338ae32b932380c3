package nn_test

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

func TestParams_KeepsOrderAndRefusesTakenNames(t *testing.T) {
	var ps nn.Params
	b := ps.New("b", 2, 3, nn.Ones)
	a := ps.New("a", 1, 1, nil)
	if all := ps.All(); len(all) != 2 || all[0] != b || all[1] != a {
		t.Fatalf("got %v, want b and a", all)
	}
	if ps.Count() != 7 {
		t.Errorf("got %d values, want 7", ps.Count())
	}
	panics(t, `nn: two parameters are named "b"`, func() { ps.New("b", 1, 1, nil) })
	if len(ps.All()) != 2 {
		t.Error("a refused parameter is kept")
	}
	b.Grad[0] = 1
	ps.ZeroGrad()
	if b.Grad[0] != 0 {
		t.Error("the gradient is not zero")
	}
}

// Flat parameters follow their gradients as others do, with the same bits and the same
// state.
func TestParams_FlattenChangesNoBits(t *testing.T) {
	for _, config := range []nn.OptimizerConfig{
		{Name: "adam", LearningRate: 1e-2, WeightDecay: 0.1, ClipNorm: 1},
		{Name: "adamw", LearningRate: 1e-2, WeightDecay: 0.1},
		{Name: "sgd", LearningRate: 1e-2, Momentum: 0.9},
	} {
		train := func(flatten bool) (values [][]float32, state []byte) {
			ps, r := &nn.Params{}, rng.Stream(1)
			mlp := nn.NewMLP(ps, "m", []int{3, 7, 33, 1}, nil, 0, r)
			ps.New("empty", 0, 3, nil)
			all := ps.All()
			if flatten {
				before := all[0].Value[0]
				flat, grads := ps.Flatten()
				if flat[0] != before || &flat[0] != &all[0].Value[0] || &grads[0] != &all[0].Grad[0] || len(flat) < ps.Count() {
					t.Fatalf("%s: the flat slices are not the parameters", config.Name)
				}
			}
			// In another order than that of the memory, too.
			o, err := nn.NewOptimizer(append(all[2:], all[:2]...), config)
			if err != nil {
				t.Fatalf("new optimizer: %v", err)
			}
			x := make([]float32, 5*3)
			for i := range x {
				x[i] = float32(r.NormFloat64())
			}
			tape := nn.NewSeededTape()
			for range 3 {
				tape.Reset()
				tape.ZeroGrad(ps.All())
				tape.BackwardFrom(tape.SumAll(tape.Square(mlp.Apply(tape, tape.Const(5, 3, x), nil))))
				o.Step()
			}
			for _, p := range ps.All() {
				values = append(values, p.Value)
			}
			return values, o.State()
		}
		want, wantState := train(false)
		got, gotState := train(true)
		for i := range want {
			if !slices.Equal(got[i], want[i]) {
				t.Errorf("%s: parameter %d has other bits", config.Name, i)
			}
		}
		if !slices.Equal(gotState, wantState) {
			t.Errorf("%s: the state has other bits", config.Name)
		}
	}
}

// An optimiser made before notices that its parameters moved.
func TestParams_FlattenAfterSteps(t *testing.T) {
	ps := &nn.Params{}
	a, b := ps.New("a", 1, 2, nn.Ones), ps.New("b", 2, 2, nn.Ones)
	o, err := nn.NewOptimizer(ps.All(), nn.OptimizerConfig{Name: "sgd", LearningRate: 0.5})
	if err != nil {
		t.Fatalf("new optimizer: %v", err)
	}
	for range 2 {
		for _, p := range ps.All() {
			for i := range p.Grad {
				p.Grad[i] = 1
			}
		}
		o.Step()
		ps.Flatten()
	}
	if want := []float32{0, 0}; !slices.Equal(a.Value, want) || b.Value[3] != 0 {
		t.Errorf("got %v and %v after two steps, want zeros", a.Value, b.Value)
	}
}

func TestLayers_ExemptBiasesAndGainsFromDecay(t *testing.T) {
	ps := &nn.Params{}
	nn.NewLinear(ps, "linear", 2, 2, rng.Stream(1))
	nn.NewLayerNorm(ps, "norm", 2)
	for _, p := range ps.All() {
		if want := p.Name != "linear.weight"; p.NoDecay != want {
			t.Errorf("%s has NoDecay %v, want %v", p.Name, p.NoDecay, want)
		}
	}
}

func TestInit_Moments(t *testing.T) {
	const rows, cols = 300, 200
	for name, c := range map[string]struct {
		init       func() nn.Init
		std, bound float64
	}{
		"kaiming": {func() nn.Init { return nn.KaimingUniform(rng.Stream(1)) }, 1 / math.Sqrt(3*rows), 1 / math.Sqrt(rows)},
		"xavier":  {func() nn.Init { return nn.XavierUniform(rng.Stream(1)) }, math.Sqrt(2.0 / (rows + cols)), math.Sqrt(6.0 / (rows + cols))},
		"normal":  {func() nn.Init { return nn.Normal(rng.Stream(1), 0.5) }, 0.5, 5},
	} {
		var ps nn.Params
		p := ps.New("p", rows, cols, c.init())
		q := ps.New("q", rows, cols, c.init())
		var sum, square float64
		for i, v := range p.Value {
			sum += float64(v)
			square += float64(v) * float64(v)
			if math.Abs(float64(v)) > c.bound*1.000001 {
				t.Fatalf("%s: %v is outside of ±%v", name, v, c.bound)
			}
			if v != q.Value[i] {
				t.Fatalf("%s: the same stream gives %v and %v", name, v, q.Value[i])
			}
		}
		n := float64(len(p.Value))
		if std := math.Sqrt(square / n); math.Abs(std/c.std-1) > 0.02 || math.Abs(sum/n) > 0.02*c.std {
			t.Errorf("%s: mean %v and deviation %v, want 0 and %v", name, sum/n, std, c.std)
		}
	}
}
