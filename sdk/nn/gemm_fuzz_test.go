package nn

import (
	"hash/crc32"
	"math"
	"math/rand/v2"
	"testing"
)

// checkProduct compares a product with its definition. Bits of mode say what is
// transposed, whether it adds, whether it has a bias and ReLU, whether slices are
// taken at the end of memory, and whether a matrix is added after ReLU; of the five
// slices of n values one each is for a, b, c, the bias and that matrix.
func checkProduct(t *testing.T, w *workspace, m, n, k int, mode uint8, memory func(n int, end bool) [5][]float32) {
	t.Helper()
	transA, transB, add, fused, end := mode&1 != 0, mode&2 != 0, mode&4 != 0, mode&12 == 8, mode&16 != 0
	lda, ldb := k, n
	if transA {
		lda = m
	}
	if transB {
		ldb = k
	}
	a, b, c := memory(m*k, end)[0], memory(k*n, end)[1], memory(m*n, end)[2]
	var with epilogue
	if fused {
		with = epilogue{bias: memory(n, end)[3], relu: true}
		if mode&32 != 0 {
			with.plus = memory(m*n, end)[4]
		}
	}
	before := append([]float32(nil), c...)
	gemmWith(w, transA, transB, m, n, k, a, lda, b, ldb, c, n, add, with)
	for i := range m {
		for j := range n {
			var want float64
			switch {
			case add:
				want = float64(before[i*n+j])
			case fused && len(with.bias) > 0:
				want = float64(with.bias[j])
			}
			for l := range k {
				want += at(a, transA, i, l, lda) * at(b, transB, l, j, ldb)
			}
			if fused {
				want = max(want, 0)
			}
			if len(with.plus) > 0 {
				want += float64(with.plus[i*n+j])
			}
			if got := float64(c[i*n+j]); !(math.Abs(got-want) <= 1e-5*float64(k+1)) {
				t.Fatalf("%dx%dx%d, mode %b: c[%d, %d] is %v, want %v", m, n, k, mode, i, j, got, want)
			}
		}
	}
}

func FuzzGemm(f *testing.F) {
	for _, seed := range [][3]uint16{{0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {1, 1, 1}, {6, 16, 8}, {7, 65, 257}, {245, 17, 9}, {13, 130, 12}, {3, 530, 2}} {
		for mode := range uint8(16) {
			f.Add(seed[0], seed[1], seed[2], mode, uint64(mode))
		}
		for trans := range uint8(4) {
			f.Add(seed[0], seed[1], seed[2], 8+32+trans, uint64(trans))
		}
	}
	f.Fuzz(func(t *testing.T, m, n, k uint16, mode uint8, seed uint64) {
		r := rand.New(rand.NewPCG(seed, 0))
		var w workspace
		checkProduct(t, &w, int(m%300), int(n%600), int(k%300), mode, func(n int, _ bool) [5][]float32 {
			return [5][]float32{random(r, n), random(r, n), random(r, n), random(r, n), random(r, n)}
		})
	})
}

// All micro-kernels give the same bits.
func TestGemm_SameBitsOnAllMachines(t *testing.T) {
	if !hasTiles {
		t.Skip("this program has no micro-kernel")
	}
	r := rand.New(rand.NewPCG(1, 2))
	draw := func(n int) []float32 { // without arithmetic that machines round differently
		x := make([]float32, n)
		for i := range x {
			x[i] = float32(int32(r.Uint32())>>8) / (1 << 20)
		}
		return x
	}
	var w workspace
	sum := uint32(0)
	for _, size := range [][3]int{{245, 83, 300}, {3, 5, 7}, {12, 64, 64}} {
		m, n, k := size[0], size[1], size[2]
		for mode := range 4 {
			transA, transB := mode&1 != 0, mode&2 != 0
			lda, ldb := k, n
			if transA {
				lda = m
			}
			if transB {
				ldb = k
			}
			c := make([]float32, m*n)
			gemm(&w, transA, transB, m, n, k, draw(m*k), lda, draw(k*n), ldb, c, n, false)
			for _, v := range c {
				bits := math.Float32bits(v)
				sum = crc32.Update(sum, crc32.IEEETable, []byte{byte(bits), byte(bits >> 8), byte(bits >> 16), byte(bits >> 24)})
			}
		}
	}
	if want := uint32(0x4238081d); sum != want {
		t.Errorf("the check sum of the bits is %#x, want %#x", sum, want)
	}
}
