package nn_test

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

var optimizers = map[string]nn.OptimizerConfig{
	"adam":  {Name: "adam", LearningRate: 0.01, WeightDecay: 0.1, ClipNorm: 1},
	"adamw": {Name: "adamw", LearningRate: 0.01, WeightDecay: 0.1},
	"sgd":   {Name: "sgd", LearningRate: 0.01, Momentum: 0.9},
}

func newOptimizer(t *testing.T, ps *nn.Params, c nn.OptimizerConfig) nn.Optimizer {
	t.Helper()
	o, err := nn.NewOptimizer(ps.All(), c)
	if err != nil {
		t.Fatalf("new optimizer: %v", err)
	}
	return o
}

func weights() *nn.Params {
	ps := &nn.Params{}
	ps.New("a", 3, 4, nn.Normal(rng.Stream(1, "a"), 1))
	ps.New("b", 1, 4, nn.Normal(rng.Stream(1, "b"), 1)).NoDecay = true
	return ps
}

// walk takes steps with gradients that depend on the number of the step alone.
func walk(ps *nn.Params, o nn.Optimizer, from, to int) {
	for step := from; step < to; step++ {
		r := rng.Stream(2, "gradient", step)
		for _, p := range ps.All() {
			for i := range p.Grad {
				p.Grad[i] = float32(r.NormFloat64())
			}
		}
		o.Step()
	}
}

func TestOptimizer_StateRoundTripGivesSameBits(t *testing.T) {
	for name, config := range optimizers {
		t.Run(name, func(t *testing.T) {
			straight := weights()
			o := newOptimizer(t, straight, config)
			walk(straight, o, 0, 5)
			o.SetLearningRate(0.003)
			walk(straight, o, 5, 8)
			state := o.State()
			resumed := weights()
			for i, p := range resumed.All() {
				copy(p.Value, straight.All()[i].Value)
			}
			again := newOptimizer(t, resumed, config)
			if err := again.SetState(state); err != nil {
				t.Fatalf("set state: %v", err)
			}
			if !slices.Equal(again.State(), state) {
				t.Error("the state changes on its way")
			}
			walk(straight, o, 8, 20)
			walk(resumed, again, 8, 20)
			for i, p := range straight.All() {
				if !slices.Equal(p.Value, resumed.All()[i].Value) {
					t.Errorf("parameter %s is %v after resuming, want %v", p.Name, resumed.All()[i].Value, p.Value)
				}
			}
		})
	}
}

func TestOptimizer_SetStateRefusesOthers(t *testing.T) {
	ps := weights()
	o := newOptimizer(t, ps, optimizers["adam"])
	walk(ps, o, 0, 3)
	state := o.State()
	other := &nn.Params{}
	other.New("a", 4, 4, nil)
	other.New("b", 1, 4, nil)
	for name, c := range map[string]struct {
		state []byte
		want  string
	}{
		"empty":     {nil, "not one of adam"},
		"truncated": {state[:len(state)-1], "ends within parameter b"},
		"longer":    {append(slices.Clone(state), 0), "1 bytes too many"},
		"of adamw":  {newOptimizer(t, weights(), optimizers["adamw"]).State(), "not one of adam"},
		"of sgd":    {newOptimizer(t, weights(), optimizers["sgd"]).State(), "not one of adam"},
		"of others": {newOptimizer(t, other, optimizers["adam"]).State(), "parameter a has 12 values, the state has 16"},
	} {
		err := o.SetState(c.state)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want an error with %q", name, err, c.want)
		}
		if !slices.Equal(o.State(), state) {
			t.Fatalf("%s: the refused state changed the optimiser", name)
		}
	}
}

func TestOptimizer_DecayLeavesExemptParameters(t *testing.T) {
	for name, config := range optimizers {
		config.WeightDecay, config.ClipNorm = 0.5, 0
		ps := weights()
		before := slices.Clone(ps.All()[1].Value)
		o := newOptimizer(t, ps, config)
		start := slices.Clone(ps.All()[0].Value)
		o.Step() // of zero gradients
		if !slices.Equal(before, ps.All()[1].Value) {
			t.Errorf("%s changes a parameter without decay", name)
		}
		if slices.Equal(start, ps.All()[0].Value) {
			t.Errorf("%s does not decay", name)
		}
	}
}

func TestOptimizer_ClipsTheNormOfAllTogether(t *testing.T) {
	ps := &nn.Params{}
	a, b := ps.New("a", 1, 1, nil), ps.New("b", 1, 1, nil)
	o := newOptimizer(t, ps, nn.OptimizerConfig{Name: "sgd", LearningRate: 1, ClipNorm: 1})
	a.Grad[0], b.Grad[0] = 3, 4
	o.Step()
	near(t, "a", a.Value, []float32{-0.6})
	near(t, "b", b.Value, []float32{-0.8})
	if a.Grad[0] != 3 || b.Grad[0] != 4 {
		t.Error("the gradients were changed")
	}
	a.Grad[0], b.Grad[0] = 0.3, 0.4
	o.Step()
	near(t, "a within the norm", a.Value, []float32{-0.9})
}

func TestNewOptimizer_RefusesBadSettings(t *testing.T) {
	good := nn.OptimizerConfig{Name: "adam", LearningRate: 0.1}
	for want, change := range map[string]func(*nn.OptimizerConfig){
		`unknown optimiser "adagrad"`:          func(c *nn.OptimizerConfig) { c.Name = "adagrad" },
		"learning rate of the optimiser is 0":  func(c *nn.OptimizerConfig) { c.LearningRate = 0 },
		"learning rate of the optimiser is +I": func(c *nn.OptimizerConfig) { c.LearningRate = math.Inf(1) },
		"weight decay of the optimiser is -1":  func(c *nn.OptimizerConfig) { c.WeightDecay = -1 },
		"beta1 of the optimiser is 1":          func(c *nn.OptimizerConfig) { c.Beta1 = 1 },
		"beta2 of the optimiser is NaN":        func(c *nn.OptimizerConfig) { c.Beta2 = math.NaN() },
		"epsilon of the optimiser is -1":       func(c *nn.OptimizerConfig) { c.Epsilon = -1 },
		"momentum of the optimiser is 1":       func(c *nn.OptimizerConfig) { c.Momentum = 1 },
		"clip norm of the optimiser is -1":     func(c *nn.OptimizerConfig) { c.ClipNorm = -1 },
	} {
		c := good
		change(&c)
		if _, err := nn.NewOptimizer(nil, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error with %q", err, want)
		}
	}
}

// After Reset an optimiser is as a new one, and the parameters are where they were.
func TestOptimizer_Reset(t *testing.T) {
	for name, c := range optimizers {
		ps := weights()
		used := newOptimizer(t, ps, c)
		walk(ps, used, 0, 3)
		before := slices.Clone(ps.All()[0].Value)
		used.Reset()
		if !slices.Equal(before, ps.All()[0].Value) {
			t.Errorf("%s: Reset moved the parameters", name)
		}
		if fresh := newOptimizer(t, weights(), c); !slices.Equal(used.State(), fresh.State()) {
			t.Errorf("%s: the state after Reset is not that of a new optimiser", name)
		}
	}
}
