package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// keptComparisons is how many results are kept of a sweep: a few metrics and test
// sets, and some that are outdated.
const keptComparisons = 32

// ComparisonState answers a text that changes with whatever a comparison of a sweep
// reads from the tracker: the sweep's plan and analysis, the runs and what they are of,
// and how their datasets are described. What a run that is done has stored does not
// change any more.
func (r Reader) ComparisonState(ctx context.Context, sweepID int64) (string, error) {
	const query = `select encode(sha256(convert_to(concat_ws('|', s.revision, s.spec_hash, r.runs, d.datasets), 'UTF8')), 'hex')
		from (select revision, (select string_agg(revision || ' ' || encode(analysis_sha256, 'hex'), ' ' order by revision) from sweep_revision v where v.sweep_id = w.sweep_id) as spec_hash
		        from sweep w where sweep_id = $1) s,
		     (select string_agg(concat_ws(' ', run_id, encode(run_hash, 'hex'), phase, state, planned, fence, ended_at), ',' order by run_id) as runs from run where sweep_id = $1) r,
		     (select string_agg(concat_ws(' ', d.hash, d.task, d.classes, (select count(*) from pattern_name n where n.dataset_id = d.dataset_id)), ',' order by d.dataset_id) as datasets
		        from dataset d where d.dataset_id in (select dataset_id from run where sweep_id = $1)) d`
	var state string
	if err := r.db.QueryRow(ctx, query, sweepID).Scan(&state); err != nil {
		return "", fmt.Errorf("read state of sweep %d: %w", sweepID, notFound(err))
	}
	return state, nil
}

// KeptComparison answers what was kept under a key, or ErrNotFound.
func (r Reader) KeptComparison(ctx context.Context, sweepID int64, key []byte) ([]byte, error) {
	var result []byte
	if err := r.db.QueryRow(ctx, `select result from kept_comparison where sweep_id = $1 and key = $2`, sweepID, key).Scan(&result); err != nil {
		return nil, fmt.Errorf("read comparison of sweep %d: %w", sweepID, notFound(err))
	}
	return result, nil
}

// KeepComparison keeps a result under a key, and forgets the oldest of the sweep.
func (s *Store) KeepComparison(ctx context.Context, sweepID int64, key, result []byte) error {
	const insert = `insert into kept_comparison (sweep_id, key, result) values ($1, $2, $3) on conflict do nothing`
	const forget = `delete from kept_comparison where sweep_id = $1 and key in
		(select key from kept_comparison where sweep_id = $1 order by kept_at desc, key offset $2)`
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		if _, err := tx.Exec(ctx, insert, sweepID, key, result); err != nil {
			return err
		}
		_, err := tx.Exec(ctx, forget, sweepID, keptComparisons)
		return err
	})
	if err != nil {
		return fmt.Errorf("keep comparison of sweep %d: %w", sweepID, err)
	}
	return nil
}
