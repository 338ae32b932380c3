package search

import "slices"

// median is the median stopping rule (Golovin et al., "Google Vizier: A service
// for black-box optimization", KDD 2017, section 3.2.2): a trial is stopped at an
// epoch if its best value until then is worse than the median of the running
// averages, until the same epoch, of the other trials.
//
// The other trials are those with lower numbers, which the trial waits for if
// need be; so the decisions are the same whatever the order of arrival. Those
// that were stopped or failed before the epoch have no say.
type median struct {
	startup int
}

func (*median) created(*Machine, *Trial) {}
func (*median) seen(*Machine, *Trial)    {}

func (r *median) decide(m *Machine) []verdict {
	var out []verdict
	for _, t := range m.trials {
		if t.State != Waiting {
			continue
		}
		rung := len(t.Reports) - 1
		others, known := r.others(m, t.Number, rung)
		if !known {
			continue
		}
		v := verdict{trial: t.Number, until: m.next(t.Until)}
		if len(others) >= r.startup && m.loss(float64(t.Reports[rung].Best)) > middle(others) {
			v.until = 0
		}
		out = append(out, v)
		if v.until == 0 {
			t.State = Pruned // others in this loop must know
		} else {
			t.State, t.Until = Training, v.until
		}
	}
	return out
}

// others are the mean losses of the lower-numbered trials at a rung; known is
// false while one of them is awaited.
func (r *median) others(m *Machine, number, rung int) (losses []float64, known bool) {
	for _, o := range m.trials[:number] {
		switch {
		case len(o.Reports) > rung:
			losses = append(losses, m.loss(float64(o.Reports[rung].Mean)))
		case !o.ended():
			return nil, false
		}
	}
	return losses, true
}

// middle is the median.
func middle(values []float64) float64 {
	sorted := slices.Sorted(slices.Values(values))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
