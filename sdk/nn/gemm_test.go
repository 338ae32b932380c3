package nn

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

func random(r *rand.Rand, n int) []float32 {
	x := make([]float32, n)
	for i := range x {
		x[i] = float32(r.NormFloat64())
	}
	return x
}

// clearRows zeroes the matrix x [rows, cols], whose rows are stride apart.
func clearRows(x []float32, rows, cols, stride int) {
	for i := range rows {
		clear(x[i*stride : i*stride+cols])
	}
}

// at reads element (i, j) of a matrix whose stored rows are stride apart.
func at(x []float32, transposed bool, i, j, stride int) float64 {
	if transposed {
		i, j = j, i
	}
	return float64(x[i*stride+j])
}

func TestGemm_AllTranspositionsAndStrides(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	var w workspace
	sizes := [][3]int{{1, 1, 1}, {3, 5, 7}, {64, 192, 256}, {65, 193, 257}, {130, 10, 70}, {2, 400, 3}, {0, 3, 2}, {3, 0, 2}, {3, 2, 0}, {245, 17, 9}, {7, 530, 300}}
	for range 60 {
		sizes = append(sizes, [3]int{r.IntN(20), r.IntN(40), r.IntN(30)})
	}
	for _, size := range sizes {
		m, n, k := size[0], size[1], size[2]
		for mode := range 16 {
			transA, transB, add, wide := mode&1 != 0, mode&2 != 0, mode&4 != 0, mode&8 != 0
			pad := 0
			if wide {
				pad = 3
			}
			rowsA, lda := m, k+pad
			if transA {
				rowsA, lda = k, m+pad
			}
			rowsB, ldb := k, n+pad
			if transB {
				rowsB, ldb = n, k+pad
			}
			ldc := n + pad
			a, b, c := random(r, rowsA*lda), random(r, rowsB*ldb), random(r, m*ldc)
			before := append([]float32(nil), c...)
			gemm(&w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc, add)
			name := fmt.Sprintf("%dx%dx%d transposed %v %v, add %v, padded %v", m, n, k, transA, transB, add, wide)
			for i := range m {
				for j := range ldc {
					want := float64(before[i*ldc+j])
					if j < n {
						if !add {
							want = 0
						}
						for l := range k {
							want += at(a, transA, i, l, lda) * at(b, transB, l, j, ldb)
						}
					}
					if got := float64(c[i*ldc+j]); math.Abs(got-want) > 1e-5*float64(k+1) {
						t.Fatalf("%s: c[%d, %d] is %v, want %v", name, i, j, got, want)
					}
				}
			}
			if m*n*k == 0 {
				continue
			}
			if !add {
				clearRows(before, m, n, ldc)
			}
			gemmGeneric(&w, transA, transB, m, n, k, a, lda, b, ldb, before, ldc)
			for i, want := range before {
				if got := c[i]; math.Abs(float64(got-want)) > 2e-6*float64(k+10) {
					t.Fatalf("%s: value %d is %v and %v without assembly", name, i, got, want)
				}
			}
		}
	}
}

// A product must not read or write beyond its matrices.
func TestGemm_StaysInside(t *testing.T) {
	nan := float32(math.NaN())
	r := rand.New(rand.NewPCG(5, 6))
	var w workspace
	inside := func(n int) []float32 {
		x := random(r, n+64)
		for i := range 32 {
			x[i], x[32+n+i] = nan, nan
		}
		return x
	}
	for range 200 {
		m, n, k := 1+r.IntN(14), 1+r.IntN(35), 1+r.IntN(20)
		for mode := range 4 {
			transA, transB := mode&1 != 0, mode&2 != 0
			lda, ldb := k, n
			if transA {
				lda = m
			}
			if transB {
				ldb = k
			}
			a, b, c := inside(m*k), inside(k*n), inside(m*n)
			gemm(&w, transA, transB, m, n, k, a[32:32+m*k], lda, b[32:32+k*n], ldb, c[32:32+m*n], n, r.IntN(2) == 0)
			for i, v := range c {
				if outside := i < 32 || i >= 32+m*n; outside == (v == v) {
					t.Fatalf("%dx%dx%d transposed %v %v: value %d of %d is %v", m, n, k, transA, transB, i-32, m*n, v)
				}
			}
		}
	}
}

// A row of the product has the same bits alone and anywhere in a batch.
func TestGemm_RowsDoNotDependOnEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var w workspace
	const m, n, k = 251, 67, 301
	a, b := random(r, m*k), random(r, k*n)
	for _, transB := range []bool{false, true} {
		ldb := n
		if transB {
			ldb = k
		}
		all, one := make([]float32, m*n), make([]float32, n)
		gemm(&w, false, transB, m, n, k, a, k, b, ldb, all, n, false)
		for i := range m {
			alone := append(make([]float32, 1), a[i*k:(i+1)*k]...)[1:] // unaligned
			gemm(&w, false, transB, 1, n, k, alone, k, b, ldb, one, n, false)
			for j, v := range one {
				if v != all[i*n+j] {
					t.Fatalf("transposed %v: c[%d, %d] is %v alone and %v among others", transB, i, j, v, all[i*n+j])
				}
			}
		}
	}
}

func BenchmarkGemm(b *testing.B) {
	r := rand.New(rand.NewPCG(1, 2))
	var w workspace
	for _, size := range [][3]int{{256, 512, 128}, {256, 64, 64}, {1500, 32, 64}, {1, 64, 64}} {
		m, k, n := size[0], size[1], size[2]
		x, y, z := random(r, m*k), random(r, k*n), make([]float32, m*n)
		for _, c := range []struct {
			name           string
			transA, transB bool
			lda, ldb       int
		}{{"plain", false, false, k, n}, {"transposed left", true, false, m, n}, {"transposed right", false, true, k, k}} {
			b.Run(fmt.Sprintf("%dx%dx%d/%s", m, k, n, c.name), func(b *testing.B) {
				for b.Loop() {
					gemm(&w, c.transA, c.transB, m, n, k, x, c.lda, y, c.ldb, z, n, false)
				}
				b.ReportMetric(2*float64(m*n*k)*float64(b.N)/b.Elapsed().Seconds()/1e9, "GFLOP/s")
			})
		}
	}
}

// A bias, ReLU and a sum in the product give the bits of the steps one after the other.
func TestGemm_EpilogueIsTheStepsAfterEachOther(t *testing.T) {
	r := rand.New(rand.NewPCG(17, 18))
	var w workspace
	for _, size := range [][3]int{{1, 1, 1}, {13, 7, 5}, {30, 65, 300}, {250, 40, 520}, {3, 20, 0}} {
		m, n, k := size[0], size[1], size[2]
		a, b, bias := random(r, m*k), random(r, k*n), random(r, n)
		for mode := range 4 {
			end := epilogue{bias: bias, relu: mode&1 != 0}
			if mode&2 != 0 {
				end.plus = random(r, m*n)
			}
			got, want := random(r, m*n), make([]float32, m*n)
			gemmWith(&w, false, false, m, n, k, a, k, b, n, got, n, false, end)
			for i := range m {
				copy(want[i*n:], bias)
			}
			gemm(&w, false, false, m, n, k, a, k, b, n, want, n, true)
			if end.relu {
				relu(want, want)
			}
			if end.plus != nil {
				addTo(want, end.plus)
			}
			if !slices.Equal(got, want) {
				t.Fatalf("%dx%dx%d, ReLU %v, sum %v: the bits differ", m, n, k, end.relu, end.plus != nil)
			}
		}
	}
}
