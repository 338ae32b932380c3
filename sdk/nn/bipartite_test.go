package nn_test

import (
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/nn/nntest"
	"github.com/deconfound/deconfound/sdk/rng"
)

func TestEdgeSAGE_Gradient(t *testing.T) {
	ps := &nn.Params{}
	rows := ps.New("rows", 3, 2, nn.Normal(rng.Stream(1), 1))
	nodes := ps.New("nodes", 2, 2, nn.Normal(rng.Stream(2), 1))
	attributes := ps.New("attributes", 4, 1, nn.Normal(rng.Stream(3), 1))
	layer := nn.NewEdgeSAGE(ps, "layer", 2, 1, 3, false, rng.Stream(4))
	var edges nn.Edges
	edges.Reset(3, 2)
	for _, e := range [][2]int32{{0, 0}, {0, 1}, {2, 1}, {1, 1}} {
		edges.Add(e[0], e[1])
	}
	nntest.CheckTape(t, ps.All(), func(tape *nn.Tape) *nn.Var {
		x, y, a := tape.Param(rows), tape.Param(nodes), tape.Param(attributes)
		messages := layer.Messages(tape, a)
		x, y = layer.UpdateRows(tape, &edges, x, y, messages), layer.UpdateNodes(tape, &edges, x, y, messages)
		return tape.Stack(x, y, layer.UpdateEdges(tape, &edges, x, y, a))
	})
}

// The average is the plain one up to the tenth batch, and takes in only what ran
// backwards.
func TestRunningMean(t *testing.T) {
	mean := nn.NewRunningMean(1)
	tape := nn.NewTape()
	observe := func(v float32, backward bool) {
		tape.Reset()
		tape.Observe(tape.Leaf(1, 1, []float32{v}), mean)
		if backward {
			tape.Backward()
		}
	}
	for i := range 10 {
		observe(float32(i), true)
		observe(100, false)
	}
	if got := mean.Value[0]; math.Abs(float64(got)-4.5) > 1e-5 {
		t.Errorf("mean of 0 to 9 is %v", got)
	}
	observe(14.5, true)
	if got := mean.Value[0]; math.Abs(float64(got)-5.5) > 1e-5 {
		t.Errorf("after another 14.5 the mean is %v, want 4.5 + 0.1·10", got)
	}
	tape.ResetForward()
	tape.Observe(tape.Leaf(1, 1, []float32{100}), mean)
	tape.Backward()

	other := nn.NewRunningMean(1)
	rest, err := other.SetState(append(mean.State(), 7))
	if err != nil || !slices.Equal(rest, []byte{7}) || other.Value[0] != mean.Value[0] {
		t.Errorf("restored %v, rest %v, error %v; want %v and 7", other.Value, rest, err, mean.Value)
	}
	if _, err := nn.NewRunningMean(2).SetState(mean.State()); err == nil {
		t.Error("a state of one value is taken for two")
	}
}
