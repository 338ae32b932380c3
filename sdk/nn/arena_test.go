package nn

import "testing"

func TestArena_ReusesMemoryAfterReset(t *testing.T) {
	var a arena[float32]
	round := func() (first *float32) {
		for i, n := range []int{10, arenaChunk, 3 * arenaChunk, 0, 17} {
			s := a.alloc(n)
			if len(s) != n || cap(s) != n || s == nil {
				t.Fatalf("alloc(%d) has length %d and capacity %d, nil: %v", n, len(s), cap(s), s == nil)
			}
			if i == 0 {
				first = &s[0]
			}
			for j := range s {
				s[j] = float32(i)
			}
		}
		return first
	}
	round()
	a.reset()
	size := a.size
	first := round()
	a.reset()
	if again := round(); again != first {
		t.Error("the third round has other memory than the second")
	}
	if len(a.chunks) != 1 || a.size != size {
		t.Errorf("%d chunks of %d values after equal rounds, want 1 of %d", len(a.chunks), a.size, size)
	}
}

func TestArena_DoesNotOverlap(t *testing.T) {
	var a arena[float32]
	var all [][]float32
	for i := range 200 {
		s := a.alloc(i * 13)
		for j := range s {
			s[j] = float32(i)
		}
		all = append(all, s)
	}
	for i, s := range all {
		for j, v := range s {
			if v != float32(i) {
				t.Fatalf("value %d of slice %d is %v", j, i, v)
			}
		}
	}
}
