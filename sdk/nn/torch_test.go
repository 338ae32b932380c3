package nn_test

import (
	"encoding/json"
	"math"
	"os"
	"sync"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
)

// torchCase is what PyTorch computes for one operation: the output, and the
// gradients of Σ output·factors. The script beside the file wrote it.
type torchCase struct {
	Inputs    map[string]matrix
	Output    matrix
	Factors   matrix
	Gradients map[string]matrix

	Classes        []int32
	Targets, Mask  json.RawMessage
	Lengths        []int32
	Heads, Tokens  int
	Queries        int
	MeanBefore     matrix `json:"mean_before"`
	VarianceBefore matrix `json:"variance_before"`
	MeanAfter      matrix `json:"mean_after"`
	VarianceAfter  matrix `json:"variance_after"`
	Inference      matrix
}

type matrix [][]float32

func (m matrix) flat() []float32 {
	var values []float32
	for _, row := range m {
		values = append(values, row...)
	}
	return values
}

var torchFile = sync.OnceValues(func() (map[string]json.RawMessage, error) {
	b, err := os.ReadFile("testdata/torch.json")
	if err != nil {
		return nil, err
	}
	var all map[string]json.RawMessage
	return all, json.Unmarshal(b, &all)
})

func torch(t *testing.T, name string, into any) {
	t.Helper()
	all, err := torchFile()
	if err != nil {
		t.Fatalf("read fixtures: %v", err)
	}
	decode(t, all[name], into)
}

func decode(t *testing.T, b []byte, into any) {
	t.Helper()
	if err := json.Unmarshal(b, into); err != nil {
		t.Fatalf("decode fixture: %v", err)
	}
}

// near fails unless got equals want up to a few roundings of float32.
func near(t *testing.T, what string, got, want []float32) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: got %d values, want %d", what, len(got), len(want))
	}
	for i := range got {
		if off := math.Abs(float64(got[i] - want[i])); !(off <= 2e-6+5e-6*math.Abs(float64(want[i]))) {
			t.Errorf("%s[%d]: got %v, want %v", what, i, got[i], want[i])
		}
	}
}

// check runs record on the inputs and compares output and gradients.
func (c torchCase) check(t *testing.T, record func(tape *nn.Tape, in map[string]*nn.Var) *nn.Var) {
	t.Helper()
	tape := nn.NewTape()
	in := map[string]*nn.Var{}
	for name, m := range c.Inputs {
		in[name] = tape.Leaf(len(m), len(m[0]), m.flat())
	}
	out := record(tape, in)
	near(t, "output", out.Value, c.Output.flat())
	copy(out.Grad, c.Factors.flat())
	tape.Backward()
	for name, g := range c.Gradients {
		near(t, "gradient of "+name, in[name].Grad, g.flat())
	}
}

