//go:build arm64 && !purego

package nn

import "unsafe"

// hasTiles says whether gemmTiles can run: every arm64 has what it takes.
const hasTiles = true

// tileCols is the number of columns of a tile of the micro-kernel.
const tileCols = 16

// gemmNEON computes tiles of 16 columns; it ignores last and relu.
//
//go:noescape
func gemmNEON(t *tiles)

// compute runs the micro-kernel for width columns of c, which go through a copy if
// there are fewer than it computes.
func (t *tiles) compute(w *workspace, c []float32, ldc, width int) {
	rows := t.rows
	if width == tileCols {
		gemmNEON(t)
	} else {
		t.part(w, c, ldc, width)
	}
	if t.relu == 0 {
		return
	}
	for i := range rows {
		row := c[i*ldc : i*ldc+width]
		relu(row, row)
	}
}

// part is compute through a copy of c that has all columns of the tile.
func (t *tiles) part(w *workspace, c []float32, ldc, width int) {
	rows := t.rows
	if len(w.c) < rows*tileCols {
		w.c = make([]float32, rows*tileCols)
	}
	for i := range rows {
		row := w.c[i*tileCols : i*tileCols+width]
		switch {
		case t.add != 0:
			copy(row, c[i*ldc:])
		case t.bias != nil: // it ends where the columns do
			copy(row, unsafe.Slice(t.bias, width))
		default:
			clear(row)
		}
	}
	part := *t
	part.c, part.cRow, part.add = &w.c[0], 4*tileCols, 1
	gemmNEON(&part)
	for i := range rows {
		copy(c[i*ldc:i*ldc+width], w.c[i*tileCols:])
	}
}

// panelSize is the number of columns of panels of b with n columns, their largest
// number of rows, and the distance of rows up to which they are not copied. They
// stay in the first cache.
func panelSize(int) (cols, depth, near int) { return tileCols, 256, 0 }

// transpose leaves all to its caller.
func transpose(_, _ []float32, _, _, _, _ int) (rows, done int) { return 0, 0 }
