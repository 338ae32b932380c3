package nn

// workspace is memory of gemm that is kept from call to call.
type workspace struct {
	b []float32
}

// take returns n values of undefined contents, valid until the next call.
func (w *workspace) take(n int) []float32 {
	if cap(w.b) < n {
		w.b = make([]float32, n)
	}
	return w.b[:n]
}

// gemm computes c = a·b, or c += a·b with add, for row-major matrices: a [m, k],
// b [k, n] and c [m, n] after the transposition of a and b that transA and transB
// ask for. lda, ldb and ldc are the distances of rows as stored. c must not overlap
// a and b.
//
// Every value of c is summed in the order of k, one term after the other,
// whatever m, n and the alignment of the memory are: a row of the result depends
// only on its own row of a. Machines with AVX2 and FMA do not round products
// before they are added, others do.
func gemm(w *workspace, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, add bool) {
	switch {
	case m == 0 || n == 0:
	case k == 0:
		if !add {
			clearRows(c, m, n, ldc)
		}
	case hasAVX2:
		gemmAVX2(w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc, add)
	default:
		gemmGeneric(w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc, add)
	}
}

// clearRows zeroes the matrix x [rows, cols], whose rows are stride apart.
func clearRows(x []float32, rows, cols, stride int) {
	for i := range rows {
		clear(x[i*stride : i*stride+cols])
	}
}
