package main

import (
	"slices"
	"testing"
)

func TestBank_KeepsTheLatest(t *testing.T) {
	k := newBank(3)
	k.add([]int32{1, 2}, []uint64{1, 3})
	k.add([]int32{3, 4}, []uint64{2, 1})
	if !slices.Equal(k.rows, []int32{2, 3, 4}) || !slices.Equal(k.availability, []uint64{3, 2, 1}) {
		t.Errorf("bank has rows %v with availability %v", k.rows, k.availability)
	}
	m, other := &model{bank: k}, &model{bank: newBank(3)}
	if err := other.SetState(m.State()); err != nil || !slices.Equal(other.bank.rows, k.rows) {
		t.Errorf("restored %v (%v), want %v", other.bank.rows, err, k.rows)
	}
	if err := (&model{bank: newBank(2)}).SetState(m.State()); err == nil {
		t.Error("a bank of two takes the state of three rows")
	}
}
