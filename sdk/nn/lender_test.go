package nn

import (
	"math"
	"testing"
)

// Nothing is written to or read from memory that is only promised, and what is lent is
// lent again.
func TestLender_PromisesAreKept(t *testing.T) {
	tape := NewSeededTape()
	x := make([]float32, 64*32)
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	run := func() (leaf *Var, size int) {
		tape.Reset()
		leaf = tape.Leaf(64, 32, x)
		w := tape.Leaf(32, 32, x[:32*32])
		y := tape.Tanh(tape.Linear(leaf, w, nil))
		for range 6 {
			y = tape.Softmax(tape.LinearAdd(y, tape.GELU(y), w, nil))
		}
		unused := tape.Exp(y)
		loss := tape.SumAll(tape.Square(y))
		for i := range tape.lender.blank {
			tape.lender.blank[i] = float32(math.NaN())
		}
		before := taken(&tape.arena)
		tape.BackwardFrom(loss)
		for i, v := range tape.lender.blank {
			if v == v {
				t.Fatalf("value %d of the promised memory is %v", i, v)
			}
		}
		if &unused.Grad[0] != &tape.lender.blank[0] {
			t.Error("a gradient that nothing is added to has memory")
		}
		return leaf, taken(&tape.arena) - before
	}
	run()
	run() // the arena has grown
	leaf, size := run()
	for i, v := range leaf.Grad {
		if v != v {
			t.Fatalf("the gradient of value %d is not a number", i)
		}
	}
	if most := 5 * len(x); size > most {
		t.Errorf("backward took %d values of memory, want at most %d", size, most)
	}
}

// taken is how many values of the arena are in use.
func taken(a *arena[float32]) int {
	n := a.used
	for _, chunk := range a.chunks[:a.at] {
		n += len(chunk)
	}
	return n
}
