package dataset

import (
	"math"
	"os"

	"github.com/deconfound/deconfound/host/dataset/manifest"
	"github.com/deconfound/deconfound/sdk/features"
	"github.com/deconfound/deconfound/sdk/features/npy"
)

// array takes a modality from an NPY file: [n, width], or [n, steps, width] for
// a sequence.
func (l *loader) array(path string, spec manifest.Modality) (block, error) {
	data, shape, err := l.npy(path+".array", spec.Array)
	if err != nil {
		return block{}, err
	}
	dims := 2
	if spec.Kind == features.Sequence {
		dims = 3
	}
	if len(shape) != dims || shape[dims-1] == 0 || shape[1] == 0 {
		return block{}, l.manifest.Errorf(path+".array", "shape is %v, a %s modality needs %d dimensions", shape, spec.Kind, dims)
	}
	source, err := l.arrayRows(path, spec, shape[0])
	if err != nil {
		return block{}, err
	}
	width := shape[dims-1]
	size := width
	b := block{width: width, present: make([]bool, len(l.rows))}
	var lengths []float32
	if dims == 3 {
		b.length = shape[1]
		if spec.Length > 0 {
			b.length = min(spec.Length, shape[1])
		}
		size = shape[1] * width
		if lengths, err = l.lengths(path, spec, shape); err != nil {
			return block{}, err
		}
		b = newSequence(header{names: make([]string, width)}, b.length, len(l.rows)) // it counts them
		b.names = nil
	} else {
		b.values.Data = make([]float32, len(l.rows)*width)
	}
	for i, row := range source {
		if row < 0 {
			if dims == 2 {
				fill(b.values.Data[i*width:(i+1)*width], missingCell)
			}
			continue
		}
		values := data[row*size : (row+1)*size]
		if dims == 2 {
			copy(b.values.Data[i*width:], values)
			b.present[i] = enough(values, spec.Availability)
			continue
		}
		b.set(i, steps{width, values[:int(lengths[row])*width]}, spec.Keep)
		b.present[i] = b.available(i, 0, spec.Availability)
	}
	return b, nil
}

func fill(dst []float32, v float32) {
	for i := range dst {
		dst[i] = v
	}
}

func enough(values []float32, rule string) bool {
	n := 0
	for _, v := range values {
		if v == v {
			n++
		}
	}
	return n == len(values) || (n > 0 && rule == "any")
}

// npy reads an array and refuses infinite elements.
func (l *loader) npy(key, name string) ([]float32, []int, error) {
	path, err := l.file(key, name)
	if err != nil {
		return nil, nil, err
	}
	raw, err := os.ReadFile(path)
	if err != nil {
		return nil, nil, l.manifest.Errorf(key, "%w", err)
	}
	data, shape, err := npy.Read[float32](raw)
	if err != nil {
		return nil, nil, l.manifest.Errorf(key, "%s: %w", name, err)
	}
	for i, v := range data {
		if math.IsInf(float64(v), 0) {
			return nil, nil, l.manifest.Errorf(key, "%s: element %d is infinite or too large for single precision", name, i)
		}
	}
	return data, shape, nil
}

// arrayRows finds the array row of every row of the dataset, -1 for none.
func (l *loader) arrayRows(path string, spec manifest.Modality, n int) ([]int, error) {
	out := make([]int, len(l.rows))
	if spec.Index == "" {
		if n != l.tables[0].Rows {
			return nil, l.manifest.Errorf(path+".array", "it has %d rows, table %s has %d; give index, a column with the row of the array", n, l.tables[0].Name, l.tables[0].Rows)
		}
		copy(out, l.rows)
		return out, nil
	}
	c, err := l.column(path+".index", spec.Index)
	if err != nil {
		return nil, err
	}
	for i, row := range l.rows {
		v, err := l.number(c, row)
		switch {
		case err != nil:
			return nil, err
		case math.IsNaN(v):
			out[i] = -1
		case v < 0 || v >= float64(n) || v != math.Trunc(v):
			return nil, l.manifest.Errorf(path+".index", "%w", c.Errorf(c.at(row), "%v is not a row of the array, which has %d, counted from 0", v, n))
		default:
			out[i] = int(v)
		}
	}
	return out, nil
}

// lengths of the sequences of an array; all steps without a file of lengths.
func (l *loader) lengths(path string, spec manifest.Modality, shape []int) ([]float32, error) {
	if spec.Lengths == "" {
		out := make([]float32, shape[0])
		fill(out, float32(shape[1]))
		return out, nil
	}
	out, dims, err := l.npy(path+".lengths", spec.Lengths)
	if err != nil {
		return nil, err
	}
	if len(dims) != 1 || dims[0] != shape[0] {
		return nil, l.manifest.Errorf(path+".lengths", "shape is %v, one length for each of %d rows is needed", dims, shape[0])
	}
	for i, n := range out {
		if !(n >= 0 && n <= float32(shape[1])) || n != float32(math.Trunc(float64(n))) {
			return nil, l.manifest.Errorf(path+".lengths", "length %d is %v, the array has %d steps", i, n, shape[1])
		}
	}
	return out, nil
}
