package web

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// Selection is which trial every selection rule would have chosen, as the command
// prints it.
type Selection struct {
	Text           string
	Means, Choices AuditTable
	Notes          []string
}

// selection is kept until something changes; nil where nothing was selected.
func (s *Server) selection(ctx context.Context, q Question) (*Selection, error) {
	if s.config.Selection == nil || q.Sweep.Imported() != "" {
		return nil, nil
	}
	return remember(s, fmt.Sprintf("selection %d %s", q.Sweep.ID, q.Metric), func() (*Selection, error) {
		found, ok, err := s.config.Selection(ctx, q)
		if err != nil || !ok {
			return nil, err
		}
		return &found, nil
	})
}

// subgroupRow is a row of the view paired: the difference to the baseline in a
// subgroup over matched seeds.
type subgroupRow struct {
	Dataset, Backbone, Variant, Group, Level string
	N                                        int
	Mean, Low, High                          float64
}

// subgroupMap is the differences on a dataset by level of the subgroups.
type subgroupMap struct {
	Dataset string
	Columns [][2]string // backbone and variant
	Rows    []subgroupLevel
}

type subgroupLevel struct {
	Group, Level string
	Cells        []subgroupCell
}

// subgroupCell is a difference with its shade, 0 (worse) to 8 (better); -1: there is
// none.
type subgroupCell struct {
	Difference, Low, High float64
	N, Shade              int
}

// subgroups reads the differences by subgroup, without patterns, which have a map of
// their own.
func (s *Server) subgroups(ctx context.Context, sweep tracker.Sweep, metric metricChoice) ([]subgroupMap, error) {
	key := fmt.Sprintf("subgroups %d %s", sweep.ID, metric.Key())
	return remember(s, key, func() ([]subgroupMap, error) {
		list, err := s.paired(ctx, sweep, metric, `grp not in ('', 'pattern') and lvl <> ''`)
		if err != nil {
			return nil, err
		}
		return newSubgroupMaps(list, metric.Minimize), nil
	})
}

func (s *Server) paired(ctx context.Context, sweep tracker.Sweep, metric metricChoice, condition string) ([]subgroupRow, error) {
	query := `select dataset, backbone, variant, grp, lvl, n, mean, coalesce(lo, 'NaN'), coalesce(hi, 'NaN') from paired
		where owner = $1 and sweep = $2 and metric = $3 and split = $4 and mean is not null and ` + condition + ` order by dataset, grp, lvl, backbone, variant`
	rows, err := s.config.Store.Pool().Query(ctx, query, sweep.Owner, sweep.Name, metric.Name, metric.Split)
	if err != nil {
		return nil, err
	}
	return pgx.CollectRows(rows, pgx.RowToStructByPos[subgroupRow])
}

func newSubgroupMaps(list []subgroupRow, minimize bool) []subgroupMap {
	var out []subgroupMap
	largest := 0.0
	for _, r := range list {
		if !math.IsNaN(r.Mean) {
			largest = max(largest, math.Abs(r.Mean))
		}
		if len(out) == 0 || out[len(out)-1].Dataset != r.Dataset {
			out = append(out, subgroupMap{Dataset: r.Dataset})
		}
		m := &out[len(out)-1]
		if column := [2]string{r.Backbone, r.Variant}; !slices.Contains(m.Columns, column) {
			m.Columns = append(m.Columns, column)
		}
	}
	for _, r := range list {
		m := &out[slices.IndexFunc(out, func(m subgroupMap) bool { return m.Dataset == r.Dataset })]
		if len(m.Rows) == 0 || m.Rows[len(m.Rows)-1].Group != r.Group || m.Rows[len(m.Rows)-1].Level != r.Level {
			level := subgroupLevel{Group: r.Group, Level: r.Level, Cells: make([]subgroupCell, len(m.Columns))}
			for k := range level.Cells {
				level.Cells[k].Shade = -1
			}
			m.Rows = append(m.Rows, level)
		}
		if math.IsNaN(r.Mean) {
			continue
		}
		gain := 0.0
		if largest > 0 {
			gain = r.Mean / largest * 4
		}
		if minimize {
			gain = -gain
		}
		k := slices.Index(m.Columns, [2]string{r.Backbone, r.Variant})
		m.Rows[len(m.Rows)-1].Cells[k] = subgroupCell{Difference: r.Mean, Low: r.Low, High: r.High, N: r.N, Shade: int(math.Round(4 + gain))}
	}
	return out
}
