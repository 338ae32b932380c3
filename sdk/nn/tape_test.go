package nn_test

import (
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// exclusiveOr trains a small network for some steps and returns its losses.
func exclusiveOr(t testing.TB, config nn.OptimizerConfig, steps int) []float32 {
	t.Helper()
	ps := &nn.Params{}
	hidden := nn.NewLinear(ps, "hidden", 2, 16, rng.Stream(1, "hidden"))
	last := nn.NewLinear(ps, "out", 16, 2, rng.Stream(1, "out"))
	optimizer, err := nn.NewOptimizer(ps.All(), config)
	if err != nil {
		t.Fatalf("new optimizer: %v", err)
	}
	tape := nn.NewTape()
	var losses []float32
	for range steps {
		tape.Reset()
		ps.ZeroGrad()
		x := tape.Const(4, 2, []float32{0, 0, 0, 1, 1, 0, 1, 1})
		logits := last.Apply(tape, tape.ReLU(hidden.Apply(tape, x)))
		loss := tape.CrossEntropy(logits, []int32{0, 1, 1, 0})
		losses = append(losses, (loss.Value[0]+loss.Value[1]+loss.Value[2]+loss.Value[3])/4)
		for i := range loss.Grad {
			loss.Grad[i] = 0.25
		}
		tape.Backward()
		optimizer.Step()
	}
	return losses
}

func TestTape_TrainsExclusiveOr(t *testing.T) {
	losses := exclusiveOr(t, nn.OptimizerConfig{Name: "adam", LearningRate: 0.02}, 300)
	if last := losses[len(losses)-1]; last > 0.02 {
		t.Fatalf("the loss is %v after training, it began at %v", last, losses[0])
	}
}

func TestTape_ResetForward(t *testing.T) {
	ps := &nn.Params{}
	layer := nn.NewLinear(ps, "layer", 2, 3, rng.Stream(1))
	tape := nn.NewTape()
	pass := func() (y, x *nn.Var) {
		x = tape.Leaf(1, 2, []float32{1, 2})
		return layer.Apply(tape, x), x
	}
	y, x := pass()
	if y.Grad == nil || x.Grad == nil {
		t.Fatal("a pass in training has no gradients")
	}
	want := slices.Clone(y.Value)
	tape.ResetForward()
	y, x = pass()
	if y.Grad != nil || x.Grad != nil {
		t.Error("a forward pass has gradients")
	}
	if !slices.Equal(y.Value, want) {
		t.Errorf("a forward pass gives %v, want %v as in training", y.Value, want)
	}
	tape.Reset()
	if y, _ := pass(); y.Grad == nil {
		t.Error("a pass after Reset has no gradients")
	}
}

func TestTape_SameInputsGiveSameBits(t *testing.T) {
	config := nn.OptimizerConfig{Name: "adam", LearningRate: 0.02}
	first, second := exclusiveOr(t, config, 20), exclusiveOr(t, config, 20)
	for i := range first {
		if first[i] != second[i] {
			t.Fatalf("the loss of step %d is %v the first time and %v the second", i, first[i], second[i])
		}
	}
}

// A sum may give the memory of its gradient away: not to what others share, nor twice.
func TestSeededTape_GradientsOfSums(t *testing.T) {
	run := func(tape *nn.Tape) []float32 {
		x := tape.Leaf(3, 2, []float32{1, -2, 3, 0.5, 0.25, -1})
		y := tape.Leaf(3, 2, []float32{-1, 0.5, 2, 1, -0.5, 3})
		// One row three times, one twice, and one not at all.
		rows := tape.Gather(tape.Scale(y, 2), []int32{2, 0, 2, 0, 2})
		a, b := tape.Tanh(tape.Add(x, tape.Rows(rows, 1, 4))), tape.Scale(x, 3)
		sum := tape.Add(a, b)
		twice := tape.Add(sum, sum)
		viewed := tape.Shift(twice, 1)
		flat := tape.Reshape(viewed, 2, 3)
		part := tape.Rows(sum, 1, 3)
		all := tape.Add(tape.Add(viewed, b), tape.Shift(tape.Reshape(flat, 3, 2), 2))
		loss := tape.Add(tape.SumAll(tape.Square(all)), tape.SumAll(tape.Square(tape.Add(part, tape.Rows(b, 0, 2)))))
		tape.BackwardFrom(tape.Add(loss, tape.SumAll(tape.Square(tape.Add(a, x)))))
		return slices.Concat(x.Grad, y.Grad)
	}
	want := run(nn.NewTape())
	tape := nn.NewSeededTape()
	for range 2 {
		tape.Reset()
		if got := run(tape); !slices.Equal(got, want) {
			t.Fatalf("the gradient is %v, want %v as on a tape that gives nothing away", got, want)
		}
	}
}
