package nn

import (
	"encoding/binary"
	"fmt"
	"math"
)

// RunningMean is an average over training batches of something that a batch has in
// common and that inference must not take from its own: the state of a node that all
// rows share, a bandwidth. It is the plain mean of the first batches, then an
// exponential one.
type RunningMean struct {
	Value []float32
	// Momentum is the least share of the last batch.
	Momentum float64
	batches  uint32
	observed func(out *Var)
}

// NewRunningMean returns the average of n values before any batch, 0, with momentum
// 0.1.
func NewRunningMean(n int) *RunningMean {
	m := &RunningMean{Value: make([]float32, n), Momentum: 0.1}
	m.observed = func(out *Var) { m.update(out.Value) }
	return m
}

// Observe is x. When the tape runs backwards, the average takes in its values: a step
// that comes to nothing leaves no trace.
func (t *Tape) Observe(x *Var, m *RunningMean) *Var {
	checkLength("running mean", "values", len(x.Value), len(m.Value))
	out := t.Reshape(x, x.Rows, x.Cols)
	if !t.forward {
		t.records = append(t.records, record{out: out, back: m.observed})
	}
	return out
}

// update takes in the values of a batch.
func (m *RunningMean) update(x []float32) {
	if m.batches < math.MaxUint32 {
		m.batches++
	}
	share := max(m.Momentum, 1/float64(m.batches))
	for i, v := range x {
		m.Value[i] = float32((1-share)*float64(m.Value[i]) + share*float64(v))
	}
}

// State returns the average, exactly: a State of a model may contain it.
func (m *RunningMean) State() []byte {
	b := make([]byte, 0, 4+4*len(m.Value))
	b = binary.LittleEndian.AppendUint32(b, m.batches)
	for _, v := range m.Value {
		b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
	}
	return b
}

// SetState takes what State returned for as many values, and returns the bytes that
// follow it.
func (m *RunningMean) SetState(state []byte) (rest []byte, err error) {
	if want := 4 + 4*len(m.Value); len(state) < want {
		return nil, fmt.Errorf("read running mean: %d bytes, want %d", len(state), want)
	}
	m.batches, state = binary.LittleEndian.Uint32(state), state[4:]
	for i := range m.Value {
		m.Value[i] = math.Float32frombits(binary.LittleEndian.Uint32(state))
		state = state[4:]
	}
	return state, nil
}
