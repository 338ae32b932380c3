package tracker

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/pgconn"
)

// DeleteSweep deletes a sweep with its runs and everything that was recorded on
// them. The space of its points and predictions is free when the transaction ends;
// the answer is their bytes. Contents of artifacts go with the next CollectGarbage,
// the empty partitions with the next DropBlocks. A sweep of which a run is being
// trained is not deleted, nor, with ErrNotOwner, one of somebody else.
func (s *Store) DeleteSweep(ctx context.Context, tx pgx.Tx, sweepID int64) (int64, error) {
	return free(ctx, tx, "delete sweep", `select delete_sweep($1)`, sweepID)
}

// EmptyPoints deletes the curves of a sweep and answers the bytes that this gives
// back; summaries, results and predictions stay. Only its owner may.
func (s *Store) EmptyPoints(ctx context.Context, tx pgx.Tx, sweepID int64) (int64, error) {
	return free(ctx, tx, "empty points of sweep", `select empty_points($1)`, sweepID)
}

func free(ctx context.Context, tx pgx.Tx, doing, query string, sweepID int64) (int64, error) {
	fail := func(err error) (int64, error) { return 0, fmt.Errorf("%s %d: %w", doing, sweepID, err) }
	var exists bool
	if err := tx.QueryRow(ctx, `select exists (select from sweep where sweep_id = $1)`, sweepID).Scan(&exists); err != nil {
		return fail(err)
	}
	if !exists {
		return fail(ErrNotFound)
	}
	var bytes int64
	err := tx.QueryRow(ctx, query, sweepID).Scan(&bytes)
	if insufficientPrivilege(err) {
		err = ErrNotOwner
	}
	if err != nil {
		return fail(err)
	}
	return bytes, nil
}

// blockLock is how long DropBlocks waits for everybody who reads or writes points.
const blockLock = "2s"

// DropBlocks drops the empty partitions of sweeps that were deleted and answers how
// many blocks went. What is in use stays for the next call.
func (s *Store) DropBlocks(ctx context.Context) (int, error) {
	const list = `select first from run_block where sweep_id is null and to_regclass('point_r' || first) is not null order by first`
	rows, err := s.pool.Query(ctx, list)
	if err != nil {
		return 0, fmt.Errorf("drop partitions: %w", err)
	}
	blocks, err := pgx.CollectRows(rows, pgx.RowTo[int64])
	if err != nil {
		return 0, fmt.Errorf("drop partitions: %w", err)
	}
	for n, first := range blocks {
		err := s.InTx(ctx, func(tx pgx.Tx) error {
			if _, err := tx.Exec(ctx, `set local lock_timeout = '`+blockLock+`'`); err != nil {
				return err
			}
			_, err := tx.Exec(ctx, `select drop_block($1)`, first)
			return err
		})
		var e *pgconn.PgError
		if errors.As(err, &e) && e.Code == "55P03" { // lock_not_available
			return n, nil
		}
		if err != nil {
			return n, fmt.Errorf("drop partitions: %w", err)
		}
	}
	return len(blocks), nil
}

// Idle answers the sweeps of the database user that have points and of which no run
// waits or is trained, and none has ended within the last while.
func (r Reader) Idle(ctx context.Context, while time.Duration) ([]Sweep, error) {
	const query = `select ` + headColumns + ` from sweep s join sweep_revision v using (sweep_id, revision)
		where s.owner = session_user and not exists (select from run r where r.sweep_id = s.sweep_id
		    and (r.state in ('queued', 'running', 'paused') or r.ended_at > now() - $1::interval))
		  and exists (select from run r join point p using (run_id) where r.sweep_id = s.sweep_id)
		order by s.sweep_id`
	rows, err := r.db.Query(ctx, query, while)
	if err != nil {
		return nil, fmt.Errorf("list idle sweeps: %w", err)
	}
	out, err := pgx.CollectRows(rows, scanHead)
	if err != nil {
		return nil, fmt.Errorf("list idle sweeps: %w", err)
	}
	return out, nil
}

// Size is what a table or a sweep takes.
type Size struct {
	Name  string `json:"name"`
	Bytes int64  `json:"bytes"` // with indexes
	Rows  int64  `json:"rows"`  // of a table as PostgreSQL last counted them, of a sweep its runs
	Dead  int64  `json:"dead"`  // rows of a table that are deleted and not yet vacuumed
}

