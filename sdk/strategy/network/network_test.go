package network_test

import (
	"bytes"
	"math"
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
	"github.com/deconfound/deconfound/sdk/strategy/network"
)

func build(t *testing.T, seed uint64) *network.Network {
	t.Helper()
	n, err := network.New(sdk.OptimizerSettings{LearningRate: 0.1}, 0.5, 0, func(ps *nn.Params) {
		ps.New("a", 2, 3, nn.Normal(rng.Stream(seed, "a"), 1))
		ps.New("b", 1, 3, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func step(t *testing.T, n *network.Network) {
	t.Helper()
	for _, p := range n.Params.All() {
		for i := range p.Grad {
			p.Grad[i] = p.Value[i] + float32(i)
		}
	}
	if err := n.Step(); err != nil {
		t.Fatal(err)
	}
}

func TestState_ContinuesWithTheSameBits(t *testing.T) {
	first, second := build(t, 1), build(t, 2)
	step(t, first)
	state, err := first.State()
	if err != nil {
		t.Fatal(err)
	}
	if err := second.SetState(state); err != nil {
		t.Fatal(err)
	}
	step(t, first)
	step(t, second)
	one, _ := first.State()
	two, _ := second.State()
	if !bytes.Equal(one, two) {
		t.Error("a restored network goes on differently")
	}
}

func TestSetState_ErrorChangesNothing(t *testing.T) {
	n := build(t, 1)
	before, _ := n.State()
	for _, bad := range [][]byte{nil, before[:8], before[:len(before)-1]} {
		if n.SetState(bad) == nil {
			t.Errorf("a state of %d bytes was taken for one of %d", len(bad), len(before))
		}
	}
	if after, _ := n.State(); !bytes.Equal(before, after) {
		t.Error("a refused state changed the network")
	}
}

func TestStep_RefusesWhatIsNotFinite(t *testing.T) {
	n := build(t, 1)
	p := n.Params.All()[0]
	before := slices.Clone(p.Value)
	p.Grad[1] = float32(math.Inf(1))
	if err := n.Step(); sdk.CodeOf(err) != sdk.CodeNotFinite {
		t.Errorf("got %v, want not_finite", err)
	}
	if !slices.Equal(before, p.Value) {
		t.Error("a refused step moved the parameters")
	}
}

func TestNew_NeedsALearningRate(t *testing.T) {
	if _, err := network.New(sdk.OptimizerSettings{}, 0.5, 0, func(*nn.Params) {}); sdk.CodeOf(err) != sdk.CodeBadRequest {
		t.Errorf("got %v, want bad_request", err)
	}
}
