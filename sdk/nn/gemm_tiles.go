//go:build (amd64 || arm64) && !purego

package nn

import "runtime"

// addsPlus says whether the micro-kernels know plus.
const addsPlus = runtime.GOARCH == "amd64"

const (
	// A tile of c that the micro-kernel holds in registers has up to tileRows rows.
	tileRows = 6
	// blockRows is the number of rows of a copy of a, of the depth of a panel, and
	// blockSize that of values of a where it is not copied, that stay in the second
	// cache while panels of b pass, and blockCols the number of columns of b in these.
	blockRows = 40 * tileRows
	blockSize = 1 << 15
	blockCols = 2048
	// directRows is the number of rows of a up to which b is not worth copying, and
	// directCols that of columns of b up to which the transpose of a is not.
	directRows = 2 * tileRows
	directCols = 512
	// leftPad keeps tiles of a copy of a from the same places in the cache.
	leftPad = 16
)

// tiles are the rows of c in some columns, and what makes them: row i of c is
// the sum over k of a[i·aRow + k·aCol]·b[k·bRow:], each term fused into the sum in
// the order of k. Distances are in bytes. The assembly knows the order of the
// fields, and changes rows, a, c and plus.
type tiles struct {
	depth, rows int
	a           *float32
	aRow, aCol  int
	aNext       int // from a tile to the next
	b           *float32
	bRow        int
	c           *float32
	cRow        int
	bias        *float32 // what sums begin with, in every row; nil for zero
	last        int      // columns of the last vector of a row
	add         int      // begin with c
	relu        int      // end with max(c, 0)
	// What the next tile needs of a is at ahead from a, and with every step of k
	// aheadStep further on: it is fetched into the cache meanwhile.
	ahead, aheadStep int
	plus             *float32 // what is added at the end; nil for nothing
	plusRow          int
}

// gemmTiles is gemm for products that are not empty.
func gemmTiles(w *workspace, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, add bool, end epilogue) {
	// The assembly does not check.
	aRow, aCol := lda, 1
	if transA {
		aRow, aCol = 1, lda
	}
	_, _ = a[(m-1)*aRow+(k-1)*aCol], c[(m-1)*ldc+n-1]
	if transB {
		_ = b[(n-1)*ldb+k-1]
	} else {
		_ = b[(k-1)*ldb+n-1]
	}

	panelCols, panelDepth, near := panelSize(n)
	// A panel that is not whole is copied and padded.
	direct := !transB && (m <= directRows || ldb <= near)
	packA := transA && n > directCols && m > 1
	leftSize := 0
	if packA {
		leftSize = (min(m, blockRows) + tileRows - 1) / tileRows * leftTile(min(k, panelDepth))
	}
	if end.plus != nil {
		_ = end.plus[m*n-1]
	}
	t := tiles{cRow: 4 * ldc, plusRow: 4 * n}
	for l := 0; l < k; l += panelDepth {
		t.depth = min(panelDepth, k-l)
		first, final := l == 0, l+t.depth == k
		t.add, t.relu = flag(add || !first), flag(end.relu && final)
		high := max(8*tileRows, blockSize/t.depth/tileRows*tileRows)
		if packA {
			high = blockRows
		}
		for j0 := 0; j0 < n; j0 += blockCols {
			cols := min(blockCols, n-j0)
			panels := (cols + panelCols - 1) / panelCols
			packed := w.take(panels*panelCols*t.depth + leftSize)
			packed, left := packed[:len(packed)-leftSize], packed[len(packed)-leftSize:]
			panelOf := func(p int) []float32 { return packed[p*t.depth*panelCols:][:t.depth*panelCols] }
			for p := range panels {
				j := j0 + p*panelCols
				width := min(panelCols, n-j)
				switch {
				case transB:
					packTransposed(panelOf(p), b[j*ldb+l:], width, t.depth, ldb, panelCols)
				case !direct || width < panelCols:
					packPanel(panelOf(p), b[l*ldb+j:], width, t.depth, ldb, panelCols)
				}
			}
			for i0 := 0; i0 < m; i0 += high {
				rows := min(high, m-i0)
				if packA {
					packLeft(left, a[l*lda+i0:], rows, t.depth, lda)
				}
				for p := range panels {
					j := j0 + p*panelCols
					width := min(panelCols, n-j)
					t.rows, t.c = rows, &c[i0*ldc+j]
					if packA {
						t.a, t.aRow, t.aCol, t.aNext = &left[0], 4, 4*tileRows, 4*leftTile(t.depth)
					} else {
						t.a, t.aRow, t.aCol, t.aNext = &a[i0*aRow+l*aCol], 4*aRow, 4*aCol, 4*aRow*tileRows
					}
					if transA && !packA {
						t.ahead, t.aheadStep = 64, t.aCol
					} else {
						t.ahead, t.aheadStep = t.aNext, 4*tileRows
					}
					t.b, t.bRow = &packed[p*t.depth*panelCols], 4*panelCols
					if direct && width == panelCols {
						t.b, t.bRow = &b[l*ldb+j], 4*ldb
					}
					t.bias = nil
					if end.bias != nil {
						t.bias = &end.bias[j]
					}
					if end.plus != nil && final {
						t.plus = &end.plus[i0*n+j]
					}
					t.compute(w, c[i0*ldc+j:], ldc, width)
					if end.plus != nil && final && !addsPlus {
						for i := range rows {
							addTo(c[(i0+i)*ldc+j:][:width], end.plus[(i0+i)*n+j:])
						}
					}
				}
			}
		}
	}
}

// packPanel copies width columns of x [depth, ...], whose rows are stride apart,
// to panel [depth, cols], with zeros in the columns from width on.
func packPanel(panel, x []float32, width, depth, stride, cols int) {
	if cols == 16 && width == cols {
		for l := range depth {
			*(*[16]float32)(panel[l*16:]) = *(*[16]float32)(x[l*stride:])
		}
		return
	}
	for l := range depth {
		row := panel[l*cols : (l+1)*cols]
		clear(row[copy(row, x[l*stride:l*stride+width]):])
	}
}

// leftTile is the distance of tiles in a copy of a.
func leftTile(depth int) int { return depth*tileRows + leftPad }

// packLeft copies the transpose of x [depth, rows], whose rows are stride apart, as
// the micro-kernel reads it: tileRows rows of a at a time, [depth, tileRows] each.
func packLeft(left, x []float32, rows, depth, stride int) {
	const some = 8 // rows of x, which stay in the first cache meanwhile
	for from := 0; from < depth; from += some {
		to := min(depth, from+some)
		for i := 0; i < rows; i += tileRows {
			at := i/tileRows*leftTile(depth) + from*tileRows
			if rows-i < tileRows {
				for l := from; l < to; l++ {
					copy(left[at:at+tileRows], x[l*stride+i:l*stride+rows])
					at += tileRows
				}
				continue
			}
			for l := from; l < to; l++ {
				*(*[tileRows]float32)(left[at:]) = *(*[tileRows]float32)(x[l*stride+i:])
				at += tileRows
			}
		}
	}
}

// packTransposed copies the transpose of x [width, depth], whose rows are stride
// apart, to panel [depth, cols], with zeros in the columns from width on.
func packTransposed(panel, x []float32, width, depth, stride, cols int) {
	if width < cols {
		clear(panel)
	}
	rows, done := transpose(panel, x, width, depth, stride, cols)
	for j := range width {
		from := 0
		if j < rows {
			from = done
		}
		at := from*cols + j
		for _, v := range x[j*stride+from : j*stride+depth] {
			panel[at] = v
			at += cols
		}
	}
}
