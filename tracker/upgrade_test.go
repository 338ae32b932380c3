package tracker_test

import (
	"context"
	"fmt"
	"io/fs"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"
	"github.com/jackc/pgx/v5/stdlib"
	"github.com/pressly/goose/v3"
	"github.com/pressly/goose/v3/database"

	"github.com/deconfound/deconfound/migrations"
	"github.com/deconfound/deconfound/tracker"
)

// recorded is what a database of a schema version may hold, by the version that made
// room for it: in a finished sweep, one in progress, and one that was paused. Every
// version adds here what its tables and columns hold.
var recorded = []struct {
	version int64
	sql     string
}{
	{1, `
		insert into sweep (owner, name, revision, baseline, paused_at) values
			('alice', 'ended', 2, 'erm', null), ('alice', 'open', 1, null, null), ('bob', 'ended', 1, 'erm', now());
		insert into sweep_revision (sweep_id, revision, spec_toml, spec, spec_sha256, analysis_sha256)
			select sweep_id, r, '# ' || name, jsonb_build_object('name', name, 'revision', r), sha256(name::bytea), sha256('a')
			  from sweep s, generate_series(1, s.revision) r;
		insert into dataset (name, hash, task, classes) values ('nafld', 'h1', 'binary', 1), ('made', 'h2', null, null);
		insert into worker (name, host, pid) values ('w', 'here', 1);
		insert into run (sweep_id, split_seed, init_seed, dataset_id, trial, replicate, phase, state, run_hash, backbone, variant, spec,
				epoch, epochs, stop_reason, error_code, error_message, error_log, planned, held, worker_id, attempt, max_attempts, git_dirty)
			select s.sweep_id, i, i, 1 + i % 2, i, case when i % 2 = 0 then i end, case when i % 2 = 0 then 'replicate' else 'search' end::run_phase,
				case when s.name = 'ended' then (array['done', 'failed', 'cancelled', 'lost'])[1 + i % 4]
				     else (array['done', 'queued', 'paused', 'running'])[1 + i % 4] end::run_state,
				sha256((s.sweep_id || '/' || i)::bytea), 'concat', case when i % 3 = 0 then 'erm' else 'md' end, jsonb_build_object('trial', i),
				i, 9, 'completed', case when i % 4 = 1 then 'oom' else '' end, 'müssage', 'log', i < 10, i % 4 = 2, 1, 1 + i % 2, 2, i % 2 = 0
			  from sweep s, generate_series(1, 12) i;
		update run set state = 'done' where state = 'queued' and trial = 5;
		insert into checkpoint (run_id, epoch, sha256, data) select run_id, epoch, sha256('c'), 'c' from run where state in ('queued', 'paused');`},
	{1, inBlob},
	{2, `
		insert into metric (name, split, grp, lvl, goal) values ('auroc', 'val', '', '', 'maximize'), ('loss', 'train', '', '', 'minimize'), ('auroc', 'test', 'sex', 'f', 'maximize');
		insert into keyset (metric_ids) values ('{1}'), ('{1,2}');
		insert into keyset_member (metric_id, keyset_id, idx) values (1, 1, 1), (1, 2, 1), (2, 2, 2);
		insert into point (run_id, step, keyset_id, v) select run_id, s, 2, array[s, case when s = 2 then 'NaN' else 1.0 / s end] from run, generate_series(1, 3) s;
		insert into point (run_id, step, keyset_id, v) select run_id, 4, 1, '{Infinity}' from run;
		insert into summary (run_id, metric_id, n, last_step, last, min, max) select run_id, 1, 4, 4, 'Infinity'::float8, 1, 'Infinity'::float8 from run
			union all select run_id, 2, 3, 3, 1.0 / 3, 1.0 / 3, 1 from run;
		insert into result (run_id, metric_id, value) select run_id, m, 0.5 + trial / 100.0 from run, unnest('{1,3}'::int[]) m where state = 'done';
		insert into test_set (name) values ('id'), ('flip');
		insert into prediction (run_id, unit_hash, pattern, test_set_id, label, score, score_observed, weight)
			select run_id, -u, 3, 1 + u % 2, u % 2, u / 10.0, null, 1 from run, generate_series(1, 8) u where state = 'done';
		insert into unit_group (dataset_id, unit_hash, grp, lvl) select 1, -u, 'sex', 'f' from generate_series(1, 8) u;
		insert into pattern_name (dataset_id, pattern, name) values (1, 3, 'base+lipid');
		insert into diagnostic (run_id, name, estimate, lo, hi, p, verdict, detail)
			select run_id, 'mask_flip/labs', 0.1, 0, 0.2, null, 'warn', '{"n": 5}' from run where state = 'done';`},
	{5, `update prediction set truth = score / 2;`},
	{6, `insert into comparison (sweep_id, dataset, backbone, variant, baseline, test_set, name, estimate, n, reason)
			select sweep_id, 'nafld', 'concat', 'md', 'erm', 'id', 'e_value', 1.5, 100, 'because' from sweep;`},
	{7, `update run set memory_host = 1000 * run_id, memory_plugins = 7 where state = 'done';`},
	{8, `update run set state = 'pruned' where state = 'cancelled';`},
	{9, `
		update run set until = 3, busy = '5 seconds';
		update sweep set pause_reason = 'budget' where paused_at is not null;
		insert into search (sweep_id, dataset, backbone, variant, decisions, snapshot) select sweep_id, 'nafld', 'concat', 'md', 1, '{"version": 1}' from sweep;
		insert into decision (sweep_id, dataset, backbone, variant, number, event, actions)
			select sweep_id, 'nafld', 'concat', 'md', n, '{"kind": "end", "trial": 1, "value": 0.5}', '[]' from sweep, generate_series(1, 2) n;`},
	{10, `insert into progress (sweep_id, revision, ended, expected, complete, detail) select sweep_id, revision, 3, 12, false, '{}' from sweep;`},
	{11, `select count(*) from run_block;`},
	{12, `update worker set labels = '{"gpu": "none"}', memory = 1000, cores = 2;`},
	{13, `insert into sweep_share (sweep_id, priority, pass) select sweep_id, 20, 1.5 from sweep;`},
	{14, `insert into kept_comparison (sweep_id, key, result) select sweep_id, 'k', 'r' from sweep;`},
	{16, `
		insert into blob (sha256, size) values (sha256('b'), 1);
		insert into artifact (run_id, path, kind, sha256) select run_id, 'model.bin', 'model', sha256('b') from run where state = 'done';
		insert into blob_part (sha256, part, data) values (sha256('b'), 0, 'z');
		insert into content_place (url) values ('postgres');
		insert into bundle (kind, hash, name, sha256) values ('plugin', 'h', 'concat', sha256('b'));
		update dataset set unit_key = 'k';`},
	{17, `insert into sweep_reader (owner, login) values ('alice', 'anna');`},
	{18, `
		insert into retention (owner, what, sweep_id, days) select owner, 'logs', sweep_id, null from sweep;
		insert into removal (sweep_id, what, bytes) select sweep_id, 'artifacts', 1 from sweep;`},
	{19, `select count(*) from metric;`},
	{20, `insert into dataset_audit (dataset_id, audit) select dataset_id, '{"rows": 12}' from dataset;`},
}

