package causal

import "github.com/deconfound/deconfound/sdk/rng"

// maskDraws is how often an empty intersection is drawn again.
const maskDraws = 10

// Availability returns what the backbone should see of training rows: with
// mask_do, each row's own availability intersected with that of a training row
// drawn at random (an intervention on the pattern, drawn from its marginal). An
// empty intersection is drawn again, and after ten times the row keeps its own.
// Without mask_do it returns availability itself.
func (h *Head) Availability(availability []uint64, step uint64) []uint64 {
	if !h.cfg.Missingness.samplesMasks() {
		return availability
	}
	r := rng.Stream(h.cfg.Seed, "mask_do", step)
	out := make([]uint64, len(availability))
	for i, own := range availability {
		out[i] = own
		for range maskDraws {
			if drawn := own & h.training.Availability[r.IntN(len(h.training.Availability))]; drawn != 0 {
				out[i] = drawn
				break
			}
		}
	}
	return out
}
