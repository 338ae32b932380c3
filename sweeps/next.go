package sweeps

import (
	"math"

	"github.com/deconfound/deconfound/tracker"
)

// Result is what is known of a run.
type Result struct {
	State tracker.State
	// Value is the selection metric on validation rows; NaN when it is not
	// defined. It counts only if State is tracker.Done.
	Value float64
}

// Winner is the trial chosen in a cell.
type Winner struct {
	Cell  Cell
	Trial int
	Value float64
}

// Next returns the runs that should exist now: all of the search that is decided,
// and the replicates of each cell whose search has ended. It depends on nothing
// but its arguments and how far the plan's adaptive searches have come, so calling
// it again, in any order of events, adds nothing.
func (p *Plan) Next(results map[Hash]Result) ([]RunSpec, error) {
	var out []RunSpec
	for _, cell := range p.Cells {
		if cell.Searched {
			for _, t := range cell.trials() {
				out = append(out, t.run(PhaseSearch, p.SearchSeed))
			}
		}
	}
	for _, cell := range p.Cells {
		number := 0
		if cell.Searched {
			winner, settled, err := p.winner(cell, results)
			if err != nil {
				return nil, err
			}
			if !settled || winner == nil {
				continue
			}
			number = winner.Trial
		}
		if t, ok := cell.trial(number); ok {
			for _, seed := range p.Seeds {
				out = append(out, t.run(PhaseReplicate, seed))
			}
		}
	}
	return out, nil
}

// Known are the runs that exist before anything was trained, and for each cell that
// has none then, because a plugin proposes them, one without the trial's parameters.
func (p *Plan) Known() ([]RunSpec, error) {
	specs, err := p.Next(nil)
	if err != nil {
		return nil, err
	}
	for _, cell := range p.Cells {
		if len(cell.Trials) == 0 {
			specs = append(specs, Trial{Base: cell.Base()}.run(PhaseSearch, p.SearchSeed))
		}
	}
	return specs, nil
}

// Winners returns the chosen trial of each cell whose search has ended. A cell
// without one had no trial with a defined selection metric.
func (p *Plan) Winners(results map[Hash]Result) ([]Winner, error) {
	var out []Winner
	for _, cell := range p.Cells {
		if !cell.Searched {
			continue
		}
		winner, _, err := p.winner(cell, results)
		if err != nil {
			return nil, err
		}
		if winner != nil {
			out = append(out, *winner)
		}
	}
	return out, nil
}

// winner applies the selection rule once every trial of the cell has ended:
// only runs that are done count (those that an early stop pruned are not), NaN
// never wins, ties go to the lower number.
func (p *Plan) winner(cell CellPlan, results map[Hash]Result) (best *Winner, settled bool, err error) {
	if cell.Adaptive != nil && (cell.machine == nil || !cell.machine.Finished()) {
		return nil, false, nil
	}
	for _, t := range cell.trials() {
		hash, err := t.run(PhaseSearch, p.SearchSeed).Hash()
		if err != nil {
			return nil, false, err
		}
		result, ok := results[hash]
		if !ok || !result.State.Ended() {
			return nil, false, nil
		}
		if result.State != tracker.Done || math.IsNaN(result.Value) {
			continue
		}
		if best == nil || better(p.Metric.SelectGoal, result.Value, best.Value) {
			best = &Winner{Cell: cell.Cell, Trial: t.Number, Value: result.Value}
		}
	}
	return best, true, nil
}
