package table

import (
	"fmt"
	"os"
	"slices"

	"github.com/deconfound/deconfound/sdk/features/npy"
)

// readNPY reads a matrix, or a vector as one column.
func readNPY(path string, opts Options) (part, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return part{}, unwrapPath(err)
	}
	values, shape, err := npy.Read[float64](data)
	if err != nil {
		return part{}, err
	}
	width := 1
	if len(shape) == 2 {
		width = shape[1]
	}
	if len(shape) == 0 || len(shape) > 2 || width != len(opts.Columns) {
		return part{}, fmt.Errorf("array has shape %v, the manifest names %d columns", shape, len(opts.Columns))
	}
	p := part{names: slices.Clone(opts.Columns), rows: shape[0]}
	for c, name := range opts.Columns {
		if !opts.Want(name) {
			continue
		}
		column := make([]float64, p.rows)
		for row := range column {
			column[row] = values[row*width+c]
		}
		p.columns = append(p.columns, NewNumbers(name, column, nil))
	}
	return p, nil
}
