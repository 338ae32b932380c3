package tracker_test

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the golden files; the test fails all the same")

// schemaQueries describe a schema, one line an object. River's objects are its
// own business, and partitions of point come and go.
var schemaQueries = []struct{ title, sql string }{
	{"types", `select t.typname || ' (' || string_agg(e.enumlabel, ', ' order by e.enumsortorder) || ')' from pg_type t join pg_enum e on e.enumtypid = t.oid
		where t.typnamespace = 'deconfound'::regnamespace and t.typname not like 'river%' group by t.typname order by 1`},
	{"columns", `select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) || case when a.attnotnull then ' not null' else '' end
		|| case when a.attidentity <> '' then ' identity' else '' end || coalesce(' default ' || pg_get_expr(d.adbin, d.adrelid), '')
		from pg_class c join pg_attribute a on a.attrelid = c.oid left join pg_attrdef d on d.adrelid = c.oid and d.adnum = a.attnum
		where c.relnamespace = 'deconfound'::regnamespace and c.relkind in ('r', 'p') and not c.relispartition and a.attnum > 0 and not a.attisdropped
		and c.relname not like 'river%' order by c.relname, a.attnum`},
	{"constraints", `select conrelid::regclass || ' ' || pg_get_constraintdef(oid) from pg_constraint where connamespace = 'deconfound'::regnamespace
		and conparentid = 0 and contype <> 'n' and conrelid <> 0 and conrelid::regclass::text not like 'river%' and conrelid::regclass::text not like 'point\_%' order by 1`},
	{"indexes", `select replace(indexdef, 'deconfound.', '') from pg_indexes where schemaname = 'deconfound' and tablename not like 'river%'
		and tablename not like 'point\_%' order by indexname`},
	{"triggers", `select pg_get_triggerdef(t.oid) from pg_trigger t join pg_class c on c.oid = t.tgrelid where not tgisinternal
		and c.relnamespace = 'deconfound'::regnamespace and c.relname not like 'river%' order by 1`},
	{"policies", `select tablename || ' ' || policyname || ' ' || cmd || ' using ' || coalesce(qual, '') || ' check ' || coalesce(with_check, '') from pg_policies
		where schemaname = 'deconfound' order by 1`},
	{"functions", `select p.oid::regprocedure || ' returns ' || pg_get_function_result(p.oid) || ' ' || l.lanname || ' ' ||
		case p.prokind when 'a' then 'aggregate' else case p.provolatile when 'i' then 'immutable' when 's' then 'stable' else 'volatile' end end
		|| case when p.prosecdef then ' security definer' else '' end
		from pg_proc p join pg_language l on l.oid = p.prolang where p.pronamespace = 'deconfound'::regnamespace and p.proname not like 'river%' order by 1`},
	{"views", `select c.relname || '.' || a.attname || ' ' || format_type(a.atttypid, a.atttypmod) from pg_class c join pg_attribute a on a.attrelid = c.oid
		where c.relnamespace = 'deconfound'::regnamespace and c.relkind = 'v' and a.attnum > 0 order by c.relname, a.attnum`},
	{"privileges", `select grantee || ' ' || privilege_type || ' ' || table_name from information_schema.role_table_grants
		where table_schema = 'deconfound' and grantee = 'deconfound_analyst' order by 1`},
}

func TestSchema_Golden(t *testing.T) {
	b := setup(t)
	var got strings.Builder
	for _, q := range schemaQueries {
		fmt.Fprintf(&got, "== %s\n%s\n", q.title, b.rows(q.sql))
	}
	const file = "testdata/schema.golden"
	if *update {
		if err := os.WriteFile(file, []byte(got.String()), 0o644); err != nil {
			t.Fatal(err)
		}
		t.Error("golden file rewritten; read the difference")
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got.String()); d != "" {
		t.Errorf("the migrations do not add up to %s; if that is meant, go test ./tracker -run Golden -update (-want +got):\n%s", file, d)
	}
}

// TestSchema_ForeignKeysIndexed keeps deletes from scanning whole tables.
func TestSchema_ForeignKeysIndexed(t *testing.T) {
	b := setup(t)
	got := b.rows(`select c.conrelid::regclass::text, pg_get_constraintdef(c.oid) from pg_constraint c
		where c.contype = 'f' and c.connamespace = 'deconfound'::regnamespace and c.conrelid::regclass::text not like 'river%'
		and not exists (select from pg_index i where i.indrelid = c.conrelid and i.indpred is null
			and (i.indkey::int2[])[0:cardinality(c.conkey) - 1] = c.conkey)`)
	if got != "" {
		t.Errorf("foreign keys without an index:\n%s", got)
	}
}