// Tables lists what each table takes, the largest first, partitions under the name of
// their table.
func (r Reader) Tables(ctx context.Context) ([]Size, error) {
	const query = `select coalesce(i.inhparent::regclass::text, c.relname), sum(pg_total_relation_size(c.oid))::bigint,
		    sum(coalesce(t.n_live_tup, 0))::bigint, sum(coalesce(t.n_dead_tup, 0))::bigint
		  from pg_class c left join pg_inherits i on i.inhrelid = c.oid left join pg_stat_user_tables t on t.relid = c.oid
		 where c.relnamespace = to_regnamespace($1) and c.relkind = 'r' group by 1 order by 2 desc, 1`
	return r.sizes(ctx, query, Schema)
}

// SweepSizes lists what the partitions of each sweep take, the largest first; rows of
// before there were partitions by sweep are left out.
func (r Reader) SweepSizes(ctx context.Context) ([]Size, error) {
	const query = `select s.name, coalesce((select sum(pg_total_relation_size('point_r' || b.first) + pg_total_relation_size('prediction_r' || b.first))
		      from run_block b where b.sweep_id = s.sweep_id), 0)::bigint,
		    (select count(*) from run r where r.sweep_id = s.sweep_id), 0::bigint
		  from sweep s order by 2 desc, 1`
	return r.sizes(ctx, query)
}

func (r Reader) sizes(ctx context.Context, query string, args ...any) ([]Size, error) {
	rows, err := r.db.Query(ctx, query, args...)
	if err != nil {
		return nil, fmt.Errorf("read sizes: %w", err)
	}
	out, err := pgx.CollectRows(rows, pgx.RowToStructByPos[Size])
	if err != nil {
		return nil, fmt.Errorf("read sizes: %w", err)
	}
	return out, nil
}

// Vacuum gives the space of deleted rows to new ones, and has PostgreSQL count anew
// what it plans by.
func (s *Store) Vacuum(ctx context.Context) error {
	if _, err := s.pool.Exec(ctx, `vacuum (analyze)`); err != nil {
		return fmt.Errorf("vacuum: %w", err)
	}
	return nil
}

// Finding is what Check found wrong.
type Finding struct {
	What string `json:"what"`
	Rows int64  `json:"rows"`
}

// checks find rows that no transaction of this package leaves behind.
var checks = []struct{ what, query string }{
	{"points of runs that do not exist", `select count(*) from (select run_id from point group by run_id) p where not exists (select from run r where r.run_id = p.run_id)`},
	{"predictions of runs that do not exist", `select count(*) from (select run_id from prediction group by run_id) p where not exists (select from run r where r.run_id = p.run_id)`},
	{"points whose number of values is not that of their metrics", `select count(*) from point p join keyset k using (keyset_id) where cardinality(p.v) <> cardinality(k.metric_ids)`},
	{"curves whose summary does not count their points", `select count(*) from summary z
		left join (select p.run_id, k.metric_id, count(*) as n from point p join keyset_member k using (keyset_id) group by 1, 2) c using (run_id, metric_id)
		where c.n <> z.n`},
	{"results of runs that are not done", `select count(*) from result z join run r using (run_id) where r.state <> 'done'`},
	{"runs outside the numbers of their sweep", `select count(*) from run r where exists (select from run_block b where r.run_id between b.first and b.last and b.sweep_id is distinct from r.sweep_id and to_regclass('point_r' || b.first) is not null)`},
	{"running runs without a worker", `select count(*) from run where state = 'running' and worker_id is null`},
	{"artifacts without their content", `select count(*) from artifact a where not exists (select from blob b where b.sha256 = a.sha256)`},
}

// Check looks for rows that contradict each other; it reads every point.
func (r Reader) Check(ctx context.Context) ([]Finding, error) {
	var out []Finding
	for _, c := range checks {
		var n int64
		if err := r.db.QueryRow(ctx, c.query).Scan(&n); err != nil {
			return nil, fmt.Errorf("look for %s: %w", c.what, err)
		}
		if n > 0 {
			out = append(out, Finding{c.what, n})
		}
	}
	return out, nil
}
