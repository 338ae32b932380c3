package nn

const (
	// arenaStep rounds allocations up, so that each begins on a cache line.
	arenaStep = 16
	// arenaChunk is the smallest chunk, in values (256 KiB).
	arenaChunk = 1 << 16
)

// arena hands out slices of few large chunks and takes them all back at once.
// After a first round it is one chunk, large enough for an equal round.
type arena struct {
	chunks [][]float32
	used   int // of the last chunk
	size   int // of all chunks
}

// alloc returns n values with undefined contents; never nil.
func (a *arena) alloc(n int) []float32 {
	need := (n + arenaStep - 1) / arenaStep * arenaStep
	last := len(a.chunks) - 1
	if last < 0 || len(a.chunks[last])-a.used < need {
		a.grow(need)
		last = len(a.chunks) - 1
	}
	s := a.chunks[last][a.used : a.used+n : a.used+n]
	a.used += need
	return s
}

func (a *arena) grow(need int) {
	size := max(need, arenaChunk, a.size)
	a.chunks = append(a.chunks, make([]float32, size))
	a.size += size
	a.used = 0
}

func (a *arena) reset() {
	if len(a.chunks) > 1 {
		a.chunks = [][]float32{make([]float32, a.size)}
	}
	a.used = 0
}
