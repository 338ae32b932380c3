package features

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fenced returns n values that end where memory that nobody may touch begins, or
// begin where it ends.
func fenced(t *testing.T, n int, end bool) []float32 {
	t.Helper()
	page := unix.Getpagesize()
	memory, err := unix.Mmap(-1, 0, 3*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("map pages: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			t.Errorf("unmap pages: %v", err)
		}
	})
	for _, edge := range [][]byte{memory[:page], memory[2*page:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatalf("protect pages: %v", err)
		}
	}
	from := page
	if end {
		from = 2*page - 4*n
	}
	return unsafe.Slice((*float32)(unsafe.Pointer(&memory[from])), n)
}

// The loops give the bits of the definition, at every width and place.
func TestStandardise_GivesBitsOfItsDefinition(t *testing.T) {
	nan, inf := float32(math.NaN()), float32(math.Inf(1))
	special := []float32{nan, inf, -inf, 0, math.MaxFloat32, -math.MaxFloat32, math.SmallestNonzeroFloat32}
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int, end bool) []float32 {
		x := fenced(t, n, end)
		for i := range x {
			x[i] = float32(r.NormFloat64() * 1000)
			if r.IntN(4) == 0 {
				x[i] = special[r.IntN(len(special))]
			}
		}
		return x
	}
	for n := 1; n < 40; n++ {
		for _, end := range []bool{false, true} {
			src, s := draw(n, end), Scaling{Mean: draw(n, end), Scale: draw(n, end)}
			out := draw(n, end)
			standardise(out, src, s)
			for i, got := range out {
				if want := standardised(src[i], s.Mean[i], s.Scale[i]); math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("column %d of %d: (%v - %v)/%v is %v, want %v", i, n, src[i], s.Mean[i], s.Scale[i], got, want)
				}
			}
			standardise(out, src, Scaling{})
			for i, got := range out {
				if want := finite(src[i]); math.Float32bits(got) != math.Float32bits(want) {
					t.Fatalf("column %d of %d: %v becomes %v, want %v", i, n, src[i], got, want)
				}
			}
		}
	}
}

func BenchmarkStandardise(b *testing.B) {
	const n = 512
	r := rand.New(rand.NewPCG(1, 2))
	out, src, s := make([]float32, n), make([]float32, n), Scaling{Mean: make([]float32, n), Scale: make([]float32, n)}
	for i := range src {
		src[i], s.Mean[i], s.Scale[i] = float32(r.NormFloat64()), 1, 2
	}
	b.Run("row", func(b *testing.B) {
		for b.Loop() {
			standardise(out, src, s)
		}
	})
	b.Run("definition", func(b *testing.B) {
		for b.Loop() {
			for c, x := range src {
				out[c] = standardised(x, s.Mean[c], s.Scale[c])
			}
		}
	})
}
