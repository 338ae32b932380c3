package network

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/deconfound/deconfound/sdk"
	"github.com/deconfound/deconfound/sdk/nn"
)

// Network is parameters with an optimiser of their own. It is used by one
// goroutine.
type Network struct {
	Params    *nn.Params
	Optimizer nn.Optimizer
}

// New builds parameters with build and their Adam, at the learning rate of the
// host's settings, which must be positive.
func New(settings sdk.OptimizerSettings, beta1, weightDecay float64, build func(*nn.Params)) (*Network, error) {
	n := &Network{Params: &nn.Params{}}
	build(n.Params)
	beta1 = max(beta1, math.SmallestNonzeroFloat64) // 0 would mean the default
	var err error
	n.Optimizer, err = nn.NewOptimizer(n.Params.All(), nn.OptimizerConfig{
		Name: "adam", LearningRate: settings.LearningRate, WeightDecay: weightDecay,
		Beta1: beta1, Beta2: settings.Beta2, Epsilon: settings.Epsilon,
	})
	if err != nil {
		return nil, sdk.Wrap(sdk.CodeBadRequest, err, "optimizer of the strategy")
	}
	return n, nil
}

// Step takes one step along the gradients, and refuses those that are not finite
// with code not_finite, changing nothing.
func (n *Network) Step() error {
	if norm := nn.GradientNorm(n.Params.All()); math.IsNaN(norm) || math.IsInf(norm, 0) {
		return sdk.Errorf(sdk.CodeNotFinite, "the norm of the gradient of the strategy's own network is %v", norm)
	}
	n.Optimizer.Step()
	return nil
}

// SetParameters copies values by name.
func (n *Network) SetParameters(values map[string][]float32) error {
	for _, p := range n.Params.All() {
		if len(values[p.Name]) != len(p.Value) {
			return fmt.Errorf("%d values for parameter %s, want %d", len(values[p.Name]), p.Name, len(p.Value))
		}
		copy(p.Value, values[p.Name])
	}
	return nil
}

// State is the values of all parameters as little-endian float32, then the state
// of the optimiser.
func (n *Network) State() ([]byte, error) {
	var out []byte
	for _, p := range n.Params.All() {
		for _, v := range p.Value {
			out = binary.LittleEndian.AppendUint32(out, math.Float32bits(v))
		}
	}
	return append(out, n.Optimizer.State()...), nil
}

// SetState restores what State returned for a network of the same shape. An error
// changes nothing.
func (n *Network) SetState(data []byte) error {
	size := 4 * n.Params.Count()
	if len(data) < size {
		return fmt.Errorf("state has %d bytes, the parameters alone need %d", len(data), size)
	}
	if err := n.Optimizer.SetState(data[size:]); err != nil {
		return err
	}
	for _, p := range n.Params.All() {
		for i := range p.Value {
			p.Value[i] = math.Float32frombits(binary.LittleEndian.Uint32(data))
			data = data[4:]
		}
	}
	return nil
}
