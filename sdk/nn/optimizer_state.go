package nn

import (
	"encoding/binary"
	"fmt"
	"math"
)

// The state is, little-endian: a magic that ends in the version, the length and
// the letters of the optimiser's name, the steps, the learning rate, and for every
// kind of moment and every parameter the number of values and the values.
const stateMagic = "nnopt\x01"

// State implements Optimizer.
func (o *optimizer) State() []byte {
	size := len(stateMagic) + 1 + len(o.config.Name) + 16
	for _, kind := range o.moments {
		for _, values := range kind {
			size += 8 + 4*len(values)
		}
	}
	b := append(make([]byte, 0, size), stateMagic...)
	b = append(b, byte(len(o.config.Name)))
	b = append(b, o.config.Name...)
	b = binary.LittleEndian.AppendUint64(b, o.steps)
	b = binary.LittleEndian.AppendUint64(b, math.Float64bits(o.config.LearningRate))
	for _, kind := range o.moments {
		for _, values := range kind {
			b = binary.LittleEndian.AppendUint64(b, uint64(len(values)))
			for _, v := range values {
				b = binary.LittleEndian.AppendUint32(b, math.Float32bits(v))
			}
		}
	}
	return b
}

// SetState implements Optimizer.
func (o *optimizer) SetState(state []byte) error {
	head := stateMagic + string(rune(len(o.config.Name))) + o.config.Name
	if len(state) < len(head)+16 || string(state[:len(head)]) != head {
		return fmt.Errorf("read optimiser state: it is not one of %s", o.config.Name)
	}
	b := state[len(head):]
	// Sizes first, so that an error changes nothing.
	rest := b[16:]
	for _, kind := range o.moments {
		for i, values := range kind {
			if len(rest) < 8 {
				return fmt.Errorf("read optimiser state: it ends before parameter %s", o.params[i].Name)
			}
			if n := binary.LittleEndian.Uint64(rest); n != uint64(len(values)) {
				return fmt.Errorf("read optimiser state: parameter %s has %d values, the state has %d", o.params[i].Name, len(values), n)
			}
			if len(rest) < 8+4*len(values) {
				return fmt.Errorf("read optimiser state: it ends within parameter %s", o.params[i].Name)
			}
			rest = rest[8+4*len(values):]
		}
	}
	if len(rest) != 0 {
		return fmt.Errorf("read optimiser state: %d bytes too many", len(rest))
	}
	o.steps = binary.LittleEndian.Uint64(b)
	o.config.LearningRate = math.Float64frombits(binary.LittleEndian.Uint64(b[8:]))
	rest = b[16:]
	for _, kind := range o.moments {
		for _, values := range kind {
			rest = rest[8:]
			for i := range values {
				values[i] = math.Float32frombits(binary.LittleEndian.Uint32(rest[4*i:]))
			}
			rest = rest[4*len(values):]
		}
	}
	return nil
}
