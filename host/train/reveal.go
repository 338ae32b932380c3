package train

// reveal appends the availability mask to h, one column a modality, if the
// strategy asks for it.
func (r *Run) reveal(h []float32, availability []uint64) []float32 {
	if r.revealed == 0 {
		return h
	}
	width := r.cfg.Width
	out := make([]float32, 0, len(availability)*(width+r.revealed))
	for i, a := range availability {
		out = append(out, h[i*width:(i+1)*width]...)
		for m := range r.revealed {
			out = append(out, float32(a>>m&1))
		}
	}
	return out
}

// conceal drops the columns of the mask from a gradient: the mask is given.
func (r *Run) conceal(gradient []float32) []float32 {
	if r.revealed == 0 {
		return gradient
	}
	width := r.cfg.Width
	wide := width + r.revealed
	out := make([]float32, 0, len(gradient)/wide*width)
	for i := 0; i < len(gradient); i += wide {
		out = append(out, gradient[i:i+width]...)
	}
	return out
}
