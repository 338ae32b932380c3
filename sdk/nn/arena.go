package nn

const (
	// arenaStep rounds allocations up, so that each begins on a cache line.
	arenaStep = 16
	// arenaChunk is the smallest chunk of matrices, in values (256 KiB).
	arenaChunk = 1 << 16
)

// arena hands out slices of few large chunks and takes them all back at once.
// After a first round it is one chunk, large enough for an equal round.
type arena[T any] struct {
	chunks [][]T
	used   int // of the last chunk
	size   int // of all chunks
}

// alloc returns n values with undefined contents; never nil.
func (a *arena[T]) alloc(n int) []T {
	need := padded(n)
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])-a.used < need {
		a.grow(need)
		last = len(a.chunks) - 1
	}
	s := a.chunks[last][a.used : a.used+n : a.used+n]
	a.used += need
	return s
}

// padded is n values and what is left of their last cache line.
func padded(n int) int { return (n + arenaStep - 1) / arenaStep * arenaStep }

func (a *arena[T]) grow(need int) {
	size := max(need, a.least(), a.size)
	a.chunks = append(a.chunks, make([]T, size))
	a.size += size
	a.used = 0
}

// least is the size of the smallest chunk: matrices are large, lists short.
func (a *arena[T]) least() int {
	if _, matrix := any(a).(*arena[float32]); matrix {
		return arenaChunk
	}
	return arenaChunk / 64
}

func (a *arena[T]) reset() {
	if len(a.chunks) > 1 {
		a.chunks = [][]T{make([]T, a.size)}
	}
	a.used = 0
}

// pool hands out values and takes them all back at once. They keep their contents.
type pool[T any] struct {
	all  []*T
	used int
}

func (p *pool[T]) take() *T {
	if p.used == len(p.all) {
		p.all = append(p.all, new(T))
	}
	p.used++
	return p.all[p.used-1]
}

func (p *pool[T]) reset() { p.used = 0 }
