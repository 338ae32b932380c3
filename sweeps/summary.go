package sweeps

import (
	"slices"
	"time"
)

// Summary is what a plan will cost.
type Summary struct {
	Cells      []CellSummary `json:"cells"`
	Search     int           `json:"search"`     // runs of the search
	Replicates int           `json:"replicates"` // runs of the replicates, if every cell finds a winner
	Runs       int           `json:"runs"`
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
	var total time.Duration
	for _, cell := range p.Cells {
		row := CellSummary{Cell: cell.Cell, Budget: cell.Budget, Distinct: len(cell.Trials), Replicates: len(p.Seeds), RunTime: measured[cell.Cell]}
		if !cell.Searched {
			row.Budget, row.Distinct = 0, 0
		}
		if row.RunTime <= 0 {
			row.RunTime = fallback
		}
		row.Runs = row.Distinct + row.Replicates
		s.Search += row.Distinct
		s.Replicates += row.Replicates
		s.Runs += row.Runs
		total += time.Duration(row.Runs) * row.RunTime
		s.Equal = s.Equal && row.Budget == p.Cells[0].budget()
		s.Cells = append(s.Cells, row)
	}
	s.Estimate = total / time.Duration(max(1, workers))
	return s
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
