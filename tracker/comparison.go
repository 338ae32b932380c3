package tracker

import (
	"context"
	"fmt"

	"github.com/jackc/pgx/v5"
)

// Comparison is a figure about the difference of a variant to a baseline. NaN
// stands for a number that was not computed.
type Comparison struct {
	Dataset, Backbone, Variant, Baseline string
	TestSet                              string
	Name                                 string
	Estimate, Lo, Hi                     float64
	N                                    int    // patients
	Verdict                              string // ok, warn, fail or "" where none applies
	Reason                               string
}

// StoreComparisons replaces what is stored of the same comparisons of a sweep.
func (s *Store) StoreComparisons(ctx context.Context, sweepID int64, list []Comparison) error {
	const upsert = `insert into comparison (sweep_id, dataset, backbone, variant, baseline, test_set, name, estimate, lo, hi, n, verdict, reason)
		values ($1, $2, $3, $4, $5, $6, $7, nullif($8::float8, 'NaN'), nullif($9::float8, 'NaN'), nullif($10::float8, 'NaN'), $11, $12, $13)
		on conflict (sweep_id, dataset, backbone, variant, baseline, test_set, name) do update
		set estimate = excluded.estimate, lo = excluded.lo, hi = excluded.hi, n = excluded.n, verdict = excluded.verdict, reason = excluded.reason`
	err := s.InTx(ctx, func(tx pgx.Tx) error {
		for _, c := range list {
			if _, err := tx.Exec(ctx, upsert, sweepID, c.Dataset, c.Backbone, c.Variant, c.Baseline, c.TestSet, c.Name,
				c.Estimate, c.Lo, c.Hi, c.N, c.Verdict, c.Reason); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return fmt.Errorf("store comparisons of sweep %d: %w", sweepID, err)
	}
	return nil
}

// FailedDiagnostics reads the diagnostics with verdict fail whose name starts with
// prefix, of the runs that f selects: run ID -> diagnostics by name.
func (r Reader) FailedDiagnostics(ctx context.Context, f RunFilter, prefix string) (map[int64][]Diagnostic, error) {
	where, args := f.where()
	query := fmt.Sprintf(`select run_id, g.name, coalesce(estimate, 'NaN'), coalesce(lo, 'NaN'), coalesce(hi, 'NaN'), coalesce(p, 'NaN'), verdict, detail
		from diagnostic g join run r using (run_id)
		where verdict = 'fail' and starts_with(g.name, $%d) and %s order by run_id, g.name`, len(args)+1, where)
	rows, err := r.db.Query(ctx, query, append(args, prefix)...)
	if err != nil {
		return nil, fmt.Errorf("read diagnostics: %w", err)
	}
	defer rows.Close()
	out := map[int64][]Diagnostic{}
	for rows.Next() {
		var id int64
		var d Diagnostic
		if err := rows.Scan(&id, &d.Name, &d.Estimate, &d.Lo, &d.Hi, &d.P, &d.Verdict, &d.Detail); err != nil {
			return nil, fmt.Errorf("read diagnostics: %w", err)
		}
		out[id] = append(out[id], d)
	}
	if err := rows.Err(); err != nil {
		return nil, fmt.Errorf("read diagnostics: %w", err)
	}
	return out, nil
}
