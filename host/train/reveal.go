package train

// beside is the number of columns that the head sees beside h: the mask, if the
// strategy asks for it, and the biased part b.
func (r *Run) beside() int {
	if r.separation == nil {
		return r.revealed
	}
	return r.revealed + r.separation.width
}

// reveal completes representations of rows to what the head sees: [h; mask; b].
// The mask is the availability that the backbone was shown, b is read off what
// the row was observed with.
func (r *Run) reveal(h []float32, rows []int32, shown, observed []uint64) []float32 {
	if r.beside() == 0 {
		return h
	}
	width, b := r.cfg.Width, r.separation.of(rows, observed)
	out := make([]float32, 0, len(rows)*(width+r.beside()))
	for i, a := range shown {
		out = append(out, h[i*width:(i+1)*width]...)
		for m := range r.revealed {
			out = append(out, float32(a>>m&1))
		}
		if b != nil {
			out = append(out, b[i*r.separation.width:(i+1)*r.separation.width]...)
		}
	}
	return out
}

// conceal drops the columns beside h from a gradient: they are given.
func (r *Run) conceal(gradient []float32) []float32 {
	if r.beside() == 0 {
		return gradient
	}
	width := r.cfg.Width
	wide := width + r.beside()
	out := make([]float32, 0, len(gradient)/wide*width)
	for i := 0; i < len(gradient); i += wide {
		out = append(out, gradient[i:i+width]...)
	}
	return out
}
