package nn_test

import (
	"slices"
	"testing"

	"github.com/deconfound/deconfound/sdk/nn"
	"github.com/deconfound/deconfound/sdk/rng"
)

// Every form of the product, with rows further apart than they are long, is that of
// the tape, and writes nothing between the rows.
func TestGemm(t *testing.T) {
	const m, n, k, gap = 5, 7, 3, 2
	r := rng.Stream(1)
	draw := func(size int) []float32 {
		x := make([]float32, size)
		for i := range x {
			x[i] = float32(r.NormFloat64())
		}
		return x
	}
	// store puts x [rows, cols], or its transpose, in rows cols + gap apart.
	store := func(x []float32, rows, cols int, transposed bool) ([]float32, int) {
		inner := cols
		if transposed {
			inner, rows = rows, cols
		}
		y := make([]float32, rows*(inner+gap))
		for i := range x {
			row, col := i/cols, i%cols
			if transposed {
				row, col = col, row
			}
			y[row*(inner+gap)+col] = x[i]
		}
		return y, inner + gap
	}
	a, b, old := draw(m*k), draw(k*n), draw(m*n)
	tape := nn.NewTape()
	product := tape.MatMul(tape.Const(m, k, a), tape.Const(k, n, b)).Value
	for form := range 8 {
		transA, transB, add := form&1 != 0, form&2 != 0, form&4 != 0
		storedA, lda := store(a, m, k, transA)
		storedB, ldb := store(b, k, n, transB)
		c, ldc := store(old, m, n, false)
		nn.Gemm(transA, transB, m, n, k, storedA, lda, storedB, ldb, c, ldc, add)
		for i := range m {
			for j := range n + gap {
				got, want := c[i*ldc+j], float32(0)
				switch {
				case j < n && add:
					if diff := got - old[i*n+j] - product[i*n+j]; diff > 1e-5 || diff < -1e-5 {
						t.Errorf("transposed %v %v: added [%d, %d] is off by %v", transA, transB, i, j, diff)
					}
					continue
				case j < n:
					want = product[i*n+j]
				}
				if got != want {
					t.Errorf("transposed %v %v, add %v: [%d, %d] is %v, want %v", transA, transB, add, i, j, got, want)
				}
			}
		}
	}
}

func TestGemm_ErrShort(t *testing.T) {
	for _, at := range []int{0, 1, 2} {
		lengths := []int{6, 12, 8}
		lengths[at]--
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("slice %d is too short, and no panic", at)
				}
			}()
			c := make([]float32, lengths[2])
			nn.Gemm(false, false, 2, 4, 3, make([]float32, lengths[0]), 3, make([]float32, lengths[1]), 4, slices.Clip(c), 4, false)
		}()
	}
}
