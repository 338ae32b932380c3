package main

import (
	"encoding/binary"
	"fmt"

	"github.com/deconfound/deconfound/sdk/backbone"
	"github.com/deconfound/deconfound/sdk/nn"
)

// bank remembers the latest training rows: their numbers and what was shown of them,
// oldest first.
type bank struct {
	size         int
	rows         []int32
	availability []uint64

	// Of the last Forward in training.
	newRows         []int32
	newAvailability []uint64
	commit          func(*nn.Var)
	inputs          [1]*nn.Var
}

func newBank(size int) *bank {
	k := &bank{size: size}
	k.commit = func(*nn.Var) { k.add(k.newRows, k.newAvailability) }
	return k
}

// observe takes in the rows of a batch when the tape runs backwards: a step that
// comes to nothing leaves no trace.
func (k *bank) observe(t *nn.Tape, h *nn.Var, b *backbone.Batch) {
	k.newRows, k.newAvailability = append(k.newRows[:0], b.Rows...), append(k.newAvailability[:0], b.Availability...)
	k.inputs[0] = h
	t.Op(1, 1, k.inputs[:], k.commit)
}

func (k *bank) add(rows []int32, availability []uint64) {
	for i, row := range rows {
		if len(k.rows) == k.size {
			copy(k.rows, k.rows[1:])
			copy(k.availability, k.availability[1:])
			k.rows, k.availability = k.rows[:k.size-1], k.availability[:k.size-1]
		}
		k.rows, k.availability = append(k.rows, row), append(k.availability, availability[i])
	}
}

// State is the bank.
func (m *model) State() []byte {
	var out []byte
	for i, row := range m.bank.rows {
		out = binary.LittleEndian.AppendUint32(out, uint32(row))
		out = binary.LittleEndian.AppendUint64(out, m.bank.availability[i])
	}
	return out
}

func (m *model) SetState(state []byte) error {
	const each = 12
	if len(state)%each != 0 || len(state)/each > m.bank.size {
		return fmt.Errorf("read bank: %d bytes, want up to %d rows of %d", len(state), m.bank.size, each)
	}
	m.bank.rows, m.bank.availability = m.bank.rows[:0], m.bank.availability[:0]
	for ; len(state) > 0; state = state[each:] {
		m.bank.rows = append(m.bank.rows, int32(binary.LittleEndian.Uint32(state)))
		m.bank.availability = append(m.bank.availability, binary.LittleEndian.Uint64(state[4:]))
	}
	return nil
}
