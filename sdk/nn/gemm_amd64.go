//go:build amd64 && !purego

package nn

const (
	// The micro-kernel computes tileRows x tileCols values of c in twelve registers.
	tileRows = 6
	tileCols = 16
	// Blocks of a product: a panel of b, blockDepth x tileCols, stays in the first
	// cache, and a block of a, blockRows x blockDepth, in the second.
	blockRows  = 40 * tileRows
	blockCols  = 32 * tileCols
	blockDepth = 256
	// directRows is the number of rows of a up to which b is not worth copying.
	directRows = 2 * tileRows
)

// tileMask selects the first n columns of a tile as tileMask[tileCols-n:].
var tileMask = func() (mask [2 * tileCols]int32) {
	for i := range tileCols {
		mask[i] = -1
	}
	return mask
}()

// gemmTile adds a·b to a tile of c, or writes it there, for rows (1 to 6) rows and
// 16 columns, of which those count whose element of mask is -1; a nil mask takes
// all. Row i of c is the sum over k of a[i·aRow + k·aCol]·b[k·bRow : k·bRow + 16],
// each term fused into the sum in the order of k. Distances are in bytes, depth is
// the number of k.
//
//go:noescape
func gemmTile(depth int, a *float32, aRow, aCol, rows int, b *float32, bRow int, c *float32, cRow int, mask *int32, add bool)

// gemmAVX2 is gemm for products that are not empty.
func gemmAVX2(w *workspace, transA, transB bool, m, n, k int, a []float32, lda int, b []float32, ldb int, c []float32, ldc int, add bool) {
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

	direct := m <= directRows && !transB
	for l := 0; l < k; l += blockDepth {
		depth := min(blockDepth, k-l)
		for j0 := 0; j0 < n; j0 += blockCols {
			cols := min(blockCols, n-j0)
			panels := (cols + tileCols - 1) / tileCols
			packed := w.take(panels * depth * tileCols)
			for p := range panels {
				j := j0 + p*tileCols
				width := min(tileCols, n-j)
				switch panel := packed[p*depth*tileCols : (p+1)*depth*tileCols]; {
				case transB:
					packTransposed(panel, b[j*ldb+l:], width, depth, ldb)
				case !direct || width < tileCols:
					packPanel(panel, b[l*ldb+j:], width, depth, ldb)
				}
			}
			for i0 := 0; i0 < m; i0 += blockRows {
				end := min(m, i0+blockRows)
				for p := range panels {
					j := j0 + p*tileCols
					width := min(tileCols, n-j)
					right, bRow := &packed[p*depth*tileCols], tileCols
					var mask *int32
					if width < tileCols {
						mask = &tileMask[tileCols-width]
					} else if direct {
						right, bRow = &b[l*ldb+j], ldb
					}
					for i := i0; i < end; i += tileRows {
						gemmTile(depth, &a[i*aRow+l*aCol], 4*aRow, 4*aCol, min(tileRows, end-i),
							right, 4*bRow, &c[i*ldc+j], 4*ldc, mask, add || l > 0)
					}
				}
			}
		}
	}
}

// packPanel copies width columns of x [depth, ...], whose rows are stride apart,
// to panel [depth, 16], with zeros in the columns from width on.
func packPanel(panel, x []float32, width, depth, stride int) {
	if width == tileCols {
		for l := range depth {
			*(*[tileCols]float32)(panel[l*tileCols:]) = *(*[tileCols]float32)(x[l*stride:])
		}
		return
	}
	for l := range depth {
		row := panel[l*tileCols : (l+1)*tileCols]
		clear(row[copy(row, x[l*stride:l*stride+width]):])
	}
}

// packTransposed copies the transpose of x [width, depth], whose rows are stride
// apart, to panel [depth, 16], with zeros in the columns from width on.
func packTransposed(panel, x []float32, width, depth, stride int) {
	if width < tileCols {
		clear(panel)
	}
	for j := range width {
		at := j
		for _, v := range x[j*stride : j*stride+depth] {
			panel[at] = v
			at += tileCols
		}
	}
}
