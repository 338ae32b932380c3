package dataset

import (
	"fmt"
	"math"
	"slices"
)

var missingCell = float32(math.NaN())

// encoded is one source column as numbers: one column, or one for each level of
// a categorical one. Rows without a value are NaN throughout.
type encoded struct {
	names []string
	// oneHot says that the columns are the levels of a categorical one.
	oneHot bool
	// cell writes the columns of a row of the source into dst, and reports
	// whether the row has a value.
	cell func(row int, dst []float32) (bool, error)
}

// number reads a cell of the frame as float32 would hold it, NaN if missing.
func (f *frame) number(c field, row int) (float64, error) {
	if c.Missing(row) {
		return math.NaN(), nil
	}
	return c.Column.Number(c.at(row))
}

// encode prepares a column for a matrix. all are the source rows that decide the
// levels of a categorical column.
func (f *frame) encode(path, name string, c field, all []int) (encoded, error) {
	if !slices.Contains(f.manifest.Categorical, name) && !slices.Contains(f.manifest.Categorical, c.Name) {
		return encoded{names: []string{name}, cell: func(row int, dst []float32) (bool, error) {
			dst[0] = missingCell
			v, err := f.number(c, row)
			if err != nil || math.IsNaN(v) {
				return false, err
			}
			if dst[0] = float32(v); math.IsInf(float64(dst[0]), 0) {
				return false, c.Column.Errorf(c.at(row), "%v is too large for single precision", v)
			}
			return true, nil
		}}, nil
	}
	names, values := levels(c, all)
	if len(names) > maxLevels {
		return encoded{}, f.manifest.Errorf(path, "categorical column %q has %d levels, at most %d can be encoded", name, len(names), maxLevels)
	}
	if len(names) == 0 {
		return encoded{}, f.manifest.Errorf(path, "categorical column %q has no value in any row", name)
	}
	level := make(map[int]int32, len(all))
	for i, row := range all {
		level[row] = values[i]
	}
	e := encoded{oneHot: true, cell: func(row int, dst []float32) (bool, error) {
		chosen, ok := level[row]
		for i := range dst {
			dst[i] = 0
			if !ok || chosen < 0 {
				dst[i] = missingCell
			} else if i == int(chosen) {
				dst[i] = 1
			}
		}
		return ok && chosen >= 0, nil
	}}
	for _, l := range names {
		e.names = append(e.names, name+"="+l)
	}
	return e, nil
}

// header names encoded columns side by side.
type header struct {
	names  []string
	oneHot []int // positions of the columns that are levels, ascending
}

func (h *header) add(e encoded) {
	for _, name := range e.names {
		if e.oneHot {
			h.oneHot = append(h.oneHot, len(h.names))
		}
		h.names = append(h.names, name)
	}
}

// matrix encodes columns side by side. present counts, for every row, the source
// columns that have a value.
func (f *frame) matrix(path string, columns []string, rows []int) (head header, values []float32, present []int, err error) {
	encodings := make([]encoded, len(columns))
	for i, name := range columns {
		c, err := f.column(path, name)
		if err != nil {
			return header{}, nil, nil, err
		}
		if encodings[i], err = f.encode(path, name, c, rows); err != nil {
			return header{}, nil, nil, err
		}
		head.add(encodings[i])
	}
	width := len(head.names)
	values, present = make([]float32, len(rows)*width), make([]int, len(rows))
	for i, row := range rows {
		dst := values[i*width:][:width]
		for _, e := range encodings {
			ok, err := e.cell(row, dst[:len(e.names)])
			if err != nil {
				return header{}, nil, nil, err
			}
			if ok {
				present[i]++
			}
			dst = dst[len(e.names):]
		}
	}
	return head, values, present, nil
}

// covariates encodes W, which must have no missing cell: an adjustment variable
// that is itself missing for a reason would bring back what it should remove.
func (f *frame) covariates(rows []int) ([]string, []float32, error) {
	head, values, _, err := f.matrix("covariates", f.manifest.Covariates, rows)
	if err != nil {
		return nil, nil, err
	}
	names := head.names
	for c, name := range names {
		missing := 0
		for i := range rows {
			if v := values[i*len(names)+c]; v != v {
				missing++
			}
		}
		if missing > 0 {
			return nil, nil, f.manifest.Errorf("covariates", "%q is missing in %d of %d rows; a covariate must be always observed: leave it out, or list it under rows.drop_empty", name, missing, len(rows))
		}
	}
	return names, values, nil
}

func quote(names []string) string {
	out := ""
	for i, name := range names {
		if i > 0 {
			out += ", "
		}
		out += fmt.Sprintf("%q", name)
	}
	return out
}
