package search

import (
	"slices"
	"sort"
)

// asha is the asynchronous successive halving algorithm in its promotion form
// (Li et al., "A system for massively parallel hyperparameter tuning", MLSys
// 2020, algorithm 2): whenever a rung has n results, the best n/eta of them that
// have not been promoted yet go on to the next rung, from their checkpoints.
//
// A rung takes its results in the order in which the trials entered it, and one
// that comes too early waits. The promotions are then the same whatever the
// order of arrival; with one worker they are those of the paper. Two further
// rules: a trial that can no longer be among the best of the first rung is
// pruned at once, and when a rung is complete, at least its best trial goes on,
// so that a small search ends with a model that was trained to its end.
//
// A trial that failed counts as the worst, so that every cell spends the same. A
// trial that ended before its rung (patience) stands at this and every later rung
// with its final value, and goes up without being trained.
type asha struct {
	Rungs []rung `json:"rungs"`

	eta int
}

// rung is one decision point; the fields are numbers of trials.
type rung struct {
	Entered  []int `json:"entered"`
	Taken    int   `json:"taken"`    // results taken, of Entered
	Ranked   []int `json:"ranked"`   // those taken, the best first
	Promoted []int `json:"promoted"` // sorted
}

func newASHA(eta, rungs int) *asha { return &asha{Rungs: make([]rung, rungs), eta: eta} }

func (a *asha) created(_ *Machine, t *Trial) {
	a.Rungs[0].Entered = append(a.Rungs[0].Entered, t.Number)
}

// at is the value of a trial at a rung; known is false while it is awaited.
func (a *asha) at(m *Machine, trial, rung int) (value float64, known bool) {
	t := m.trials[trial]
	switch {
	case len(t.Reports) > rung:
		return float64(t.Reports[rung].Value), true
	case t.State == Done || t.State == Failed:
		return float64(t.Value), true // NaN, the worst, if it failed
	}
	return 0, false
}

// seen ranks a trial anew that failed before and now has a value.
func (a *asha) seen(m *Machine, t *Trial) {
	for i := range a.Rungs {
		r := &a.Rungs[i]
		if at := slices.Index(r.Ranked, t.Number); at >= 0 {
			r.Ranked = slices.Delete(r.Ranked, at, at+1)
			a.rank(m, i, t.Number)
		}
	}
}

// rank puts a trial among those of a rung; of equal ones the earlier is better.
func (a *asha) rank(m *Machine, i, trial int) {
	r := &a.Rungs[i]
	value, _ := a.at(m, trial, i)
	place := sort.Search(len(r.Ranked), func(j int) bool {
		other, _ := a.at(m, r.Ranked[j], i)
		return m.better(value, other) || !m.better(other, value) && r.Ranked[j] > trial
	})
	r.Ranked = slices.Insert(r.Ranked, place, trial)
}

func (a *asha) decide(m *Machine) []verdict {
	var out []verdict
	complete := len(m.trials) >= m.sampler.total() // nothing more enters the rung
	for i := range a.Rungs {
		r := &a.Rungs[i]
		for r.Taken < len(r.Entered) {
			trial := r.Entered[r.Taken]
			if _, known := a.at(m, trial, i); !known {
				break
			}
			r.Taken++
			a.rank(m, i, trial)
			out = append(out, a.promote(m, i, r.Taken/a.eta)...)
		}
		complete = complete && r.Taken == len(r.Entered)
		if complete {
			out = append(out, a.promote(m, i, max(1, r.Taken/a.eta))...)
		} else { // one that was tried again may have come up
			out = append(out, a.promote(m, i, r.Taken/a.eta)...)
		}
		keep := len(r.Ranked) // this many may still be promoted
		switch {
		case complete:
			keep = 0
		case i == 0:
			keep = max(1, m.sampler.total()/a.eta)
		}
		for _, trial := range r.Ranked[min(keep, len(r.Ranked)):] {
			if m.trials[trial].State == Waiting && !a.promoted(i, trial) {
				out = append(out, verdict{trial: trial})
				m.trials[trial].State = Pruned
			}
		}
	}
	return out
}

func (a *asha) promoted(i, trial int) bool {
	_, found := slices.BinarySearch(a.Rungs[i].Promoted, trial)
	return found
}

// promote lets the best n trials of a rung go on.
func (a *asha) promote(m *Machine, i, n int) []verdict {
	var out []verdict
	r := &a.Rungs[i]
	for _, trial := range r.Ranked[:min(n, len(r.Ranked))] {
		t := m.trials[trial]
		if a.promoted(i, trial) || t.State == Failed || t.State == Pruned {
			continue
		}
		at, _ := slices.BinarySearch(r.Promoted, trial)
		r.Promoted = slices.Insert(r.Promoted, at, trial)
		if i+1 < len(a.Rungs) {
			a.Rungs[i+1].Entered = append(a.Rungs[i+1].Entered, trial)
		}
		if t.State == Waiting {
			t.State, t.Until = Training, m.next(m.rungs[i])
			out = append(out, verdict{trial: trial, until: t.Until})
		}
	}
	return out
}
