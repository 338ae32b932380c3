package nn

import "testing"

// The work of a linear map and of attention, and of their gradients, by hand.
func TestTape_Cost(t *testing.T) {
	tape := NewTape()
	x, w := tape.Leaf(6, 4, make([]float32, 24)), tape.Leaf(4, 8, make([]float32, 32))
	h := tape.MatMul(x, w)
	if got := tape.Cost().Work; got != 6*4*8 {
		t.Errorf("a product has work %d, want %d", got, 6*4*8)
	}
	// Two rows of three tokens, two heads of four columns; the second row has two keys.
	a := tape.Attention(h, h, h, 2, 3, []bool{true, true, true, true, false, true})
	scores := (3*3 + 3*2) * 2 * 4
	if got, want := tape.Cost().Work, uint64(6*4*8+2*scores); got != want {
		t.Errorf("with attention work is %d, want %d", got, want)
	}
	seed := make([]float32, len(a.Value))
	for i := range seed {
		seed[i] = 1
	}
	tape.Seed(a, seed)
	tape.Backward()
	if got, want := tape.Cost().Work, uint64(3*6*4*8+6*scores); got != want {
		t.Errorf("with gradients work is %d, want %d", got, want)
	}
	used := tape.Cost().Memory
	if least := 4 * (len(h.Value) + len(a.Value)); used < least {
		t.Errorf("the step takes %d bytes, its activations alone %d", used, least)
	}
	if tape.Reset(); tape.Cost().Memory != 0 {
		t.Errorf("after Reset it takes %d bytes", tape.Cost().Memory)
	}
}
