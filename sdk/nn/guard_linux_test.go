package nn

import (
	"math"
	"math/rand/v2"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// fence hands out slices that lie between pages nobody may touch, so that an access
// outside of them ends the test.
type fence struct {
	memory []byte // the pages in between
	r      *rand.Rand
}

func newFence(t *testing.T, seed uint64) *fence {
	t.Helper()
	page := unix.Getpagesize()
	const pages = 40
	memory, err := unix.Mmap(-1, 0, (pages+2)*page, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_ANON|unix.MAP_PRIVATE)
	if err != nil {
		t.Fatalf("map pages: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Munmap(memory); err != nil {
			t.Errorf("unmap pages: %v", err)
		}
	})
	for _, edge := range [][]byte{memory[:page], memory[(pages+1)*page:]} {
		if err := unix.Mprotect(edge, unix.PROT_NONE); err != nil {
			t.Fatalf("protect pages: %v", err)
		}
	}
	return &fence{memory[page : (pages+1)*page], rand.New(rand.NewPCG(seed, 0))}
}

// slice returns n values, not all zero, that end where the pages do, or begin there.
func (f *fence) slice(n int, end bool) []float32 {
	from := 0
	if end {
		from = len(f.memory) - 4*n
	}
	if n == 0 {
		return nil
	}
	s := unsafe.Slice((*float32)(unsafe.Pointer(&f.memory[from])), n)
	for i := range s {
		s[i] = float32(f.r.NormFloat64())
	}
	return s
}

func TestLoops_TouchNothingOutside(t *testing.T) {
	var fences [4]*fence
	for i := range fences {
		fences[i] = newFence(t, uint64(i))
	}
	step := adamStep{scale: 1, keep1: 0.9, take1: 0.1, keep2: 0.99, take2: 0.01, shrink: 1, root: 1, epsilon: 1, rate: 0.1}
	descent := sgdStep{scale: 1, decay: 0.1, momentum: 0.9, rate: 0.1}
	for n := range 70 {
		for _, end := range []bool{false, true} {
			var s [4][]float32
			for i, f := range fences {
				s[i] = f.slice(n, end)
			}
			addTo(s[0], s[1])
			addScaled(s[0], 2, s[1])
			addProduct(s[0], s[1], s[2])
			addPositive(s[0], s[1], s[2])
			takePositive(s[0], s[1], s[2])
			plus(s[0], s[1], s[2])
			minus(s[0], s[1], s[2])
			scale(s[0], 0.5, s[1])
			times(s[0], s[1], s[2])
			relu(s[0], s[1])
			exponential(s[0], s[1])
			tangent(s[0], s[1])
			logistic(s[0], s[1])
			gelu(s[0], s[1], s[2])
			softmaxRows(s[0], s[1], n)
			softmaxSlopes(s[0], s[1], n, 2)
			drawMask(s[0], 0.3, uint64(n))
			step.apply(s[0], s[1], s[2], s[3])
			descent.apply(s[3], s[1], s[0])
			tangentSlope(s[0], s[1], s[2])
			logisticSlope(s[0], s[1], s[2])
			if !AllFinite(s[1]) {
				t.Fatalf("some of %d values are not finite", n)
			}
			if d := dot64(s[1], s[2]) - float64(dot(s[1], s[2])); math.IsNaN(d) {
				t.Fatalf("the inner products of %d values are not numbers", n)
			}
			if n == 0 {
				continue
			}
			unstep(fences[3].slice(3*n, end), s[0], s[1], fences[2].slice(3*n, end), s[0], s[1])
			wide := func(i int) []float64 {
				return unsafe.Slice((*float64)(unsafe.Pointer(&fences[i].slice(2*n, end)[0])), n)
			}
			columnSums(wide(0), s[1])
			columnSquares(wide(0), wide(2), s[1])
			standardiseRow(s[0], s[1], wide(2), wide(3))
			standardiseSums(wide(0), wide(1), s[2], s[3])
			standardiseSpread(s[0], s[1], s[1], wide(2), wide(3), wide(2))
			normRow(s[0], s[1], s[2], s[3])
			normHat(s[0], s[1], 1, 2)
			normSums(s[0], s[1], s[2], s[1], s[3], s[3])
			normSpread(s[0], s[1], s[2], 1, 2, 3, n%2 == 0)
			const high = 3
			x, y, z := fences[1].slice(high*n, end), fences[2].slice(high*n, end), fences[3].slice(high*n, end)
			addRows(s[0], x)
			takePositiveRows(x, y, z, fences[0].slice(n, end), n)
			// A query and five keys of two heads, or of one.
			shape := attendShape{heads: 2 - n%2, width: n}
			cols := shape.heads * n
			keys := []int{4 * cols, 0, cols, 2 * cols, 3 * cols}
			query, many := fences[0].slice(cols, end), fences[3].slice(len(keys)*cols, end)
			weights := fences[2].slice(shape.heads*len(keys), end)
			shape.scores(weights, query, []int{0}, many, keys, 0.5)
			shape.mix(query, []int{0}, weights, many, keys, n%3 == 0)
			shape.spread(many, keys, weights, query, []int{0}, n%3 == 0)
		}
	}
}

func TestGemm_TouchesNothingOutside(t *testing.T) {
	left, right, result, bias, plus := newFence(t, 1), newFence(t, 2), newFence(t, 3), newFence(t, 4), newFence(t, 5)
	r := rand.New(rand.NewPCG(5, 0))
	var w workspace
	for round := range 1500 {
		checkProduct(t, &w, r.IntN(20), r.IntN(80), r.IntN(30), uint8(round), func(n int, end bool) [5][]float32 {
			return [5][]float32{left.slice(n, end), right.slice(n, end), result.slice(n, end), bias.slice(n, end), plus.slice(n, end)}
		})
	}
}
