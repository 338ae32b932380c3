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
	if a.size != size {
		t.Errorf("%d values after equal rounds, want %d", a.size, size)
	}
}

func TestArena_GrowsByLittle(t *testing.T) {
	var a arena[float32]
	for n := 100; n < 140; n++ { // every round needs a bit more than the one before
		for range n {
			a.alloc(arenaChunk / 4)
		}
		a.reset()
	}
	if need := 139 * arenaChunk / 4; a.size > need*3/2 {
		t.Errorf("%d values for rounds of up to %d", a.size, need)
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
