//go:build amd64 && !purego

package nn

import "golang.org/x/sys/cpu"

// hasTiles says whether gemmTiles can run.
var hasTiles = hasAVX2

// hasAVX512 says whether products use the wide registers.
var hasAVX512 = hasAVX2 && cpu.X86.HasAVX512F

// tileMask selects the first n of eight values as tileMask[16-n:].
var tileMask = func() (mask [32]int32) { //nolint:unused // kernels_amd64.s reads it
	for i := range 16 {
		mask[i] = -1
	}
	return mask
}()

// The micro-kernels for one vector of columns, two and so on, of 8 and 16 values.

//go:noescape
func gemmAVX2x1(t *tiles)

//go:noescape
func gemmAVX2x2(t *tiles)

//go:noescape
func gemmAVX512x1(t *tiles)

//go:noescape
func gemmAVX512x2(t *tiles)

//go:noescape
func gemmAVX512x3(t *tiles)

//go:noescape
func gemmAVX512x4(t *tiles)

// transposeAVX2 writes the transpose of eight rows of 8·blocks values. Distances of
// rows are in bytes.
//
//go:noescape
func transposeAVX2(blocks int, to *float32, toRow int, from *float32, fromRow int)

// compute runs the micro-kernel for width columns. Few columns go to
// the narrow registers.
func (t *tiles) compute(_ *workspace, _ []float32, _, width int) {
	if !hasAVX512 || width <= 8 {
		t.last = (width-1)%8 + 1
		if width <= 8 {
			gemmAVX2x1(t)
		} else {
			gemmAVX2x2(t)
		}
		return
	}
	t.last = (width-1)%16 + 1
	switch (width + 15) / 16 {
	case 1:
		gemmAVX512x1(t)
	case 2:
		gemmAVX512x2(t)
	case 3:
		gemmAVX512x3(t)
	case 4:
		gemmAVX512x4(t)
	}
}

// panelSize is the number of columns of panels of b with n columns, their largest
// number of rows, and the distance of rows up to which they are as good where they
// are as in a copy. Panels for narrow registers stay in the first cache, those for
// wide ones in the second.
func panelSize(n int) (cols, depth, near int) {
	switch {
	case n <= 8:
		return 8, 256, 0
	case hasAVX512:
		return min(64, (n+15)/16*16), 512, 512
	}
	return 16, 256, 0
}

// transpose writes as many rows of 8 of the transpose of x [width, depth] to panel
// as it can, and returns how many rows of x it took and how much of them.
func transpose(panel, x []float32, width, depth, stride, cols int) (rows, done int) {
	blocks := depth / 8
	if blocks == 0 {
		return 0, 0
	}
	for ; rows+8 <= width; rows += 8 {
		_ = x[(rows+7)*stride+8*blocks-1]
		transposeAVX2(blocks, &panel[rows], 4*cols, &x[rows*stride], 4*stride)
	}
	return rows, 8 * blocks
}
