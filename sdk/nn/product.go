package nn

import (
	"fmt"
	"sync"
)

// workspaces are for products outside of a tape.
var workspaces = sync.Pool{New: func() any { return &workspace{} }}

// Gemm computes c = a·b, or c += a·b with add, for row-major matrices outside of a
// tape: a [m, k], b [k, n] and c [m, n] after the transposition of a and b that
// transA and transB ask for. lda, ldb and ldc are the distances of rows as stored.
// c must not overlap a and b. Slices that are too short panic. It may be called
// from several goroutines at once, and gives the same bits as MatMul.
func Gemm(transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, add bool) {
	checkStored("a", transA, m, k, lda, len(a))
	checkStored("b", transB, k, n, ldb, len(b))
	checkStored("c", false, m, n, ldc, len(c))
	w := workspaces.Get().(*workspace) //nolint:forcetypeassert // the pool has no others
	gemm(w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc, add)
	workspaces.Put(w)
}

// checkStored panics unless a slice holds a matrix [rows, cols], or its transpose.
func checkStored(name string, transposed bool, rows, cols, distance, length int) {
	if transposed {
		rows, cols = cols, rows
	}
	if rows < 0 || cols < 0 || distance < cols || (rows > 0 && length < (rows-1)*distance+cols) {
		panic(fmt.Sprintf("nn: gemm: %s is [%d, %d] with rows %d apart in %d values", name, rows, cols, distance, length))
	}
}
