package sweeps

// Plan is a checked sweep: which cells, which trials in each, which seeds. It
// is a pure value; Next says which runs it takes.
type Plan struct {
	Name         string
	File         *File
	Cells        []CellPlan
	SearchSeed   int
	Seeds        []int // of the replicates
	Metric       Metric
	Analysis     Analysis
	AnalysisHash [32]byte
	// Hash identifies the plan: every cell, trial, seed and setting.
	Hash Hash
}

// CellPlan is one cell of a plan.
type CellPlan struct {
	Cell Cell
	// Trials are the distinct configurations in order of their number. A trial
	// that repeats an earlier one of its cell is left out: it would give the
	// same result to the last bit.
	Trials []Trial
	// Budget is the number of trials before repetitions were left out.
	Budget int
	// Searched is false when the sweep has no search; Trials then has one entry,
	// the fixed configuration.
	Searched bool
}

// Trial is one configuration of a cell.
type Trial struct {
	Number     int
	Parameters Settings
	// base is the run without phase and seeds.
	base RunSpec
}

// run returns the trial's run in a phase with the given seed.
func (t Trial) run(phase string, seed int) RunSpec {
	spec := t.base
	spec.Phase, spec.Trial, spec.SplitSeed, spec.InitSeed = phase, t.Number, seed, seed
	return spec
}

// trial returns the trial with the given number.
func (c CellPlan) trial(number int) (Trial, bool) {
	for _, t := range c.Trials {
		if t.Number == number {
			return t, true
		}
	}
	return Trial{}, false
}

// assignments returns the parameter values of each trial of a cell, before
// repetitions are left out. With no search there is one, of fixed values.
func assignments(search *Search, cell Cell, apply []*Distribution) []Settings {
	switch {
	case search == nil:
		return []Settings{fixedValues(apply)}
	case search.Method == "grid":
		return gridTrials(apply)
	}
	return randomTrials(search, cell, apply)
}

func fixedValues(apply []*Distribution) Settings {
	out := Settings{}
	for _, d := range apply {
		out[d.Name] = d.Values[0]
	}
	return out
}
