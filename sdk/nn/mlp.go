package nn

import (
	"fmt"
	"math/rand/v2"
)

// MLP is a chain of Linear layers with an activation and dropout after each but
// the last.
type MLP struct {
	Layers     []*Linear
	Activation Activation
	Dropout    float64
}

// NewMLP makes layers name.0, name.1 and so on between the widths, for example
// {in, hidden, out}. Activation nil is ReLU.
func NewMLP(ps *Params, name string, widths []int, activation Activation, dropout float64, r *rand.Rand) *MLP {
	if len(widths) < 2 {
		panic(fmt.Sprintf("nn: mlp %s: %d widths, want at least the input and the output", name, len(widths)))
	}
	if activation == nil {
		activation = (*Tape).ReLU
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
	for i, layer := range m.Layers {
		x = layer.Apply(t, x)
		if i < len(m.Layers)-1 {
			x = t.Dropout(m.Activation(t, x), m.Dropout, r)
		}
	}
	return x
}
