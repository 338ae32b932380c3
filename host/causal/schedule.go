package causal

import "math"

// never is the epoch of what a configuration does not do.
const never = math.MaxInt

// schedule holds the first epoch of everything that starts during training.
type schedule struct {
	lead   int // dual branch, split availability at the head: h is opened
	warmup int // the components' own objective and the strata, after the warm-up
	swap   int // dual branch: z_b swapped within the batch
	joint  int // dual branch: the joint head
}

// newSchedule lays the settings out over the epochs. The warm-up takes at most a
// third, so that a short training still has all its stages; the joint head has
// at least the last epoch.
func newSchedule(m *Missingness, d *DualBranch, epochs int) schedule {
	s := schedule{swap: never, joint: never}
	if m.stratified() {
		s.warmup = min(m.Warmup, epochs/3)
	}
	if d.Separates() && d.At == AtHead {
		s.lead = min(epochs-1, max(1, int(math.Round(d.Lead*float64(epochs)))))
	}
	if d == nil || d.Separates() || d.attends() {
		return s
	}
	if d.subtracts() {
		if d.SwapWeight > 0 {
			s.swap = max(s.warmup, int(math.Round(d.SwapStart*float64(epochs))))
		}
		return s
	}
	if d.swaps() {
		s.swap = max(s.warmup, int(math.Round(d.SwapStart*float64(epochs))))
	}
	if d.Predict == PredictMarginal || m.stratified() {
		s.joint = max(s.warmup, min(epochs-1, int(math.Round(d.JointStart*float64(epochs)))))
	}
	return s
}

// settled is the first epoch after which predictions have their final form.
func (s schedule) settled() int {
	last := max(s.warmup, s.lead)
	for _, epoch := range []int{s.swap, s.joint} {
		if epoch != never {
			last = max(last, epoch)
		}
	}
	return last
}
