package search

import (
	"bytes"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
)

// Objective is the selection value of a point after a number of epochs.
type Objective func(p Point, epoch int) float64

// Simulation runs a machine against a function, with workers that work at random
// speeds, lose slices and crash. The zero value is one faultless worker.
type Simulation struct {
	Workers int    // 0: one
	Seed    uint64 // of speeds and faults; the machine has its own
	// Lost is the share of slices that a dying worker loses, which are trained
	// again; Crash the share in which the trial fails for good.
	Lost, Crash float64
	// Restore writes the machine as JSON and reads it back between any two events.
	Restore bool
	// Propose answers what method Outside asks; one that the constraints refuse is
	// asked again.
	Propose func(Ask) map[string]any
}

// Simulated is how a simulation has ended.
type Simulated struct {
	Machine *Machine
	Log     []Decision
	Epochs  int     // trained, without what was lost
	Wasted  int     // epochs of lost slices
	Time    float64 // until the last event, an epoch of one worker being 1 on average
}

// job is a stretch of a trial that waits for a worker.
type job struct {
	trial, until int
	first        bool // of its trial: others go first
}

// event in flight: a worker is at it.
type flight struct {
	job
	end float64
}

// Simulate runs a search to its end.
func Simulate(config Config, f Objective, s Simulation) (*Simulated, error) {
	m, err := New(config)
	if err != nil {
		return nil, err
	}
	out := &Simulated{Machine: m}
	rng := rand.New(rand.NewPCG(s.Seed, 0))
	epoch := map[int]int{} // trained, by trial
	curve := map[int][]float64{}
	var queue []job
	var flights []flight
	handle := func(e Event) error {
		if s.Restore {
			if err := out.restore(); err != nil {
				return err
			}
		}
		actions, err := out.Machine.Handle(e)
		if err != nil {
			return err
		}
		out.Log = append(out.Log, Decision{e, actions})
		for _, a := range actions {
			if a.Kind != Prune {
				queue = append(queue, job{a.Trial, a.Until, a.Kind == Create})
			}
		}
		return nil
	}
	propose := func() error {
		for {
			ask, wanted := out.Machine.Ask()
			if !wanted {
				return nil
			}
			p, allowed, err := out.Machine.Judge(s.Propose(ask))
			for err == nil && !allowed {
				ask.Refused = append(ask.Refused, p)
				p, allowed, err = out.Machine.Judge(s.Propose(ask))
			}
			if err != nil {
				return err
			}
			if err := handle(Offer(ask.Number, p)); err != nil {
				return err
			}
		}
	}
	if err := handle(Event{Kind: Start}); err != nil {
		return nil, err
	}
	if err := propose(); err != nil {
		return nil, err
	}
	for len(queue)+len(flights) > 0 {
		for len(queue) > 0 && len(flights) < max(1, s.Workers) {
			next := max(0, slices.IndexFunc(queue, func(j job) bool { return !j.first }))
			j := queue[next]
			queue = slices.Delete(queue, next, next+1)
			speed := 0.5 + rng.Float64()
			flights = append(flights, flight{j, out.Time + float64(j.until-epoch[j.trial])*speed})
		}
		first := 0
		for i := range flights {
			if flights[i].end < flights[first].end {
				first = i
			}
		}
		j := flights[first]
		flights = slices.Delete(flights, first, first+1)
		out.Time = j.end
		trained := j.until - epoch[j.trial]
		switch u := rng.Float64(); {
		case u < s.Lost:
			out.Wasted += trained
			queue = append(queue, j.job)
			continue
		case u < s.Lost+s.Crash:
			out.Wasted += trained
			if err := handle(Event{Kind: Fail, Trial: j.trial, Value: nan, Best: nan, Mean: nan}); err != nil {
				return nil, err
			}
			if err := propose(); err != nil {
				return nil, err
			}
			continue
		}
		out.Epochs += trained
		point := out.Machine.trials[j.trial].Point
		for e := epoch[j.trial] + 1; e <= j.until; e++ {
			curve[j.trial] = append(curve[j.trial], f(point, e))
		}
		epoch[j.trial] = j.until
		if err := handle(summarize(out.Machine, j.trial, j.until, curve[j.trial])); err != nil {
			return nil, err
		}
		if err := propose(); err != nil {
			return nil, err
		}
	}
	return out, nil
}

var nan = Number(math.NaN())

// summarize is the event of a trial that has trained until an epoch with the
// given values, one for each epoch.
func summarize(m *Machine, trial, until int, curve []float64) Event {
	e := NewReport(trial, until, curve, m.config.Goal)
	if until >= m.config.Epochs {
		return Event{Kind: End, Trial: trial, Epoch: until, Value: e.Best, Best: nan, Mean: nan}
	}
	return e
}

// NewReport is the report of a trial after an epoch; curve holds the values of
// the epochs until then, NaN where they are not defined.
func NewReport(trial, epoch int, curve []float64, goal string) Event {
	e := Event{Kind: Report, Trial: trial, Epoch: epoch, Value: nan, Best: nan, Mean: nan}
	sum, n := 0.0, 0
	for _, v := range curve {
		if math.IsNaN(v) {
			continue
		}
		sum, n = sum+v, n+1
		if e.Best.nan() || goal == "maximize" && v > float64(e.Best) || goal != "maximize" && v < float64(e.Best) {
			e.Best = Number(v)
		}
	}
	if n > 0 {
		e.Mean = Number(sum / float64(n))
	}
	if len(curve) > 0 {
		e.Value = Number(curve[len(curve)-1])
	}
	return e
}

// restore replaces the machine by what its JSON says.
func (s *Simulated) restore() error {
	text, err := s.Machine.Snapshot()
	if err != nil {
		return err
	}
	restored, err := Restore(s.Machine.config, text)
	if err != nil {
		return err
	}
	again, err := restored.Snapshot()
	if err != nil {
		return err
	}
	if !bytes.Equal(text, again) {
		return fmt.Errorf("the snapshot of a restored machine differs: %s, was %s", again, text)
	}
	s.Machine = restored
	return nil
}