// inBlob is a content as it was kept until version 16 moved it to blob_part.
const (
	inBlob = `
		insert into blob (sha256, size, data) values (sha256('b'), 1, 'z');
		insert into artifact (run_id, path, kind, sha256) select run_id, 'model.bin', 'model', sha256('b') from run where state = 'done';`
	inBlobUntil = 16
)

// stored reads every row of every table that there is in the schema, in the columns
// that it has in columns, or has now where that is nil.
func stored(t *testing.T, conn *pgx.Conn, columns map[string]string) (map[string]string, map[string]string) {
	t.Helper()
	upgraded := columns != nil
	if !upgraded {
		rows, err := conn.Query(t.Context(), `select c.relname, string_agg(quote_ident(a.attname), ', ' order by a.attnum)
			from pg_class c join pg_attribute a on a.attrelid = c.oid and a.attnum > 0 and not a.attisdropped
			where c.relnamespace = 'deconfound'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition
			and c.relname not like 'river%' and c.relname <> 'schema_version' group by 1`)
		if err != nil {
			t.Fatal(err)
		}
		columns = map[string]string{}
		var table, list string
		if _, err := pgx.ForEachRow(rows, []any{&table, &list}, func() error { columns[table] = list; return nil }); err != nil {
			t.Fatal(err)
		}
	}
	out := map[string]string{}
	for table, list := range columns {
		from := pgx.Identifier{table}.Sanitize()
		if table == "blob" && upgraded && strings.Contains(list, "data") {
			from = `(select b.*, p.data from blob b join blob_part p using (sha256)) b`
		}
		rows, err := conn.Query(t.Context(), `select row(`+list+`)::text from `+from+` order by 1`)
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			t.Fatalf("%s: %v", table, err)
		}
		out[table] = strings.Join(lines, "\n")
	}
	return out, columns
}

