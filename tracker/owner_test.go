package tracker_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

// shared are tables that every login with privileges on them may read whole, and why.
// Readers have no privileges on any table.
var shared = map[string]string{
	"metric":         "names of metrics, one dictionary for all",
	"keyset":         "sets of metrics",
	"keyset_member":  "sets of metrics",
	"test_set":       "names of test sets",
	"worker":         "machines that train for everybody",
	"content_place":  "where contents lie",
	"schema_version": "migrations",
}

// logins makes roles that end with the test, the second half of each pair being what
// it is a member of.
func (b *bundle) logins(pairs ...string) map[string]string {
	b.Helper()
	database := strings.TrimSpace(b.rows(`select current_database()`))
	out := map[string]string{}
	for i := 0; i < len(pairs); i += 2 {
		name := pairs[i] + "_" + database
		out[pairs[i]] = name
		b.rows(`create role ` + name + ` login`)
		if pairs[i+1] != "" {
			b.rows(`grant ` + pairs[i+1] + ` to ` + name)
		}
		b.Cleanup(func() {
			for _, sql := range []string{`drop owned by ` + name, `drop role ` + name} {
				if _, err := b.store.Pool().Exec(context.Background(), sql); err != nil {
					b.Error(err)
				}
			}
		})
	}
	return out
}

// as opens the database as somebody.
func (b *bundle) as(login string) *bundle {
	b.Helper()
	s, err := tracker.Open(b.Context(), b.store.DSN()+" user="+login)
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(s.Close)
	return &bundle{T: b.T, store: s}
}

// record fills every table and every view with a sweep of somebody, who is named in
// whatever can be named. The runs are trained by somebody else.
func (b *bundle) record(mark string, owner, worker *bundle) {
	b.Helper()
	var sweep tracker.Sweep
	var runs []tracker.Run
	owner.tx(func(tx pgx.Tx) error {
		var err error
		sweep, err = owner.store.UpsertSweep(b.Context(), tx, tracker.SweepSpec{Name: mark, TOML: "# " + mark, Baseline: "erm"})
		if err != nil {
			return err
		}
		var plan []tracker.PlannedRun
		for i, variant := range []string{"erm", "md", "erm", "md"} {
			seed := i / 2
			hash := sha256.Sum256(fmt.Append(nil, mark, i))
			plan = append(plan, tracker.PlannedRun{
				Hash: hash[:], Dataset: mark, DatasetHash: mark, Backbone: mark, BackboneHash: mark, Variant: variant,
				Phase: tracker.Replicate, Replicate: &seed, SplitSeed: 1, InitSeed: 1, Epochs: 100,
			})
		}
		runs, err = owner.store.PlanRuns(b.Context(), tx, sweep.ID, plan, true)
		return err
	})
	metrics := map[tracker.Metric]float64{}
	for _, name := range []string{"auroc", "patients", "events"} {
		metrics[tracker.Metric{Name: name, Split: "test"}] = 0.5
		metrics[tracker.Metric{Name: name, Split: "test", Group: "pattern", Level: "base"}] = 0.5
	}
	var points []tracker.Point
	for step := range 100 { // more than are inserted where COPY is allowed
		points = append(points, point(step, 0.5))
	}
	if err := worker.store.StoreDatasetAudit(b.Context(), mark, mark, []byte(`{"rows": 1, "of": "`+mark+`"}`)); err != nil {
		b.Fatal(err)
	}
	for i, run := range runs[:3] {
		l, err := worker.store.Claim(b.Context(), run.ID, run.Fence, worker.worker)
		if err != nil {
			b.Fatal(err)
		}
		metrics[tracker.Metric{Name: "auroc", Split: "test"}] = 0.5 + float64(i)/10
		err = worker.finish(l, tracker.Outcome{
			Metrics: metrics, Points: points,
			Predictions: []tracker.Prediction{{TestSet: "id", Unit: sweep.ID, Score: 0.5, Weight: 1, Pattern: 3}},
			Diagnostics: []tracker.Diagnostic{{Name: "refuter/" + mark, Estimate: 1, Lo: math.NaN(), Hi: math.NaN(), P: math.NaN(), Verdict: "fail", Detail: []byte(`{"reason":"` + mark + `"}`)}},
		})
		if err != nil {
			b.Fatal(err)
		}
	}
	for _, sql := range []string{
		`update run set error_message = $1, error_log = $1 where sweep_id = $2`,
		`insert into checkpoint (run_id, epoch, sha256, data) select max(run_id), 1, sha256(convert_to($1, 'utf8')), convert_to($1, 'utf8') from run where sweep_id = $2`,
		`insert into blob (sha256, size) values (sha256(convert_to($1, 'utf8')), $2)`,
		`insert into blob_part (sha256, part, data) values (sha256(convert_to($1, 'utf8')), $2, convert_to($1, 'utf8'))`,
		`insert into artifact (run_id, path, kind, sha256) select max(run_id), $1, 'log', sha256(convert_to($1, 'utf8')) from run where sweep_id = $2`,
		`insert into bundle (kind, hash, name, sha256, owner) values ('plugin', $1, ($2::bigint)::text, sha256(convert_to($1, 'utf8')), $1)`,
		`insert into unit_group (dataset_id, unit_hash, grp, lvl) select dataset_id, $2, 'sex', 'f' from dataset where name = $1`,
		`insert into pattern_name (dataset_id, pattern, name) select dataset_id, 3, $1 || ($2::bigint)::text from dataset where name = $1`,
		`insert into search (sweep_id, dataset, backbone, variant, decisions, snapshot) values ($2, $1, $1, 'md', 1, '{}')`,
		`insert into decision (sweep_id, dataset, backbone, variant, number, event, actions) values ($2, $1, $1, 'md', 1, '{"kind": "end", "trial": 1, "value": 0.5}', '[]')`,
		`insert into comparison (sweep_id, dataset, backbone, variant, baseline, test_set, name, estimate, n, reason) values ($2, $1, $1, 'md', 'erm', 'id', 'e_value', 1.5, 100, $1)`,
		`insert into kept_comparison (sweep_id, key, result) values ($2::bigint, convert_to($1, 'utf8'), '')`,
		`insert into progress (sweep_id, revision, ended, expected, complete, detail) values ($2, 1, 3, 12, false, jsonb_build_object('mark', $1::text))`,
		`insert into retention (owner, what, sweep_id, days) select owner, 'points', sweep_id, length($1::text) from sweep where sweep_id = $2`,
		`insert into removal (sweep_id, what, bytes) values ($2, 'logs', length($1::text))`,
		`update sweep_share set priority = length($1::text) where sweep_id = $2`,
	} {
		if _, err := b.store.Pool().Exec(b.Context(), sql, mark, sweep.ID); err != nil {
			b.Fatalf("%v in %s", err, sql)
		}
	}
}

