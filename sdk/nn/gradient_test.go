package nn_test

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
	"github.com/deconfound/deconfound/sdk/rng"
)

// inputs makes parameters for the inputs of an operation, given as pairs of rows
// and columns. Values keep away from 0, where ReLU and its like have a kink.
func inputs(seed uint64, shapes ...int) (*nn.Params, []*nn.Param) {
	ps := &nn.Params{}
	r := rng.Stream(seed, "inputs")
	for i := 0; i < len(shapes); i += 2 {
		ps.New(string(rune('a'+i/2)), shapes[i], shapes[i+1], func(p *nn.Param) {
			for i := range p.Value {
				v := r.NormFloat64()
				p.Value[i] = float32(v + math.Copysign(0.05, v))
			}
		})
	}
	return ps, ps.All()
}

// positive makes all values of p at least 0.3.
func positive(p *nn.Param) {
	for i, v := range p.Value {
		p.Value[i] = 0.3 + float32(math.Abs(float64(v)))
	}
}

func TestTape_GradientsOfOperations(t *testing.T) {
	type vars = []*nn.Var
	nan := float32(math.NaN())
	mask := []bool{true, false, true, true, false}
	keys := []bool{true, true, false, true, false, true, false, false, false}
	cases := []struct {
		name     string
		shapes   []int
		positive bool
		record   func(t *nn.Tape, v vars) *nn.Var
	}{
		{"matmul", []int{3, 4, 4, 5}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MatMul(v[0], v[1]) }},
		{"matmul of itself", []int{3, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MatMul(v[0], v[0]) }},
		{"matmul transposed", []int{3, 4, 5, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MatMulT(v[0], v[1]) }},
		{"batch matmul", []int{6, 2, 4, 5}, false, func(t *nn.Tape, v vars) *nn.Var { return t.BatchMatMul(v[0], v[1], 2) }},
		{"gram", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MatMulT(v[0], v[0]) }},
		{"linear", []int{5, 3, 3, 4, 1, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Linear(v[0], v[1], v[2]) }},
		{"linear and a sum", []int{5, 3, 3, 4, 1, 4, 5, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.LinearAdd(v[3], v[0], v[1], v[2]) }},
		{"linear added to its input", []int{5, 3, 3, 3}, false, func(t *nn.Tape, v vars) *nn.Var {
			x := t.Tanh(v[0])
			return t.LinearAdd(x, x, v[1], nil)
		}},
		{"linear columns", []int{5, 3, 3, 4, 1, 4, 5, 2, 2, 3}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.LinearColumns([]*nn.Var{v[0], v[3]}, []*nn.Var{v[1], v[4]}, []*nn.Var{v[2], nil})
		}},
		{"linear without bias", []int{5, 3, 3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Linear(v[0], v[1], nil) }},
		{"add", []int{3, 4, 3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Add(v[0], v[1]) }},
		{"add itself", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Add(v[0], v[0]) }},
		{"sub", []int{3, 4, 3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Sub(v[0], v[1]) }},
		{"mul", []int{3, 4, 3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Mul(v[0], v[1]) }},
		{"mul itself", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Mul(v[0], v[0]) }},
		{"div", []int{3, 4, 3, 4}, true, func(t *nn.Tape, v vars) *nn.Var { return t.Div(v[0], v[1]) }},
		{"scale", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Scale(v[0], -1.5) }},
		{"shift", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Square(t.Shift(v[0], 2)) }},
		{"exp", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Exp(v[0]) }},
		{"log", []int{3, 4}, true, func(t *nn.Tape, v vars) *nn.Var { return t.Log(v[0]) }},
		{"square", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Square(v[0]) }},
		{"sqrt", []int{3, 4}, true, func(t *nn.Tape, v vars) *nn.Var { return t.Sqrt(v[0]) }},
		{"abs", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Abs(v[0]) }},
		{"relu", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.ReLU(v[0]) }},
		{"leaky relu", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.LeakyReLU(v[0], 0.2) }},
		{"gelu", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.GELU(v[0]) }},
		{"tanh", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Tanh(v[0]) }},
		{"sigmoid", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Sigmoid(v[0]) }},
		{"concat", []int{3, 4, 3, 1, 3, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Concat(v[0], v[1], v[2], v[0]) }},
		{"stack", []int{3, 4, 1, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Stack(v[0], v[1], v[0]) }},
		{"slice", []int{3, 5}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Slice(v[0], 1, 4) }},
		{"rows", []int{5, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Mul(t.Rows(v[0], 1, 4), t.Rows(v[0], 2, 5)) }},
		{"reshape", []int{4, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Tanh(t.Reshape(t.Square(v[0]), 2, 6)) }},
		{"transpose", []int{4, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Transpose(v[0]) }},
		{"gather", []int{4, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Gather(v[0], []int32{3, 0, 3}) }},
		{"scatter", []int{3, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Scatter(v[0], []int32{4, 0, 4}, 6) }},
		{"embedding", []int{4, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Embedding(v[0], []int32{3, -1, 1, 3}) }},
		{"repeat", []int{3, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Repeat(v[0], 3) }},
		{"where", []int{5, 2, 5, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Where(mask, v[0], v[1]) }},
		{"add row", []int{5, 2, 1, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.AddRow(v[0], v[1]) }},
		{"mul row", []int{5, 2, 1, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MulRow(v[0], v[1]) }},
		{"mul rows", []int{5, 2, 5, 1}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MulRows(v[0], v[1]) }},
		{"dropout", []int{5, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Dropout(v[0], 0.4, rng.Stream(3)) }},
		{"sum cols", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.SumCols(v[0]) }},
		{"mean cols", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MeanCols(v[0]) }},
		{"sum rows", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.SumRows(v[0]) }},
		{"mean rows", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.MeanRows(v[0]) }},
		{"sum all", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.SumAll(v[0]) }},
		{"mean", []int{4, 1}, false, func(t *nn.Tape, v vars) *nn.Var { return t.WeightedMean(v[0], nil) }},
		{"weighted mean", []int{4, 1}, false, func(t *nn.Tape, v vars) *nn.Var { return t.WeightedMean(v[0], []float32{1, 0, 2, 0.5}) }},
		{"add scaled", []int{1, 1, 1, 1}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.AddScaled(nn.Scaled{Scale: 2, Var: v[0]}, nn.Scaled{Scale: -0.5, Var: v[1]}, nn.Scaled{Scale: 1, Var: v[0]})
		}},
		{"sum", []int{2, 2, 2, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Sum(v[0], v[1], v[0]) }},
		{"softmax", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Softmax(v[0]) }},
		{"log softmax", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.LogSoftmax(v[0]) }},
		{"layer norm", []int{3, 5, 1, 5, 1, 5}, false, func(t *nn.Tape, v vars) *nn.Var { return t.LayerNorm(v[0], v[1], v[2]) }},
		{"standardise", []int{6, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Standardise(v[0], 1e-5) }},
		{"batch norm in training", []int{6, 3, 1, 3, 1, 3}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.BatchNorm(v[0], v[1], v[2], nn.NewRunning(3), true)
		}},
		{"batch norm in inference", []int{6, 3, 1, 3, 1, 3}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.BatchNorm(v[0], v[1], v[2], &nn.Running{Mean: []float32{1, 0, -1}, Variance: []float32{2, 1, 0.5}}, false)
		}},
		{"attention", []int{6, 4, 6, 4, 6, 4}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.Attention(v[0], v[1], v[2], 2, 3, nil)
		}},
		{"attention of itself", []int{9, 4}, false, func(t *nn.Tape, v vars) *nn.Var {
			x := t.Tanh(v[0])
			y := t.Attention(x, x, x, 2, 3, nil)
			return t.Mul(y, t.MulRows(y, t.Const(9, 1, []float32{1, 1, 2, 0, 0, 0, 1, 0, 3})))
		}},
		{"attention with a mask", []int{9, 4, 9, 4, 9, 4}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.Attention(v[0], v[1], v[2], 2, 3, keys)
		}},
		{"attention at rows", []int{4, 4, 4, 4, 4, 4}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.AttentionAt(v[0], v[1], v[2], 2, 3, []int32{3, 0, 1, -1, 0, 3, -1, -1, -1}, keys)
		}},
		{"cross-attention", []int{6, 4, 9, 4, 9, 4}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.CrossAttention(v[0], v[1], v[2], 2, 2, 3, keys)
		}},
		{"linear with relu", []int{5, 3, 3, 4, 1, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.LinearReLU(v[0], v[1], v[2]) }},
		{"gru", []int{12, 2, 3, 9, 2, 9, 1, 9, 1, 9}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.GRU(v[0], nil, []int32{2, 0, 4}, nn.GRUWeights{In: v[2], State: v[1], InBias: v[3], StateBias: v[4]})
		}},
		{"gru with an initial state", []int{8, 2, 4, 3, 2, 9, 3, 9, 1, 9, 1, 9}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.GRU(v[0], v[1], []int32{1, 2, 0, 2}, nn.GRUWeights{In: v[2], State: v[3], InBias: v[4], StateBias: v[5]})
		}},
		{"gru cell", []int{4, 2, 4, 3, 2, 9, 3, 9, 1, 9, 1, 9}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.GRUCell(v[0], v[1], nn.GRUWeights{In: v[2], State: v[3], InBias: v[4], StateBias: v[5]})
		}},
		{"cross entropy", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.CrossEntropy(v[0], []int32{0, 3, 1}) }},
		{"binary cross entropy", []int{3, 2}, false, func(t *nn.Tape, v vars) *nn.Var {
			return t.BCE(v[0], []float32{1, 0, nan, 0.3, nan, nan})
		}},
		{"generalised cross entropy", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.GCE(v[0], []int32{0, 3, 1}, 0.7) }},
		{"kl divergence", []int{3, 4, 3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.KL(v[0], v[1]) }},
		{"normalise", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Normalise(v[0]) }},
		{"cosine", []int{3, 4, 3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Cosine(v[0], v[1]) }},
		{"contrastive", []int{4, 3, 4, 3}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Contrastive(v[0], v[1], 0.5) }},
		{"cross-covariance", []int{6, 3, 6, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.CrossCovariance(v[0], v[1]) }},
		{"vclub", []int{5, 2, 5, 2, 5, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.VCLUB(v[0], v[1], v[2]) }},
		{"likelihood", []int{5, 2, 5, 2, 5, 2}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Likelihood(v[0], v[1], v[2]) }},
		{"softplus", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Softplus(v[0]) }},
		{"top softmax", []int{5, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.TopSoftmax(v[0], 2) }},
		{"variation", []int{1, 5}, true, func(t *nn.Tape, v vars) *nn.Var { return t.Variation(v[0]) }},
		{"detach", []int{3, 4}, false, func(t *nn.Tape, v vars) *nn.Var { return t.Add(v[0], t.Detach(t.Const(3, 4, make([]float32, 12)))) }},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			ps, all := inputs(5, c.shapes...)
			if c.positive {
				for _, p := range all {
					positive(p)
				}
			}
			nntest.CheckTape(t, ps.All(), func(tape *nn.Tape) *nn.Var {
				v := make(vars, len(all))
				for i, p := range all {
					v[i] = tape.Param(p)
				}
				return c.record(tape, v)
			})
		})
	}
}