// A database of any version keeps what it holds on its way to the newest one, and
// goes on from there.
func TestMigrate_FromEveryVersionWithData(t *testing.T) {
	b := setup(t)
	_, newest, err := b.store.SchemaVersion(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if last := recorded[len(recorded)-1].version; last != newest {
		t.Errorf("the newest version is %d: say in recorded what it holds, even if that is nothing", newest)
	}
	names, err := fs.Glob(migrations.FS, "*.sql")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range names {
		version, err := goose.NumericComponent(name)
		if err != nil {
			t.Fatal(err)
		}
		t.Run(fmt.Sprint(version), func(t *testing.T) { upgrade(t, b, version) })
	}
}

func upgrade(t *testing.T, b *bundle, version int64) {
	name := strings.TrimSpace(b.rows(`select current_database()`)) + fmt.Sprint("_from", version)
	b.rows(`create database ` + name)
	t.Cleanup(func() { b.rows(`drop database ` + name + ` with (force)`) })
	store, err := tracker.Open(t.Context(), b.store.DSN()+" dbname="+name)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	conn, err := store.Pool().Acquire(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Release()
	exec := func(sql string) {
		t.Helper()
		if _, err := conn.Conn().PgConn().Exec(t.Context(), sql).ReadAll(); err != nil {
			t.Fatalf("%v in %.100s", err, sql)
		}
	}
	exec(`create schema deconfound`)
	table, err := database.NewStore(database.DialectPostgres, "deconfound.schema_version")
	if err != nil {
		t.Fatal(err)
	}
	db := stdlib.OpenDBFromPool(store.Pool())
	defer db.Close()
	provider, err := goose.NewProvider("", db, migrations.FS, goose.WithStore(table), goose.WithDisableGlobalRegistry(true))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := provider.UpTo(t.Context(), version); err != nil {
		t.Fatal(err)
	}
	for _, r := range recorded {
		if r.version <= version && (r.sql != inBlob || version < inBlobUntil) {
			exec(r.sql)
		}
	}
	before, columns := stored(t, conn.Conn(), nil)
	if len(before["run"]) == 0 || version >= 2 && len(before["prediction"]) == 0 {
		t.Fatal("the old database is empty")
	}
	if err := store.Migrate(t.Context()); err != nil {
		t.Fatal(err)
	}
	after, _ := stored(t, conn.Conn(), columns)
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("the data of version %d (-before +after):\n%s", version, diff)
	}
	if version < 2 {
		return
	}

	// The views show it, Check finds nothing amiss, and old and new sweeps go on.
	var done, predictions, points int
	const shown = `select (select count(*) from results where metric = 'auroc' and split = 'val'),
		(select count(*) from all_predictions), (select count(*) from points where metric = 'loss')`
	if err := conn.QueryRow(t.Context(), shown).Scan(&done, &predictions, &points); err != nil || done != 10 || predictions != 80 || points != 108 {
		t.Errorf("views: %d results, %d predictions, %d points, %v", done, predictions, points, err)
	}
	if found, err := store.Check(t.Context()); err != nil || len(found) > 0 {
		t.Errorf("check: %+v, %v", found, err)
	}
	err = store.InTx(t.Context(), func(tx pgx.Tx) error {
		fresh, err := store.UpsertSweep(context.Background(), tx, tracker.SweepSpec{Name: "new"})
		if err != nil {
			return err
		}
		for _, sweep := range []int64{2, fresh.ID} { // open, and new
			runs, err := store.PlanRuns(t.Context(), tx, sweep, []tracker.PlannedRun{planned(1000)}, false)
			if err != nil {
				return err
			}
			if len(runs) != 1 || runs[0].Trial != 1000 {
				t.Errorf("sweep %d: got runs %+v", sweep, runs)
			}
		}
		// An old sweep is deleted without a trace.
		if _, err := store.DeleteSweep(t.Context(), tx, 1); err != nil {
			return err
		}
		var left int
		if err := tx.QueryRow(t.Context(), `select count(*) from (select run_id from point union all select run_id from prediction) p
			where not exists (select from run r where r.run_id = p.run_id)`).Scan(&left); err != nil || left > 0 {
			t.Errorf("%d rows are left of a deleted sweep, %v", left, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}
