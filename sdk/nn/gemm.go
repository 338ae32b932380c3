package nn

// workspace is memory of gemm that is kept from call to call.
type workspace struct {
	b []float32
	c []float32 //nolint:unused // gemm_arm64.go uses it: its micro-kernel has no masks
	// work is the number of multiplications with an addition so far.
	work uint64
}

// take returns n values of undefined contents, valid until the next call.
func (w *workspace) take(n int) []float32 {
	if cap(w.b) < n {
		w.b = make([]float32, n)
	}
	return w.b[:n]
}

// epilogue is what a product does beside the sums. It does not go with add.
type epilogue struct {
	bias []float32 // sums begin with it, in every row; nil for zero
	relu bool      // the result is max(c, 0)
	plus []float32 // and at last this, [m, n], is added; nil for nothing
}

// gemm computes c = a·b, or c += a·b with add, for row-major matrices: a [m, k],
// b [k, n] and c [m, n] after the transposition of a and b that transA and transB
// ask for. lda, ldb and ldc are the distances of rows as stored. c must not overlap
// a and b.
//
// Every value of c is summed in the order of k, one term after the other,
// whatever m, n and the alignment of the memory are: a row of the result depends
// only on its own row of a. Micro-kernels in assembly do not round products before
// they are added, and all give the same bits; other machines round.
func gemm(w *workspace, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, add bool) {
	gemmWith(w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc, add, epilogue{})
}

// gemmWith is gemm with an epilogue. It gives the same bits as the steps one after
// the other.
func gemmWith(w *workspace, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, add bool, end epilogue) {
	if m == 0 || n == 0 {
		return
	}
	w.work += uint64(m) * uint64(n) * uint64(k)
	if k > 0 && hasTiles {
		gemmTiles(w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc, add, end)
		return
	}
	for i := range m {
		row := c[i*ldc : i*ldc+n]
		if end.bias != nil {
			copy(row, end.bias)
		} else if !add {
			clear(row)
		}
	}
	if k > 0 {
		gemmGeneric(w, transA, transB, m, n, k, a, lda, b, ldb, c, ldc)
	}
	if end.relu {
		for i := range m {
			row := c[i*ldc : i*ldc+n]
			relu(row, row)
		}
	}
	if end.plus != nil {
		for i := range m {
			addTo(c[i*ldc:i*ldc+n], end.plus[i*n:])
		}
	}
}

// gemmBatch is gemm of every one of count products, the matrices of which are
// nextA, nextB and nextC values apart.
func gemmBatch(w *workspace, count int, transA, transB bool, m, n, k int, a []float32, lda, nextA int, b []float32, ldb, nextB int, c []float32, ldc, nextC int, add bool) {
	for i := range count {
		gemm(w, transA, transB, m, n, k, a[i*nextA:], lda, b[i*nextB:], ldb, c[i*nextC:], ldc, add)
	}
}
