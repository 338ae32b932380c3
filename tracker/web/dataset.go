package web

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// sweepDataset is a dataset that runs of a sweep are on.
type sweepDataset struct {
	Name, Hash string
}

// datasets are those of a sweep's planned runs; of several contents under a name
// the newest.
func (s *Server) datasets(ctx context.Context, sweep int64) ([]sweepDataset, error) {
	return remember(s, fmt.Sprintf("datasets %d", sweep), func() ([]sweepDataset, error) {
		const query = `select distinct on (d.name) d.name, d.hash from (select dataset_id, max(run_id) as newest from run where sweep_id = $1 and planned group by 1) r
			join dataset d using (dataset_id) order by d.name, r.newest desc`
		rows, err := s.config.Store.Pool().Query(ctx, query, sweep)
		if err != nil {
			return nil, err
		}
		return pgx.CollectRows(rows, pgx.RowToStructByPos[sweepDataset])
	})
}
