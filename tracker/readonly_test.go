package tracker_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/deconfound/deconfound/tracker"
)

func openReadOnly(t *testing.T, s *tracker.Store) *tracker.ReadOnly {
	t.Helper()
	r, err := s.ReadOnly(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close(context.Background()) })
	return r
}

func ask(t *testing.T, r *tracker.ReadOnly, sql string) (string, error) {
	t.Helper()
	var out strings.Builder
	err := r.Query(t.Context(), sql, func(rows pgx.Rows) error {
		for rows.Next() {
			values, err := rows.Values()
			if err != nil {
				return err
			}
			for _, v := range values {
				out.WriteString(strings.TrimSpace(toText(v)) + " ")
			}
		}
		return nil
	})
	return strings.TrimSpace(out.String()), err
}

func toText(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	if v == nil {
		return "null"
	}
	return "?"
}

func TestReadOnly(t *testing.T) {
	b := setup(t)
	l := b.lease(1)
	if err := b.finish(l, tracker.Outcome{Predictions: []tracker.Prediction{{TestSet: "id", Unit: 1, Weight: 1}}}); err != nil {
		t.Fatal(err)
	}
	r := openReadOnly(t, b.store)
	if r.Isolation != tracker.LoginIsolation {
		t.Fatalf("got isolation %s on a cluster that trusts its socket, want login", r.Isolation)
	}
	if got, err := ask(t, r, `select session_user::text, current_user::text, state from runs`); err != nil || got != "deconfound_analyst deconfound_analyst done" {
		t.Errorf("got %q, %v", got, err)
	}
	if got, err := ask(t, r, `select current_setting('statement_timeout'), current_setting('transaction_read_only')`); err != nil || got != "1min on" {
		t.Errorf("settings: got %q, %v", got, err)
	}
	if _, err := ask(t, r, `select auroc(score, label) from all_predictions`); err != nil {
		t.Errorf("aggregate: %v", err)
	}
	// Every view can be read.
	views, err := b.store.Views(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range views {
		if _, err := ask(t, r, `select count(*) from `+v.Name); err != nil {
			t.Errorf("view %s: %v", v.Name, err)
		}
		if v.Text == "" || len(v.Columns) == 0 {
			t.Errorf("view %s is not documented: %+v", v.Name, v)
		}
	}
	if len(views) < 14 {
		t.Errorf("got %d views", len(views))
	}
	stop := errors.New("enough")
	if err := r.Query(t.Context(), `select 1`, func(pgx.Rows) error { return stop }); !errors.Is(err, stop) {
		t.Errorf("callback's error: got %v", err)
	}
}

func TestReadOnly_NoWayOut(t *testing.T) {
	b := setup(t)
	b.plan(true, planned(1))
	before := b.rows(`select * from run`)
	// Pairs: the second statement is sent over the same connection.
	for _, attempt := range [][]string{
		{`delete from run`},
		{`select * from run`},
		{`select * from prediction`},
		{`update sweep set name = 'x'`},
		{`select * from river_job`},
		{`create table t ()`},
		{`create temp table t (a int)`},
		{`commit`, `delete from run`},
		{`rollback; delete from run; commit`},
		{`reset role`, `delete from run`},
		{`set role deconfound`, `delete from run`},
		{`reset session authorization`, `delete from run`},
		{`set session authorization deconfound`, `delete from run`},
		{`set default_transaction_read_only = off`, `delete from run`},
		{`set transaction read write`, `delete from run`},
		{`begin read write; delete from run; commit`},
		{`select set_config('role', 'none', false), query_to_xml('delete from deconfound.run', true, true, '')`},
		{`select query_to_xml('delete from deconfound.run', true, true, '')`},
		{`select deconfound.reserve_runs(1, 1)`},
		{`copy (select 1) to program 'true'`},
		{`copy (select 1) to '/tmp/x'`},
		{`select pg_read_file('/etc/passwd')`},
		{`select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user`},
		{`alter role deconfound_analyst superuser`},
		{`select pg_advisory_lock(1)`},
		{`select pg_try_advisory_lock(1, 2)`},
		{`select pg_advisory_xact_lock_shared(1)`},
		{`do $$ begin delete from deconfound.run; end $$`},
	} {
		r := openReadOnly(t, b.store)
		var last error
		for _, sql := range attempt {
			_, last = ask(t, r, sql)
		}
		if last == nil {
			t.Errorf("%q was allowed", attempt)
		}
	}
	if after := b.rows(`select * from run`); after != before {
		t.Errorf("got runs\n%s\nwant\n%s", after, before)
	}
	// What a query does to its session does not outlast it.
	r := openReadOnly(t, b.store)
	for _, sql := range []string{`set statement_timeout = 0`, `set search_path = public`, `select set_config('statement_timeout', '0', false)`} {
		_, _ = ask(t, r, sql) // refused or not
		if got, err := ask(t, r, `select current_setting('statement_timeout'), count(*)::text from runs`); err != nil || got != "1min 1" {
			t.Errorf("after %q: got %q, %v", sql, got, err)
		}
	}
}

// A query cannot take its limit away.
func TestReadOnly_Timeout(t *testing.T) {
	b := setup(t)
	r := openReadOnly(t, b.store)
	r.Timeout = 100 * time.Millisecond
	for _, sql := range []string{
		`select pg_sleep(600)::text`,
		`select set_config('statement_timeout', '0', false), pg_sleep(600)::text`,
	} {
		if _, err := ask(t, r, sql); err == nil || !strings.Contains(err.Error(), "ended after 100ms, the limit of read-only queries") {
			t.Errorf("%s: got %v", sql, err)
		}
	}
	if got, err := ask(t, r, `select 'well'`); err != nil || got != "well" {
		t.Errorf("afterwards: got %q, %v", got, err)
	}
}

func TestReadOnly_Fallback(t *testing.T) {
	b := setup(t)
	other, err := tracker.Open(t.Context(), b.store.DSN(), tracker.WithAnalystDSN("host=/nowhere user=x"))
	if err != nil {
		t.Fatal(err)
	}
	defer other.Close()
	if _, err := other.ReadOnly(t.Context()); err == nil {
		t.Error("an analyst's DSN that leads nowhere: got no error")
	}

	// A server that does not let the analyst in.
	database := strings.TrimSpace(b.rows(`select current_database()`))
	b.rows(`revoke connect on database ` + database + ` from public`)
	r := openReadOnly(t, b.store)
	if got, err := ask(t, r, `select current_user::text`); err != nil || got != tracker.AnalystRole || r.Isolation != tracker.RoleIsolation {
		t.Errorf("got user %q, isolation %s, %v; want the role", got, r.Isolation, err)
	}
	if _, err := ask(t, r, `delete from run`); err == nil {
		t.Error("role: a delete was allowed")
	}

	// Nor may its user take the role.
	user := "deconfound_plain_" + database
	b.rows(`create role ` + user + ` login in role deconfound_worker`)
	defer func() {
		b.rows(`drop owned by ` + user)
		b.rows(`drop role ` + user)
	}()
	b.rows(`grant connect on database ` + database + ` to ` + user)
	plain, err := tracker.Open(t.Context(), b.store.DSN()+" user="+user)
	if err != nil {
		t.Fatal(err)
	}
	defer plain.Close()
	r = openReadOnly(t, plain)
	if got, err := ask(t, r, `select current_user::text from sweeps`); err != nil || got != user || r.Isolation != tracker.TransactionIsolation {
		t.Errorf("got user %q, isolation %s, %v; want a transaction", got, r.Isolation, err)
	}
	if _, err := ask(t, r, `delete from run`); err == nil {
		t.Error("transaction: a delete was allowed")
	}
}

func TestRoles(t *testing.T) {
	b := setup(t)
	roles, err := b.store.Roles(t.Context())
	if err != nil || !roles.Analyst || !roles.Worker || !roles.CanCreate {
		t.Errorf("got %+v, %v", roles, err)
	}
	// A login that is a member of the worker role can do a worker's work, and
	// only its own sweeps can it change.
	user := "deconfound_member_" + strings.TrimSpace(b.rows(`select pg_backend_pid()`))
	b.rows(`create role ` + user + ` login in role deconfound_worker`)
	defer func() {
		b.rows(`drop owned by ` + user)
		b.rows(`drop role ` + user)
	}()
	member, err := tracker.Open(t.Context(), b.store.DSN()+" user="+user)
	if err != nil {
		t.Fatal(err)
	}
	defer member.Close()
	run := b.plan(true, planned(1))[0]
	w, err := member.RegisterWorker(t.Context(), "member")
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	l, err := member.Claim(t.Context(), run.ID, run.Fence, w)
	if err != nil {
		t.Fatal(err)
	}
	if err := member.AppendPoints(t.Context(), l, []tracker.Point{point(1, 1)}); err != nil {
		t.Error(err)
	}
	if err := member.InTx(t.Context(), func(tx pgx.Tx) error { return member.Finish(t.Context(), tx, l, tracker.Outcome{}) }); err != nil {
		t.Error(err)
	}
	if err := member.InTx(t.Context(), func(tx pgx.Tx) error { return member.PauseSweep(t.Context(), tx, b.sweep.ID) }); err == nil {
		t.Error("a member paused the sweep of somebody else")
	}
	err = member.InTx(t.Context(), func(tx pgx.Tx) error {
		s, err := member.UpsertSweep(t.Context(), tx, tracker.SweepSpec{Name: "mine", TOML: "x"})
		if err != nil {
			return err
		}
		if s.Owner != user {
			t.Errorf("got owner %s, want %s", s.Owner, user)
		}
		_, err = member.PlanRuns(t.Context(), tx, s.ID, []tracker.PlannedRun{planned(1)}, true)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if _, err := member.Pool().Exec(t.Context(), `drop table run`); err == nil {
		t.Error("a member dropped a table")
	}
}
