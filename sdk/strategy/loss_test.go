package strategy_test

import (
	"math"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/strategy"
)

var nan = float32(math.NaN())

// batches are one of each kind of task.
func batches() map[string]struct {
	task  sdk.Task
	batch strategy.Batch
} {
	type pair = struct {
		task  sdk.Task
		batch strategy.Batch
	}
	logits := func(cols int, values ...float32) sdk.Tensor {
		return sdk.Tensor{Shape: []int{len(values) / cols, cols}, Data: values}
	}
	rows := []int32{4, 7}
	return map[string]pair{
		"binary": {sdk.Task{Kind: sdk.Binary}, strategy.Batch{Rows: rows, Logits: logits(1, 0.5, -2), Labels: []float32{1, 1}}},
		"multiclass": {
			sdk.Task{Kind: sdk.Multiclass, Classes: 3},
			strategy.Batch{Rows: rows, Logits: logits(3, 0.5, -2, 1, 3, 0, -1), Labels: []float32{2, 0}},
		},
		"multilabel": {
			sdk.Task{Kind: sdk.Multilabel, Classes: 3},
			strategy.Batch{Rows: rows, Logits: logits(3, 0.5, -2, 1, 3, 0, -1), Labels: []float32{1, nan, 0, nan, nan, nan}},
		},
	}
}

func TestLossesOf_ByHand(t *testing.T) {
	b := batches()
	softplus := func(x float64) float64 { return math.Log1p(math.Exp(x)) }
	for name, want := range map[string][]float64{
		"binary": {softplus(-0.5), softplus(2)},
		"multiclass": {
			math.Log(math.Exp(0.5)+math.Exp(-2)+math.E) - 1,
			math.Log(math.Exp(3)+1+math.Exp(-1)) - 3,
		},
		"multilabel": {(softplus(-0.5) + softplus(1)) / 2, 0},
	} {
		got := strategy.LossesOf(b[name].task, b[name].batch).Value
		for i := range want {
			if math.Abs(got[i]-want[i]) > 1e-12 {
				t.Errorf("%s, row %d: got %v, want %v", name, i, got[i], want[i])
			}
		}
	}
}

func TestLosses_DerivativesByDifferences(t *testing.T) {
	const step = 1.0 / 256 // exact in float32
	for name, x := range batches() {
		l := strategy.LossesOf(x.task, x.batch)
		for i := range l.Rows {
			for j := range l.Outputs {
				at := i*l.Outputs + j
				logit := x.batch.Logits.Data[at]
				x.batch.Logits.Data[at] = logit + step
				up := strategy.LossesOf(x.task, x.batch)
				x.batch.Logits.Data[at] = logit - step
				down := strategy.LossesOf(x.task, x.batch)
				x.batch.Logits.Data[at] = logit
				if want := (up.Value[i] - down.Value[i]) / (2 * step); math.Abs(l.Gradient[at]-want) > 1e-5 {
					t.Errorf("%s: gradient %d is %v, by differences %v", name, at, l.Gradient[at], want)
				}
				unit, column := make([]float64, l.Outputs), make([]float64, l.Outputs)
				unit[j] = 1
				l.Curvature(i, 2, unit, column)
				for c, v := range column {
					k := i*l.Outputs + c
					if want := (up.Gradient[k] - down.Gradient[k]) / step; math.Abs(v-want) > 1e-5 {
						t.Errorf("%s: twice the second derivative by %d and %d is %v, by differences %v", name, at, k, v, want)
					}
				}
			}
		}
	}
}
