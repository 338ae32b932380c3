package causal

import (
	"fmt"

	"github.com/deconfound/deconfound/sdk/nn"
)

// Branches returns z_c and z_b of representations [rows, Width], row after row;
// nil for a head without a dual branch. With the biased part in the representations
// they are its columns, else both have the shape of their input.
func (h *Head) Branches(representations []float32) (causal, biased []float32, err error) {
	width := h.cfg.Width
	if len(representations)%width != 0 {
		return nil, nil, fmt.Errorf("%d values for representations of width %d", len(representations), width)
	}
	if at := width - h.cfg.Biased; at < width {
		for from := 0; from < len(representations); from += width {
			causal = append(causal, representations[from:from+at]...)
			biased = append(biased, representations[from+at:from+width]...)
		}
		return causal, biased, nil
	}
	var split func(x *nn.Var) (c, b *nn.Var)
	switch n := h.network.(type) {
	case *branches:
		split = func(x *nn.Var) (c, b *nn.Var) { return branch(h.quiet, n.causal, x), branch(h.quiet, n.biased, x) }
	case *subtracted:
		split = func(x *nn.Var) (c, b *nn.Var) { return n.branches(h.quiet, x) }
	case *attended:
		split = func(x *nn.Var) (c, b *nn.Var) { return n.branches(h.quiet, x) }
	default:
		return nil, nil, nil
	}
	for from := 0; from < len(representations); from += refreshRows * width {
		chunk := representations[from:min(from+refreshRows*width, len(representations))]
		h.quiet.ResetForward()
		x := h.quiet.Const(len(chunk)/width, width, chunk)
		c, b := split(x)
		causal, biased = append(causal, c.Value...), append(biased, b.Value...)
	}
	return causal, biased, nil
}