func TestLayers_Gradients(t *testing.T) {
	cases := map[string]func(ps *nn.Params) func(t *nn.Tape, x *nn.Var) *nn.Var{
		"linear": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			return nn.NewLinear(ps, "l", 4, 3, rng.Stream(1)).Apply
		},
		"mlp": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			m := nn.NewMLP(ps, "m", []int{4, 5, 3, 2}, (*nn.Tape).GELU, 0.3, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return m.Apply(t, x, rng.Stream(2)) }
		},
		"layer norm": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			return nn.NewLayerNorm(ps, "n", 4).Apply
		},
		"batch norm": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			b := nn.NewBatchNorm(ps, "b", 4)
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return b.Apply(t, x, true) }
		},
		"embedding": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			e := nn.NewEmbedding(ps, "e", 3, 4, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return t.Mul(x, e.Apply(t, []int32{2, 0, 2, 1, -1, 0})) }
		},
		"gru": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			g := nn.NewGRU(ps, "g", 4, 3, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return g.Apply(t, x, []int32{3, 1}) }
		},
		"cross-attention": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			a := nn.NewMultiHeadAttention(ps, "a", 4, 2, rng.Stream(1))
			y := ps.New("y", 4, 4, nn.Normal(rng.Stream(2), 1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var {
				return a.ApplyCross(t, x, t.Param(y), 3, 2, []bool{true, true, false, true})
			}
		},
		"router": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			l := nn.NewRouter(ps, "r", 4, 5, 2)
			nn.Normal(rng.Stream(1), 1)(l.Weight)
			nn.Normal(rng.Stream(2), 0.1)(l.Noise)
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return l.Apply(t, x, rng.Stream(3)) }
		},
		"mlp with relu": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			m := nn.NewMLP(ps, "m", []int{4, 5, 2}, nil, 0, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var { return m.Apply(t, x, nil) }
		},
		"attention": func(ps *nn.Params) func(*nn.Tape, *nn.Var) *nn.Var {
			a := nn.NewMultiHeadAttention(ps, "a", 4, 2, rng.Stream(1))
			return func(t *nn.Tape, x *nn.Var) *nn.Var {
				return a.Apply(t, x, 3, []bool{true, true, false, true, true, true})
			}
		},
	}
	for name, build := range cases {
		t.Run(name, func(t *testing.T) {
			ps, all := inputs(7, 6, 4)
			apply := build(ps)
			nntest.CheckTape(t, ps.All(), func(tape *nn.Tape) *nn.Var { return apply(tape, tape.Param(all[0])) })
		})
	}
}
