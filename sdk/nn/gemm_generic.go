package nn

import (
	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
)

// Panels of a product: gonum starts goroutines from four blocks of 64x64 on, and
// panels of three keep it on the caller's.
const (
	genericRows  = 64
	genericCols  = 192
	genericDepth = 256
)

// gemmGeneric adds a·b to c on any machine, for products that are not empty. For the
// order of the sums, b is never read transposed (gonum's dot product depends on
// alignment) but copied.
func gemmGeneric(w *workspace, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int) {
	if transB {
		b, ldb = w.transposed(b, n, k, ldb), n
	}
	ta := blas.NoTrans
	if transA {
		ta = blas.Trans
	}
	for l := 0; l < k; l += genericDepth {
		depth := min(genericDepth, k-l)
		for j := 0; j < n; j += genericCols {
			cols := min(genericCols, n-j)
			right := blas32.General{Rows: depth, Cols: cols, Stride: ldb, Data: b[l*ldb+j:]}
			for i := 0; i < m; i += genericRows {
				rows := min(genericRows, m-i)
				left := blas32.General{Rows: rows, Cols: depth, Stride: lda}
				if transA {
					left.Rows, left.Cols, left.Data = depth, rows, a[l*lda+i:]
				} else {
					left.Data = a[i*lda+l:]
				}
				blas32.Gemm(ta, blas.NoTrans, 1, left, right, 1,
					blas32.General{Rows: rows, Cols: cols, Stride: ldc, Data: c[i*ldc+j:]})
			}
		}
	}
}

// transposed copies x [rows, cols], whose rows are stride apart, to [cols, rows].
func (w *workspace) transposed(x []float32, rows, cols, stride int) []float32 {
	y := w.take(rows * cols)
	for i := range rows {
		for j, v := range x[i*stride : i*stride+cols] {
			y[j*rows+i] = v
		}
	}
	return y
}
