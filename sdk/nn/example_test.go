package nn_test

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// One training step of a classifier.
func Example() {
	ps := &nn.Params{}
	mlp := nn.NewMLP(ps, "classifier", []int{2, 8, 2}, (*nn.Tape).GELU, 0.1, rng.Stream(1, "init"))
	optimizer, err := nn.NewOptimizer(ps.All(), nn.OptimizerConfig{Name: "adamw", LearningRate: 0.05, ClipNorm: 1})
	if err != nil {
		fmt.Println(err)
		return
	}
	x := []float32{0, 0, 0, 1, 1, 0, 1, 1}
	classes := []int32{0, 1, 1, 0}

	tape := nn.NewTape()
	var first, last float32
	for step := range 200 {
		tape.Reset()
		ps.ZeroGrad()
		logits := mlp.Apply(tape, tape.Const(4, 2, x), rng.Stream(1, "dropout", step))
		loss := tape.WeightedMean(tape.CrossEntropy(logits, classes), nil)
		tape.BackwardFrom(loss)
		optimizer.Step()
		if step == 0 {
			first = loss.Value[0]
		}
		last = loss.Value[0]
	}
	fmt.Println(ps.Count(), "values; the loss fell below a quarter:", last < first/4)
	// Output: 42 values; the loss fell below a quarter: true
}

// An operation of one's own, with its gradient.
func ExampleTape_Op() {
	square := func(t *nn.Tape, x *nn.Var) *nn.Var {
		out := t.Op(x.Rows, x.Cols, []*nn.Var{x}, func(out *nn.Var) {
			for i, g := range out.Grad {
				x.Grad[i] += 2 * g * x.Value[i]
			}
		})
		for i, v := range x.Value {
			out.Value[i] = v * v
		}
		return out
	}
	tape := nn.NewTape()
	x := tape.Leaf(1, 3, []float32{1, 2, 3})
	y := square(tape, x)
	tape.BackwardFrom(tape.SumAll(y))
	fmt.Println(y.Value, x.Grad)
	// Output: [1 4 9] [2 4 6]
}
