package sweeps

import (
	"time"

	"github.com/deconfound/deconfound/sweeps/search"
)

// Plan is a checked sweep: which cells, which trials in each, which seeds. It
// is a pure value, complete in itself; Next says which runs it takes. Its JSON
// is stored with the sweep, so that any worker can go on without the file and
// without a catalog.
type Plan struct {
	Name         string        `json:"name"`
	Cells        []CellPlan    `json:"cells"`
	SearchSeed   int           `json:"search_seed"`
	Seeds        []int         `json:"seeds"` // of the replicates
	Metric       Metric        `json:"metric"`
	Analysis     Analysis      `json:"analysis"`
	AnalysisHash Hash          `json:"analysis_hash"`
	Retry        RetryPolicy   `json:"retry"`
	Slice        time.Duration `json:"slice_ns"`
	Budget       Budget        `json:"budget,omitzero"`
	Requires     Requires      `json:"requires,omitzero"`
	// Contract is that of the program that made the plan; 0 is 1.
	Contract int `json:"contract,omitzero"`
	// Hash identifies the plan: every cell, trial, seed and setting. How runs
	// are distributed (Retry, Slice, Budget, Requires) is no part of it.
	Hash Hash `json:"hash"`
	// File is what the plan was compiled from; nil when it was read back.
	File *File `json:"-"`
}

// CellPlan is one cell of a plan.
type CellPlan struct {
	Cell Cell `json:"cell"`
	// Trials are the distinct configurations in order of their number. A trial
	// that repeats an earlier one of its cell is left out: it would give the
	// same result to the last bit.
	Trials []Trial `json:"trials"`
	// Budget is the number of trials before repetitions were left out.
	Budget int `json:"budget"`
	// Searched is false when the sweep has no search; Trials then has one entry,
	// the fixed configuration.
	Searched bool `json:"searched"`
	// Adaptive is the search whose trials depend on results (tpe, a plugin, or an
	// early stop), with what a trial is made of; nil otherwise. Trials then holds only
	// those that can be named beforehand.
	Adaptive *Adaptive `json:"adaptive,omitempty"`

	machine *search.Machine // of Adaptive, as far as it has come; nil before
}

// Adaptive is a search that goes on while its trials are trained.
type Adaptive struct {
	Search   search.Config `json:"search"`
	Template RunSpec       `json:"template"` // a trial without its parameters
}

// trial returns the trial with the given configuration.
func (a *Adaptive) trial(t *search.Trial) Trial {
	return Trial{Number: t.Number, Base: a.Template.with(Settings(t.Point))}
}

// Trial is one configuration of a cell: a run without phase and seeds.
type Trial struct {
	Number int     `json:"number"`
	Base   RunSpec `json:"base"`
}

// run returns the trial's run in a phase with the given seed.
func (t Trial) run(phase string, seed int) RunSpec {
	spec := t.Base
	spec.Phase, spec.Trial, spec.SplitSeed, spec.InitSeed = phase, t.Number, seed, seed
	return spec
}

// Base is a run of the cell whose parameters and seeds say nothing: that of its first
// trial, or of none where a plugin is yet to propose them.
func (c CellPlan) Base() RunSpec {
	if len(c.Trials) == 0 && c.Adaptive != nil {
		return c.Adaptive.Template
	}
	return c.Trials[0].Base
}

// trials are those that exist by now: all, unless the search is adaptive.
func (c CellPlan) trials() []Trial {
	if c.machine == nil {
		return c.Trials
	}
	var out []Trial
	for _, t := range c.machine.Trials() {
		if c.trains(t) {
			out = append(out, c.Adaptive.trial(t))
		}
	}
	return out
}

// trains reports whether a trial of an adaptive search has a run of its own.
func (c CellPlan) trains(t *search.Trial) bool { return t.State != search.Repeat && t.Point != nil }

// trial returns the trial with the given number.
func (c CellPlan) trial(number int) (Trial, bool) {
	if c.machine != nil {
		if all := c.machine.Trials(); number < len(all) && c.trains(all[number]) {
			return c.Adaptive.trial(all[number]), true
		}
		return Trial{}, false
	}
	for _, t := range c.Trials {
		if t.Number == number {
			return t, true
		}
	}
	return Trial{}, false
}

// at returns the trial at a place: its number if the search is adaptive, else that
// in Trials. The place must be that of a trial which is trained.
func (c CellPlan) at(place int) Trial {
	if c.machine != nil {
		return c.Adaptive.trial(c.machine.Trials()[place])
	}
	return c.Trials[place]
}