// relations are all tables and views of the schema but River's, which hold jobs with
// numbers of runs and nothing else.
func (b *bundle) relations(kinds string) []string {
	b.Helper()
	return strings.Fields(b.rows(`select c.relname from pg_class c where c.relnamespace = 'deconfound'::regnamespace
		and position(c.relkind::text in $1) > 0 and c.relname not like 'river%' order by 1`, kinds))
}

// contents reads all that somebody sees of relations; a relation that they may not
// read is not in the answer.
func (b *bundle) contents(relations []string) map[string]string {
	b.Helper()
	out := map[string]string{}
	for _, name := range relations {
		rows, err := b.store.Pool().Query(b.Context(), `select x::text from `+name+` x order by 1`)
		if err != nil {
			b.Fatal(err)
		}
		lines, err := pgx.CollectRows(rows, pgx.RowTo[string])
		if err != nil {
			if !strings.Contains(err.Error(), "42501") {
				b.Fatalf("%s: %v", name, err)
			}
			continue
		}
		out[name] = strings.Join(lines, "\n")
	}
	return out
}

// What one owner's reader sees does not depend on what others have: nothing that is
// read from any table or view, through SQL or the console, changes when another owner
// records a sweep. All relations come from the catalogue, so that a new one takes
// part: record has to fill it, and its rows have to be kept from readers.
func TestReaders_SeeTheirOwner(t *testing.T) {
	b := setup(t)
	b.rows(`delete from sweep`)
	login := b.logins("alice", tracker.WorkerRole, "bob", tracker.WorkerRole, "walter", tracker.WorkerRole,
		"anna", tracker.ReaderRole, "stranger", tracker.ReaderRole, "careless", tracker.ReaderRole, "team", tracker.AnalystRole)
	alice, bob, walter := b.as(login["alice"]), b.as(login["bob"]), b.as(login["walter"])
	walter.worker = walter.register("walter")
	anna, stranger, careless, team := b.as(login["anna"]), b.as(login["stranger"]), b.as(login["careless"]), b.as(login["team"])
	for _, reader := range []string{"anna", "careless"} {
		if err := alice.store.AddReader(t.Context(), login[reader]); err != nil {
			t.Fatal(err)
		}
	}
	b.record("alices", alice, walter)

	views, all := b.relations("v"), b.relations("rpvmf")
	// Somebody who was given every table by hand; partitions of bob's sweep too.
	grant := func() { b.rows(`grant select on all tables in schema deconfound to ` + login["careless"]) }
	grant()
	admin := b.contents(all)
	before, beforeCareless := anna.contents(views), careless.contents(all)
	b.record("bobs", bob, walter)
	if err := bob.store.AddReader(t.Context(), "somebody"); err != nil {
		t.Fatal(err)
	}
	grant()

	now := b.contents(all)
	partition := strings.Fields(b.rows(`select c.relname from pg_class c where c.relispartition and c.relnamespace = 'deconfound'::regnamespace`))
	for _, name := range all {
		if shared[name] == "" && admin[name] == now[name] && !slices.Contains(partition, name) {
			t.Errorf("%s is the same with the sweep of another owner: have record put something into it", name)
		}
	}
	if d := cmp.Diff(before, anna.contents(views)); d != "" {
		t.Errorf("a reader sees what another owner recorded (-before +after):\n%s", d)
	}
	after := careless.contents(b.relations("rpvmf"))
	for name, rows := range after {
		switch {
		case shared[name] != "":
		case slices.Contains(partition, name) && rows != "":
			t.Errorf("partition %s can be read past the policy of its table:\n%s", name, rows)
		case rows != beforeCareless[name]:
			t.Errorf("a reader with privileges on tables sees what another owner recorded in %s:\n%s", name, cmp.Diff(beforeCareless[name], rows))
		}
	}

	// The reader sees all of the owner's, in every documented view, and nothing else.
	documented, err := b.store.Views(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range documented {
		if before[v.Name] == "" || before[v.Name] != admin[v.Name] {
			t.Errorf("view %s: the reader sees\n%s\nof\n%s", v.Name, before[v.Name], admin[v.Name])
		}
		if got := stranger.contents([]string{v.Name})[v.Name]; got != "" {
			t.Errorf("view %s: somebody whom no owner named sees %s", v.Name, got)
		}
		for who, x := range map[string]*bundle{"the team's analyst": team, "a worker": walter, "an owner who trains": alice} {
			if got := x.contents([]string{v.Name})[v.Name]; got != now[v.Name] {
				t.Errorf("view %s: %s sees\n%s\nof\n%s", v.Name, who, got, now[v.Name])
			}
		}
	}
	if got := len(anna.contents(all)); got != len(documented)+1 { // and schema_version
		t.Errorf("a reader may read %d relations, there are %d documented views: %v", got, len(documented), anna.contents(all))
	}
	if got := b.rows(`select p.oid::regprocedure from pg_proc p where p.pronamespace = 'deconfound'::regnamespace and p.prosecdef
		and has_function_privilege($1, p.oid, 'execute')`, login["anna"]); got != "" {
		t.Errorf("a reader may call functions that have the rights of their owner: %s", got)
	}

	// No condition of a query is asked about a row that is not the asker's: its error
	// would tell.
	if got := b.rows(`select c.relname from pg_class c where c.relnamespace = 'deconfound'::regnamespace and c.relkind = 'v'
		and has_table_privilege($1, c.oid, 'select') and not coalesce('security_barrier=true' = any(c.reloptions), false)`, login["anna"]); got != "" {
		t.Errorf("views that are no security barriers: %s", got)
	}
	console, err := tracker.Open(t.Context(), b.store.DSN(), tracker.WithAnalystDSN(b.store.DSN()+" user="+login["anna"]))
	if err != nil {
		t.Fatal(err)
	}
	defer console.Close()
	r := openReadOnly(t, console)
	if got, err := ask(t, r, `select string_agg(distinct sweep, ' ') from predictions`); err != nil || got != "alices" || r.Isolation != tracker.LoginIsolation {
		t.Errorf("the console of a reader: got %q, %v, isolation %s", got, err, r.Isolation)
	}

	// Nobody gives away what is another's, and what was given can be taken back.
	for who, sql := range map[*bundle]string{
		anna: `insert into sweep_reader (owner, login) values ('x', 'y')`, stranger: `update run set variant = ''`,
		alice: `insert into sweep_reader (owner, login) values ('` + login["bob"] + `', '` + login["alice"] + `')`,
	} {
		if _, err := who.store.Pool().Exec(t.Context(), sql); err == nil || !strings.Contains(err.Error(), "42501") {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	wantErr(t, bob.store.RemoveReader(t.Context(), login["anna"]), tracker.ErrNotFound)
	if readers, err := b.store.SweepReaders(t.Context()); err != nil || len(readers) != 3 || readers[0].Owner != login["alice"] {
		t.Errorf("got readers %+v, %v", readers, err)
	}
	if err := alice.store.RemoveReader(t.Context(), login["anna"]); err != nil {
		t.Fatal(err)
	}
	for name, rows := range anna.contents(views) {
		if rows != "" {
			t.Errorf("view %s: a reader who was removed sees %s", name, rows)
		}
	}
}
