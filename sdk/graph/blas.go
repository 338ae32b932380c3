package graph

import (
	"sync"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/gonum"
	"gorgonia.org/gorgonia"

	"github.com/deconfound/deconfound/sdk/nn"
)

// kernels is the BLAS of stock operations: products of float32 matrices are those
// of sdk/nn, with the same bits as Linear; the rest is gonum's.
type kernels struct{ gonum.Implementation }

// useKernels makes gorgonia use them. Its choice is for the whole process.
var useKernels = sync.OnceFunc(func() { gorgonia.Use(kernels{}) })

// Sgemm is c = alpha·a·b + beta·c, with transposition.
func (k kernels) Sgemm(transA, transB blas.Transpose, m, n, inner int, alpha float32, a []float32, lda int, b []float32, ldb int, beta float32, c []float32, ldc int) {
	if alpha != 1 || (beta != 0 && beta != 1) {
		k.Implementation.Sgemm(transA, transB, m, n, inner, alpha, a, lda, b, ldb, beta, c, ldc)
		return
	}
	nn.Gemm(transA != blas.NoTrans, transB != blas.NoTrans, m, n, inner, a, lda, b, ldb, c, ldc, beta == 1)
}
