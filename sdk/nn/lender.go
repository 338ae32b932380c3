package nn

// lender has the memory of gradients while Backward needs them: few are alive at a
// time, and one that takes the memory of the last finds it in the cache.
type lender struct {
	arena *arena[float32]
	free  [][]float32 // the last returned is the first to be lent again
	blank []float32   // what gradients are before they are written
}

// promise returns n values that nobody may write or read.
func (l *lender) promise(n int) []float32 {
	if len(l.blank) < n {
		l.blank = make([]float32, n)
	}
	return l.blank[:n:n]
}

// take returns n values with undefined contents.
func (l *lender) take(n int) []float32 {
	for i := len(l.free) - 1; i >= 0; i-- {
		if s := l.free[i]; cap(s) >= n && cap(s) <= 2*n {
			l.free = append(l.free[:i], l.free[i+1:]...)
			return s[:n]
		}
	}
	return l.arena.alloc(n)
}

// back takes the memory of a gradient that is not needed any more.
func (l *lender) back(v *Var) {
	if v.lent {
		v.lent = false
		l.free = append(l.free, v.Grad[:cap(v.Grad)])
	}
}

func (l *lender) reset() { l.free = l.free[:0] }

// hold gives the gradient its memory.
func (v *Var) hold() {
	if v.lender != nil {
		v.Grad = v.lender.take(len(v.Value))
		v.lender, v.lent = nil, true
	}
}
