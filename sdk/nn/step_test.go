package nn_test

import (
	"fmt"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// BenchmarkStep is a training step with Adam of two models on four modalities, 256
// rows, each modality with an encoder Linear-ReLU-Linear to 128 columns: their
// concatenation and an MLP, and a block of self-attention over the four tokens (4
// heads, feed-forward of 256).
func BenchmarkStep(b *testing.B) {
	const batch, width = 256, 128
	widths := []int{64, 128, 256, 512}
	r := rng.Stream(1)
	var inputs [][]float32
	for _, w := range widths {
		x := make([]float32, batch*w)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		inputs = append(inputs, x)
	}
	classes := make([]int32, batch)
	for i := range classes {
		classes[i] = int32(r.IntN(2))
	}
	for _, name := range []string{"concat", "attention"} {
		b.Run(name, func(b *testing.B) {
			ps := &nn.Params{}
			var encoders []*nn.MLP
			for i, w := range widths {
				encoders = append(encoders, nn.NewMLP(ps, fmt.Sprintf("encoder%d", i), []int{w, width, width}, nil, 0, r))
			}
			attention := nn.NewMultiHeadAttention(ps, "attention", width, 4, r)
			first, second := nn.NewLayerNorm(ps, "first", width), nn.NewLayerNorm(ps, "second", width)
			feed := nn.NewMLP(ps, "feed", []int{width, 2 * width, width}, nil, 0, r)
			head := nn.NewMLP(ps, "head", []int{len(widths) * width, width, 2}, nil, 0, r)
			optimizer, err := nn.NewOptimizer(ps.All(), nn.OptimizerConfig{Name: "adam", LearningRate: 1e-3})
			if err != nil {
				b.Fatalf("new optimizer: %v", err)
			}
			tape := nn.NewTape()
			b.ReportAllocs()
			for b.Loop() {
				tape.Reset()
				ps.ZeroGrad()
				var tokens [4]*nn.Var
				for i, e := range encoders {
					tokens[i] = e.Apply(tape, tape.Const(batch, widths[i], inputs[i]), nil)
				}
				x := tape.Concat(tokens[:]...)
				if name == "attention" {
					x = tape.Reshape(x, batch*len(widths), width)
					x = first.Apply(tape, tape.Add(x, attention.Apply(tape, x, len(widths), nil)))
					x = second.Apply(tape, tape.Add(x, feed.Apply(tape, x, nil)))
					x = tape.Reshape(x, batch, len(widths)*width)
				}
				logits := head.Apply(tape, x, nil)
				tape.BackwardFrom(tape.WeightedMean(tape.CrossEntropy(logits, classes), nil))
				optimizer.Step()
			}
			b.ReportMetric(float64(b.N)/b.Elapsed().Seconds(), "steps/s")
		})
	}
}
