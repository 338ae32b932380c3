package web

import (
	"cmp"
	"context"
	"encoding/json"
	"math"
	"slices"

	"github.com/jackc/pgx/v5"
	"gonum.org/v1/gonum/stat"
)

// fewestTrials is below which a cell says nothing about a setting.
const fewestTrials = 5

// importance is how a setting of the search goes with the validation metric: the mean
// over cells of Spearman's rank correlation among a cell's trials. It sees monotone
// effects of one setting at a time, no interactions.
type importance struct {
	Parameter   string
	Correlation float64
	Strength    float64 // mean absolute correlation, by which settings are ordered
	Cells       int
	Trials      int
	Bar         intervalBar
}

// trialResult is a trial that is done.
type trialResult struct {
	Dataset, Backbone, Variant string
	Parameters                 []byte // JSON
	Value                      float64
}

func (s *Server) importances(ctx context.Context, sweep int64, metric string) ([]importance, error) {
	const query = `select d.name, r.backbone, r.variant, coalesce(r.spec->'parameters', '{}')::text::bytea, z.value
		from run r join dataset d using (dataset_id) join result z using (run_id) join metric m using (metric_id)
		where r.sweep_id = $1 and r.phase = 'search' and r.planned and r.state = 'done' and m.name = $2 and m.split = 'val' and m.grp = '' and z.value is not null
		order by 1, 2, 3, r.trial, r.run_id`
	rows, err := s.config.Store.Pool().Query(ctx, query, sweep, metric)
	if err != nil {
		return nil, err
	}
	trials, err := pgx.CollectRows(rows, pgx.RowToStructByPos[trialResult])
	if err != nil {
		return nil, err
	}
	return rankSettings(trials), nil
}

// rankSettings orders the numeric settings by how closely the metric follows them.
func rankSettings(trials []trialResult) []importance {
	type cell struct{ dataset, backbone, variant string }
	type points struct{ x, y []float64 }
	found := map[string]map[cell]*points{}
	for _, t := range trials {
		var settings map[string]any
		if json.Unmarshal(t.Parameters, &settings) != nil || math.IsNaN(t.Value) {
			continue
		}
		for name, value := range settings {
			x, ok := value.(float64)
			if !ok {
				continue
			}
			if found[name] == nil {
				found[name] = map[cell]*points{}
			}
			at := cell{t.Dataset, t.Backbone, t.Variant}
			if found[name][at] == nil {
				found[name][at] = &points{}
			}
			p := found[name][at]
			p.x, p.y = append(p.x, x), append(p.y, t.Value)
		}
	}
	var out []importance
	for name, cells := range found {
		i := importance{Parameter: name}
		var all []float64
		for _, p := range cells {
			if len(p.x) < fewestTrials {
				continue
			}
			if rho := stat.Correlation(ranksOf(p.x), ranksOf(p.y), nil); !math.IsNaN(rho) {
				all = append(all, rho)
				i.Cells, i.Trials = i.Cells+1, i.Trials+len(p.x)
			}
		}
		if i.Cells == 0 {
			continue
		}
		slices.Sort(all) // so that the sum does not depend on the order of cells
		for _, rho := range all {
			i.Correlation += rho / float64(len(all))
			i.Strength += math.Abs(rho) / float64(len(all))
		}
		i.Bar = newIntervalBar(newScale(-1, 1), i.Correlation, math.Min(i.Correlation, 0), math.Max(i.Correlation, 0))
		out = append(out, i)
	}
	slices.SortFunc(out, func(a, b importance) int {
		return cmp.Or(cmp.Compare(b.Strength, a.Strength), cmp.Compare(a.Parameter, b.Parameter))
	})
	return out
}

// ranksOf are mid-ranks.
func ranksOf(values []float64) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		below, same := 0, 0
		for _, w := range values {
			if w < v {
				below++
			} else if w == v {
				same++
			}
		}
		out[i] = float64(below) + float64(same+1)/2
	}
	return out
}