func TestTape_AgreesWithTorch(t *testing.T) {
	type vars = map[string]*nn.Var
	cases := map[string]func(t *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var{
		"cross_entropy": func(t *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var {
			return func(tape *nn.Tape, in vars) *nn.Var { return tape.CrossEntropy(in["logits"], c.Classes) }
		},
		"bce": func(t *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var {
			var targets, mask matrix
			decode(t, c.Targets, &targets)
			decode(t, c.Mask, &mask)
			y := targets.flat()
			for i, m := range mask.flat() {
				if m == 0 {
					y[i] = float32(math.NaN())
				}
			}
			return func(tape *nn.Tape, in vars) *nn.Var { return tape.BCE(in["logits"], y) }
		},
		"layer_norm": func(*testing.T, torchCase) func(*nn.Tape, vars) *nn.Var {
			return func(tape *nn.Tape, in vars) *nn.Var { return tape.LayerNorm(in["x"], in["g"], in["b"]) }
		},
		"gru": func(_ *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var {
			return func(tape *nn.Tape, in vars) *nn.Var {
				w := nn.GRUWeights{In: in["in"], State: in["state"], InBias: in["in_bias"], StateBias: in["state_bias"]}
				return tape.GRU(in["x"], nil, c.Lengths, w)
			}
		},
		"attention": func(t *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var {
			var mask []bool
			decode(t, c.Mask, &mask)
			return func(tape *nn.Tape, in vars) *nn.Var {
				project := func(name string, x *nn.Var) *nn.Var {
					return tape.Linear(x, in[name+".weight"], in[name+".bias"])
				}
				x := in["x"]
				return project("out", tape.Attention(project("query", x), project("key", x), project("value", x), c.Heads, c.Tokens, mask))
			}
		},
	}
	cases["cross_attention"] = func(t *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var {
		var mask []bool
		decode(t, c.Mask, &mask)
		return func(tape *nn.Tape, in vars) *nn.Var {
			return tape.CrossAttention(in["q"], in["k"], in["v"], c.Heads, c.Queries, c.Tokens, mask)
		}
	}
	for name, f := range map[string]func(tape *nn.Tape, in vars, c torchCase) *nn.Var{
		"linear_relu":  func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.LinearReLU(in["x"], in["w"], in["b"]) },
		"gce":          func(tape *nn.Tape, in vars, c torchCase) *nn.Var { return tape.GCE(in["logits"], c.Classes, 0.7) },
		"kl":           func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.KL(in["a"], in["b"]) },
		"cosine":       func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.Cosine(in["a"], in["b"]) },
		"contrastive":  func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.Contrastive(in["a"], in["b"], 0.5) },
		"vclub":        func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.VCLUB(in["mu"], in["s"], in["b"]) },
		"hsic":         func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.HSIC(in["a"], in["b"]) },
		"top_softmax":  func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.TopSoftmax(in["x"], 2) },
		"variation":    func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.Variation(in["x"]) },
		"batch_matmul": func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.BatchMatMul(in["a"], in["b"], 3) },
		"embedding": func(tape *nn.Tape, in vars, _ torchCase) *nn.Var {
			return tape.Embedding(in["table"], []int32{3, 0, 3, 4})
		},
		"likelihood": func(tape *nn.Tape, in vars, _ torchCase) *nn.Var { return tape.Likelihood(in["mu"], in["s"], in["b"]) },
		"cross_covariance": func(tape *nn.Tape, in vars, _ torchCase) *nn.Var {
			return tape.CrossCovariance(in["a"], in["b"])
		},
	} {
		cases[name] = func(_ *testing.T, c torchCase) func(*nn.Tape, vars) *nn.Var {
			return func(tape *nn.Tape, in vars) *nn.Var { return f(tape, in, c) }
		}
	}
	for name, f := range map[string]nn.Activation{
		"softplus": (*nn.Tape).Softplus,
		"gelu":     (*nn.Tape).GELU, "tanh": (*nn.Tape).Tanh, "sigmoid": (*nn.Tape).Sigmoid,
		"softmax": (*nn.Tape).Softmax, "log_softmax": (*nn.Tape).LogSoftmax,
	} {
		cases[name] = func(*testing.T, torchCase) func(*nn.Tape, vars) *nn.Var {
			return func(tape *nn.Tape, in vars) *nn.Var { return f(tape, in["x"]) }
		}
	}
	for name, record := range cases {
		t.Run(name, func(t *testing.T) {
			var c torchCase
			torch(t, name, &c)
			c.check(t, record(t, c))
		})
	}
}

func TestBatchNorm_AgreesWithTorch(t *testing.T) {
	var c torchCase
	torch(t, "batch_norm", &c)
	running := nn.NewRunning(3)
	copy(running.Mean, c.MeanBefore.flat())
	copy(running.Variance, c.VarianceBefore.flat())
	c.check(t, func(tape *nn.Tape, in map[string]*nn.Var) *nn.Var {
		return tape.BatchNorm(in["x"], in["g"], in["b"], running, true)
	})
	near(t, "running mean", running.Mean, c.MeanAfter.flat())
	near(t, "running variance", running.Variance, c.VarianceAfter.flat())

	tape := nn.NewTape()
	input := func(name string) *nn.Var {
		m := c.Inputs[name]
		return tape.Const(len(m), len(m[0]), m.flat())
	}
	near(t, "inference", tape.BatchNorm(input("x"), input("g"), input("b"), running, false).Value, c.Inference.flat())
}

func TestOptimizer_AgreesWithTorch(t *testing.T) {
	var cases map[string]struct {
		Config    nn.OptimizerConfig
		Start     []matrix
		Gradients [][]matrix
		Values    [][]matrix
	}
	torch(t, "optimizers", &cases)
	if len(cases) == 0 {
		t.Fatal("no fixtures")
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			ps := &nn.Params{}
			for i, m := range c.Start {
				p := ps.New(string(rune('a'+i)), len(m), len(m[0]), nil)
				copy(p.Value, m.flat())
			}
			optimizer, err := nn.NewOptimizer(ps.All(), c.Config)
			if err != nil {
				t.Fatalf("new optimizer: %v", err)
			}
			for step, gradients := range c.Gradients {
				for i, p := range ps.All() {
					copy(p.Grad, gradients[i].flat())
				}
				optimizer.Step()
				for i, p := range ps.All() {
					near(t, p.Name, p.Value, c.Values[step][i].flat())
				}
			}
		})
	}
}
