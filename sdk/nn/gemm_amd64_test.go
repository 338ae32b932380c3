//go:build amd64 && !purego

package nn

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// Wide registers give the bits of the narrow ones, at every size of a tile and
// beyond the blocks.
func TestGemm_WideRegistersGiveSameBits(t *testing.T) {
	if !hasAVX512 {
		t.Skip("this machine has no AVX-512")
	}
	defer func() { hasAVX512 = true }()
	r := rand.New(rand.NewPCG(15, 16))
	var w workspace
	sizes := [][3]int{{245, 600, 300}, {7, 530, 520}}
	for n := 1; n < 70; n++ {
		sizes = append(sizes, [3]int{1 + n%15, n, 1 + r.IntN(20)})
	}
	for _, size := range sizes {
		m, n, k := size[0], size[1], size[2]
		for mode := range 16 {
			transA, transB, add := mode&1 != 0, mode&2 != 0, mode&4 != 0
			lda, ldb := k, n
			if transA {
				lda = m
			}
			if transB {
				ldb = k
			}
			var end epilogue
			if !add && mode&8 != 0 {
				end = epilogue{bias: random(r, n), relu: true, plus: random(r, m*n)}
			}
			a, b, c := random(r, m*k), random(r, k*n), random(r, m*n)
			wide := slices.Clone(c)
			hasAVX512 = false
			gemmWith(&w, transA, transB, m, n, k, a, lda, b, ldb, c, n, add, end)
			hasAVX512 = true
			gemmWith(&w, transA, transB, m, n, k, a, lda, b, ldb, wide, n, add, end)
			if !slices.Equal(c, wide) {
				t.Fatalf("%dx%dx%d transposed %v %v, add %v: the bits differ", m, n, k, transA, transB, add)
			}
		}
	}
}
