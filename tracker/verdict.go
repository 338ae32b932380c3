package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// VerdictCount says what a diagnostic came to in the replicates of a dataset.
type VerdictCount struct {
	Dataset    string
	Diagnostic string
	OK         int
	Warn       int
	Fail       int
	Reason     string // of the gravest; the first by text where several are
}

// Verdicts counts the verdicts of the planned replicates of a sweep that are done, by
// dataset and diagnostic: the gravest first, then by name. Diagnostics without a
// verdict are left out.
func (r Reader) Verdicts(ctx context.Context, sweepID int64) ([]VerdictCount, error) {
	const query = `select d.name, g.name, count(*) filter (where verdict = 'ok'), count(*) filter (where verdict = 'warn'), count(*) filter (where verdict = 'fail'),
			coalesce(min(g.detail->>'reason') filter (where verdict = 'fail'), min(g.detail->>'reason') filter (where verdict = 'warn'), min(g.detail->>'reason'), '')
		from run r join dataset d using (dataset_id) join diagnostic g using (run_id)
		where r.sweep_id = $1 and r.phase = 'replicate' and r.planned and r.state = 'done' and verdict <> ''
		group by 1, 2 order by 5 desc, 4 desc, 1, 2`
	rows, err := r.db.Query(ctx, query, sweepID)
	if err != nil {
		return nil, fmt.Errorf("count verdicts of sweep %d: %w", sweepID, err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[VerdictCount])
	if err != nil {
		return nil, fmt.Errorf("count verdicts of sweep %d: %w", sweepID, err)
	}
	return out, nil
}