// TestSchema_AggregatesDocumented: people find out about them by \da+.
func TestSchema_AggregatesDocumented(t *testing.T) {
	b := setup(t)
	got := b.rows(`select p.proname, pg_get_function_arguments(p.oid) from pg_proc p
		where p.prokind = 'a' and p.pronamespace = 'deconfound'::regnamespace and obj_description(p.oid, 'pg_proc') is null`)
	if got != "" {
		t.Errorf("aggregates without a comment:\n%s", got)
	}
}

// TestSchema_ColumnsDocumented: the console, \d+ and the SQL reference show it.
func TestSchema_ColumnsDocumented(t *testing.T) {
	b := setup(t)
	views, err := b.store.Views(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		for _, c := range v.Columns {
			if c.Text == "" {
				t.Errorf("%s.%s has no comment", v.Name, c.Name)
			}
		}
	}
	if len(views) < 16 {
		t.Errorf("%d views", len(views))
	}
}

// TestViews checks the numbers of the comparing views by hand.
func TestViews(t *testing.T) {
	b := setup(t)
	// AUROC of three seeds, erm and md; seed 3 of md has no partner.
	values := map[string][]float64{"erm": {0.70, 0.72, 0.71}, "md": {0.73, 0.74, 0.76, 0.99}}
	n := 0
	for _, variant := range []string{"erm", "md"} {
		for seed, v := range values[variant] {
			n++
			l := b.claim(b.plan(false, replicate(n, seed, variant))[0])
			b.finishWith(l, v)
		}
	}
	// None of these may count: a trial, a run that is not wanted, a failure.
	n++
	b.finishWith(b.lease(n), 0.1)
	n++
	dropped := b.claim(b.plan(false, replicate(n, 7, "erm"))[0])
	b.finishWith(dropped, 0.1)
	b.rows(`update run set planned = false where run_id = $1`, dropped.Run.ID)

	if got, want := b.rows(`select variant, n, round(mean::numeric, 6)::text, round(sd::numeric, 6)::text, round(lo::numeric, 6)::text, round(hi::numeric, 6)::text, rank
		from leaderboard where metric = 'auroc' and grp = '' order by variant`),
		// mean ± t(0.975; n - 1) sd / √n with t = 4.302653 and 3.182446
		"erm 3 0.710000 0.010000 0.685159 0.734841 2\nmd 4 0.805000 0.123962 0.607748 1.002252 1\n"; got != want {
		t.Errorf("leaderboard:\ngot  %s\nwant %s", got, want)
	}
	if got, want := b.rows(`select variant, baseline, n, round(mean::numeric, 6)::text, round(lo::numeric, 6)::text, round(hi::numeric, 6)::text, round(t::numeric, 6)::text, wins
		from paired where metric = 'auroc' and grp = ''`),
		"md erm 3 0.033333 -0.004612 0.071279 3.779645 3\n"; got != want {
		t.Errorf("paired:\ngot  %s\nwant %s", got, want)
	}
	if got, want := b.rows(`select variant, wins from paired where metric = 'log_loss'`), "md 0\n"; got != want {
		t.Errorf("paired, to be minimised: got %s, want %s", got, want)
	}
	if got, want := b.rows(`select variant, pattern, n, patients, events from pattern_results where variant = 'erm'`), "erm base+lipid 3 40 4\n"; got != want {
		t.Errorf("pattern_results: got %s, want %s", got, want)
	}
	if got, want := b.rows(`select seed, value - baseline_value > 0 from paired_seeds where metric = 'auroc' and grp = '' order by seed`), "0 true\n1 true\n2 true\n"; got != want {
		t.Errorf("paired_seeds: got %s, want %s", got, want)
	}
	if got, want := b.rows(`select sweep, state, runs, done, open, failed from sweeps`), "s ended 8 8 0 0\n"; got != want {
		t.Errorf("sweeps: got %s, want %s", got, want)
	}
	if got, want := b.rows(`select count(*) from results where metric = 'auroc' and grp = ''`), "9\n"; got != want {
		t.Errorf("results: got %s, want %s", got, want)
	}
	if got, want := b.rows(`select distinct metric, n, last_step, last from metrics`), "loss 1 1 0.5\n"; got != want {
		t.Errorf("metrics: got %s, want %s", got, want)
	}
}
