package nn

// Cost is what a tape has done, for the documentation of models.
type Cost struct {
	// Work is the number of multiplications, each with an addition, of matrix products
	// and of attention since the tape was made, forward and backward.
	Work uint64
	// Memory is that of matrices and lists of the step at hand in bytes: activations,
	// gradients of them, and what operations keep.
	Memory int
}

// Cost returns it. It depends on the operations alone, not on the machine.
func (t *Tape) Cost() Cost {
	return Cost{t.pack.work, 4*(t.arena.total+t.int32s.total) + 8*(t.wide.total+t.ints.total)}
}
