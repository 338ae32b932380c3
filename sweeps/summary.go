package sweeps

import (
	"slices"
	"time"

	"github.com/deconfound/deconfound/sweeps/search"
)

// Summary is what a plan will cost.
type Summary struct {
	Cells      []CellSummary `json:"cells"`
	Search     int           `json:"search"`     // runs of the search
	Replicates int           `json:"replicates"` // runs of the replicates, if every cell finds a winner
	Runs       int           `json:"runs"`
	// Epochs of all runs: the most there can be, and what is expected; they differ
	// where the search stops trials early.
	WorstEpochs    int     `json:"worst_epochs"`
	ExpectedEpochs float64 `json:"expected_epochs"`
	// Equal reports whether every cell has the same tuning budget.
	Equal bool `json:"equal_budget"`
	// Measured is the number of cells whose time is known from earlier runs;
	// the others are taken to last as long as the median of those.
	Measured int `json:"measured_cells"`
	// Estimate is the wall time with the given number of workers; 0 when
	// nothing has been measured.
	Estimate time.Duration `json:"estimate_ns"`
}

// CellSummary is one row of the budget table.
type CellSummary struct {
	Cell       Cell `json:"cell"`
	Budget     int  `json:"budget"`   // trials
	Distinct   int  `json:"distinct"` // trials that differ
	Replicates int  `json:"replicates"`
	Runs       int  `json:"runs"`
	// WorstEpochs and ExpectedEpochs are those of all its runs.
	WorstEpochs    int     `json:"worst_epochs"`
	ExpectedEpochs float64 `json:"expected_epochs"`
	// RunTime is how long one run lasts; 0 when nothing is known.
	RunTime time.Duration `json:"run_ns"`
}

// Summarize counts the runs of a plan. measured holds the time that one run of
// a cell took before; it may be nil. workers is at least 1.
func (p *Plan) Summarize(measured map[Cell]time.Duration, workers int) Summary {
	s := Summary{Equal: true}
	var known []time.Duration
	for _, cell := range p.Cells {
		if d := measured[cell.Cell]; d > 0 {
			known = append(known, d)
		}
	}
	s.Measured = len(known)
	fallback := median(known)
	var total float64
	costs := costs{}
	for _, cell := range p.Cells {
		row := CellSummary{Cell: cell.Cell, Budget: cell.Budget, Distinct: len(cell.Trials), Replicates: len(p.Seeds), RunTime: measured[cell.Cell]}
		epochs := 0 // of a whole run
		for _, t := range cell.Trials {
			epochs = max(epochs, t.Base.Epochs)
			row.WorstEpochs += t.Base.Epochs
		}
		row.ExpectedEpochs = float64(row.WorstEpochs)
		if !cell.Searched {
			row.Budget, row.Distinct, row.WorstEpochs, row.ExpectedEpochs = 0, 0, 0, 0
		}
		if cell.Adaptive != nil {
			epochs = max(epochs, cell.Adaptive.Search.Epochs)
			cost := costs.of(cell)
			row.Distinct, row.WorstEpochs, row.ExpectedEpochs = cost.Trials, cost.Worst, cost.Expected
		}
		row.WorstEpochs += row.Replicates * epochs
		row.ExpectedEpochs += float64(row.Replicates * epochs)
		if row.RunTime <= 0 {
			row.RunTime = fallback
		}
		row.Runs = row.Distinct + row.Replicates
		s.Search += row.Distinct
		s.Replicates += row.Replicates
		s.Runs += row.Runs
		s.WorstEpochs += row.WorstEpochs
		s.ExpectedEpochs += row.ExpectedEpochs
		if worst := float64(row.WorstEpochs); worst > 0 {
			total += float64(row.Runs) * float64(row.RunTime) * row.ExpectedEpochs / worst
		}
		s.Equal = s.Equal && row.Budget == p.Cells[0].budget()
		s.Cells = append(s.Cells, row)
	}
	s.Estimate = time.Duration(total / float64(max(1, workers)))
	return s
}

// costs remembers what searches take: most cells differ in nothing that matters.
type costs map[costKey]search.Cost

type costKey struct {
	trials, epochs int
	stop           search.Stop
}

func (c costs) of(cell CellPlan) search.Cost {
	config := cell.Adaptive.Search
	key := costKey{trials: cell.Budget, epochs: config.Epochs}
	if config.Stop != nil {
		key.stop = *config.Stop
	}
	if config.Method != "tpe" && config.Method != search.Outside {
		key.trials = len(cell.Trials) // without repetitions
	}
	if known, ok := c[key]; ok {
		return known
	}
	cost, err := search.CostOf(key.trials, config.Epochs, config.Stop)
	if err != nil { // it could not have been compiled
		cost = search.Cost{Trials: key.trials, Worst: key.trials * key.epochs, Expected: float64(key.trials * key.epochs)}
	}
	c[key] = cost
	return cost
}

func (c CellPlan) budget() int {
	if !c.Searched {
		return 0
	}
	return c.Budget
}

func median(ds []time.Duration) time.Duration {
	if len(ds) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(ds))
	n := len(sorted)
	return (sorted[(n-1)/2] + sorted[n/2]) / 2
}
