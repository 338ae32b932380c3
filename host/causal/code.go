package causal

import "github.com/deconfound/deconfound/sdk/nn"

// codes returns S [K, codeWidth], what the classifier is told of each stratum;
// zero until the dictionary is built.
func (d *dictionary) codes() []float32 {
	width := d.codeWidth()
	out := make([]float32, d.size*width)
	if !d.built {
		return out
	}
	for k := range d.size {
		row := out[k*width : (k+1)*width]
		if d.settings.Code != Prototype {
			row[k] = 1
			row = row[d.size:]
		}
		if d.settings.Code != OneHot {
			copy(row, d.z[k*d.width:(k+1)*d.width])
		}
	}
	return out
}

func (d *dictionary) codeWidth() int {
	switch d.settings.Code {
	case OneHot:
		return d.size
	case Prototype:
		return d.width
	}
	return d.size + d.width
}

// code returns the codes of training rows by position, [rows, codeWidth].
func (d *dictionary) code(t *nn.Tape, positions []int32) *nn.Var {
	own := make([]int32, len(positions))
	for i, p := range positions {
		own[i] = d.own[p]
	}
	return t.Gather(t.Const(d.size, d.codeWidth(), d.codes()), own)
}
