package nn

import (
	"fmt"
	"math/rand/v2"
)

// MLP is a chain of Linear layers with an activation and dropout after each but
// the last.
type MLP struct {
	Layers     []*Linear
	Activation Activation // nil is ReLU
	Dropout    float64
}

// NewMLP makes layers name.0, name.1 and so on between the widths, for example
// {in, hidden, out}. Activation nil is ReLU.
func NewMLP(ps *Params, name string, widths []int, activation Activation, dropout float64, r *rand.Rand) *MLP {
	if len(widths) < 2 {
		panic(fmt.Sprintf("nn: mlp %s: %d widths, want at least the input and the output", name, len(widths)))
	}
	m := &MLP{Activation: activation, Dropout: dropout}
	for i := range widths[1:] {
		m.Layers = append(m.Layers, NewLinear(ps, fmt.Sprintf("%s.%d", name, i), widths[i], widths[i+1], r))
	}
	return m
}

// Apply maps x [B, in] to [B, out]. Dropout draws from r; nil, outside of
// training, draws nothing.
func (m *MLP) Apply(t *Tape, x *Var, r *rand.Rand) *Var {
	last := len(m.Layers) - 1
	for _, layer := range m.Layers[:last] {
		if m.Activation == nil {
			x = layer.ApplyReLU(t, x)
		} else {
			x = m.Activation(t, layer.Apply(t, x))
		}
		x = t.Dropout(x, m.Dropout, r)
	}
	return m.Layers[last].Apply(t, x)
}
