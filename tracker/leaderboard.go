package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Rank is a cell of the view leaderboard.
type Rank struct {
	Dataset, Backbone, Variant string
	N                          int // seeds
	Mean, Low, High            float64
	Rank                       int // within the dataset, 1 is best
}

// Leaderboard reads the cells of a sweep by a metric of all rows of a test set, the
// best of each dataset first. Limits are NaN where there is one seed alone.
func (r Reader) Leaderboard(ctx context.Context, sweep Sweep, name, split string) ([]Rank, error) {
	const query = `select dataset, backbone, variant, n, mean, coalesce(lo, 'NaN'), coalesce(hi, 'NaN'), rank from leaderboard
		where owner = $1 and sweep = $2 and metric = $3 and split = $4 and grp = '' and lvl = '' order by dataset, rank, backbone, variant`
	rows, err := r.db.Query(ctx, query, sweep.Owner, sweep.Name, name, split)
	if err != nil {
		return nil, fmt.Errorf("read leaderboard of %s: %w", sweep.Name, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Rank])
	if err != nil {
		return nil, fmt.Errorf("read leaderboard of %s: %w", sweep.Name, err)
	}
	return out, nil
}
