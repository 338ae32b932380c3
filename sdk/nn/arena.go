package nn

const (
	// arenaStep rounds allocations up, so that each begins on a cache line.
	arenaStep = 16
	// arenaChunk is the smallest chunk of matrices, in values (256 KiB).
	arenaChunk = 1 << 16
)

// arena hands out slices of few large chunks and takes them all back at once.
// It grows by a quarter, so that a step of more rows than any before, as experts
// have them, costs little more memory than it needs; equal rounds get the same
// memory.
type arena[T any] struct {
	chunks [][]T
	at     int // the chunk in use
	used   int // of that chunk
	size   int // of all chunks
	total  int // handed out since the last reset
}

// alloc returns n values with undefined contents; never nil.
func (a *arena[T]) alloc(n int) []T {
	need := padded(n)
	for a.at < len(a.chunks) && len(a.chunks[a.at])-a.used < need {
		a.at, a.used = a.at+1, 0
	}
	if a.at == len(a.chunks) {
		a.grow(need)
	}
	s := a.chunks[a.at][a.used : a.used+n : a.used+n]
	a.used += need
	a.total += need
	return s
}

// padded is n values and what is left of their last cache line.
func padded(n int) int { return (n + arenaStep - 1) / arenaStep * arenaStep }

func (a *arena[T]) grow(need int) {
	size := max(need, a.least(), padded(a.size/4))
	a.chunks = append(a.chunks, make([]T, size))
	a.size += size
}

// least is the size of the smallest chunk: matrices are large, lists short.
func (a *arena[T]) least() int {
	if _, matrix := any(a).(*arena[float32]); matrix {
		return arenaChunk
	}
	return arenaChunk / 64
}

func (a *arena[T]) reset() { a.at, a.used, a.total = 0, 0, 0 }

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
