package sdk

import "context"

// Mixer is a session of a strategy with [Capabilities].Mixes: it mixes the rows of
// training batches. What is mixed is h, after fusion, so that a modality that one
// of two rows lacks is never mixed with values, no backbone learns of it, and every
// backbone can be used.
type Mixer interface {
	StrategySession
	// Mix draws partners for the rows of a batch, keyed by the session's seed and
	// the step.
	Mix(context.Context, MixRequest, *MixResponse) error
}

// MixRequest shows the B rows of a training batch before the head sees them.
type MixRequest struct {
	// Rows are positions in the training split.
	Rows []int32
	// Labels are [B * Task.LabelWidth()].
	Labels []float32
	// Availability is the data's own, one mask per row.
	Availability []uint64
	// Groups has one group number per row, or is nil.
	Groups []int32
	Step   uint64
}

// MixResponse says what is mixed. With s = Share[i] and j = Partner[i] the head
// sees
//
//	h'_i = s h_i + (1 - s) h_j
//
// and the loss of row i is s loss(h'_i, y_i) + (1 - s) loss(h'_i, y_j), each with
// the stratum of the row whose label it is. The Objective that follows has 2B rows:
// those of the batch, then their partners, row B+i with h'_i, the label, the group
// and the availability of row j; its weights are multiplied by s and 1-s.
type MixResponse struct {
	// Partner is a place in the batch for each row, which may be the row's own.
	Partner []int32
	// Share is what each row keeps of itself, from 0 to 1.
	Share []float32
}

// Check refuses an answer for another number of rows, with code bad_shape.
func (r MixResponse) Check(rows int) error {
	if len(r.Partner) != rows || len(r.Share) != rows {
		return Errorf(CodeBadShape, "%d partners and %d shares for %d rows", len(r.Partner), len(r.Share), rows)
	}
	for i, j := range r.Partner {
		if j < 0 || int(j) >= rows {
			return Errorf(CodeBadShape, "the partner of batch row %d is %d of %d", i, j, rows)
		}
		if s := r.Share[i]; !(s >= 0 && s <= 1) {
			return Errorf(CodeBadShape, "batch row %d keeps the share %v of itself, it must be from 0 to 1", i, s)
		}
	}
	return nil
}

// Mixed are the rows of the mixed batch, [2B, width], of x, [B, width]: h' twice.
func (r MixResponse) Mixed(x []float32, width int) []float32 {
	n := len(r.Partner) * width
	out := make([]float32, 2*n)
	for i, j := range r.Partner {
		share := r.Share[i]
		own, other, to := x[i*width:(i+1)*width], x[int(j)*width:(int(j)+1)*width], out[i*width:(i+1)*width]
		for k := range to {
			to[k] = share*own[k] + (1-share)*other[k]
		}
	}
	copy(out[n:], out[:n])
	return out
}

// Unmixed takes a gradient with respect to the rows of the mixed batch, [2B, width],
// back to those of the batch, [B, width].
func (r MixResponse) Unmixed(gradient []float32, width int) []float32 {
	n := len(r.Partner) * width
	out := make([]float32, n)
	for i, j := range r.Partner {
		share := r.Share[i]
		own, other := out[i*width:(i+1)*width], out[int(j)*width:(int(j)+1)*width]
		for k := range own {
			g := gradient[i*width+k] + gradient[n+i*width+k]
			own[k] += share * g
			other[k] += (1 - share) * g
		}
	}
	return out
}

// Halves are the weights of the rows of the mixed batch, [2B]: shares, times weights
// [2B] unless they are nil.
func (r MixResponse) Halves(weights []float32) []float32 {
	n := len(r.Share)
	out := make([]float32, 2*n)
	for i, share := range r.Share {
		out[i], out[n+i] = share, 1-share
	}
	for i, w := range weights {
		out[i] *= w
	}
	return out
}

// Doubled are values of the rows of the mixed batch, width a row: those of the batch,
// then those of the partners.
func Doubled[T any](values []T, width int, partner []int32) []T {
	out := append(make([]T, 0, 2*len(values)), values...)
	for _, j := range partner {
		out = append(out, values[int(j)*width:(int(j)+1)*width]...)
	}
	return out
}
