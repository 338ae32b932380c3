package web_test

import (
	"context"
	"encoding/csv"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/deconfound/deconfound/tracker"
	"github.com/deconfound/deconfound/tracker/web"
)

func TestConsole(t *testing.T) {
	s := open(t, web.Config{})
	for i, run := range s.plan("first", "concat") {
		s.finish(run, 0.81+0.01*float64(i))
	}
	code, body := s.sql(`select variant, avg(value) as mean from results where metric = 'auroc' and grp = '' group by 1 order by 1`)
	if code != http.StatusOK {
		t.Fatal(code, text(body))
	}
	contains(t, "the answer", text(body), "2 rows", "erm 0.82", "md 0.85")
	contains(t, "the chart", body, `class="fill"`)
	answer, file := s.post("/sql.csv", url.Values{"query": {`select variant, value, null as nothing, ',"' as quote from results where metric = 'auroc' and grp = '' order by value limit 2`}})
	if kind := answer.Header.Get("Content-Type"); answer.StatusCode != http.StatusOK || !strings.HasPrefix(kind, "text/csv") {
		t.Fatal(answer.Status, kind)
	}
	rows, err := csv.NewReader(strings.NewReader(file)).ReadAll()
	if err != nil || fmt.Sprint(rows) != `[[variant value nothing quote] [erm 0.81  ,"] [erm 0.8200000000000001  ,"]]` {
		t.Errorf("%v, %v", rows, err)
	}
	code, body = s.sql(`select nothing from runs`)
	if code != http.StatusBadRequest {
		t.Error(code)
	}
	contains(t, "a mistake", text(body), "column \"nothing\" does not exist", "at character 8")
	if code, _ = s.sql("  "); code != http.StatusBadRequest {
		t.Error("an empty query:", code)
	}
}

// The console of a reader shows the sweeps that the reader may see, and no table.
func TestConsole_Reader(t *testing.T) {
	s := open(t, web.Config{})
	for _, run := range s.plan("first", "concat") {
		s.finish(run, 0.8)
	}
	pool := s.store.Pool()
	exec := func(ctx context.Context, sql string) {
		t.Helper()
		if _, err := pool.Exec(ctx, sql); err != nil {
			t.Fatal(err)
		}
	}
	var login string
	if err := pool.QueryRow(t.Context(), `select 'reader_of_' || current_database()`).Scan(&login); err != nil {
		t.Fatal(err)
	}
	exec(t.Context(), `create role `+login+` login in role `+tracker.ReaderRole)
	t.Cleanup(func() { exec(context.Background(), `drop role `+login) })
	store, err := tracker.Open(t.Context(), s.store.DSN(), tracker.WithAnalystDSN(s.store.DSN()+" user="+login))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(store.Close)
	if s.server, err = web.New(web.Config{Store: store, Log: slog.New(slog.DiscardHandler)}); err != nil {
		t.Fatal(err)
	}
	query := `select 'runs: ' || count(*) as n from runs`
	if code, body := s.sql(query); code != http.StatusOK || !strings.Contains(text(body), "runs: 0") {
		t.Errorf("somebody else's sweep: %d\n%s", code, text(body))
	}
	if code, body := s.sql(`select * from run`); code != http.StatusBadRequest || !strings.Contains(text(body), "permission denied") {
		t.Errorf("a table: %d\n%s", code, text(body))
	}
	if err := s.store.AddReader(t.Context(), login); err != nil {
		t.Fatal(err)
	}
	if code, body := s.sql(query); code != http.StatusOK || !strings.Contains(text(body), "runs: 6") {
		t.Errorf("the sweep of an owner who named the reader: %d\n%s", code, text(body))
	}
}

func TestConsole_SavedQueries(t *testing.T) {
	s := open(t, web.Config{})
	for _, run := range s.plan("first", "concat") {
		s.finish(run, 0.8)
	}
	for _, q := range web.SavedQueries() {
		t.Run(q.Name, func(t *testing.T) {
			contains(t, "the page", text(s.get("/sql?saved="+q.Name)), q.Text)
			if code, body := s.sql(q.SQL); code != http.StatusOK {
				t.Errorf("%d\n%s", code, text(body))
			}
		})
	}
}

func TestConsole_Limits(t *testing.T) {
	s := open(t, web.Config{})
	code, body := s.sql(`select generate_series(1, 1000000000)`)
	if code != http.StatusOK {
		t.Fatal(code, text(body))
	}
	contains(t, "a long answer", text(body), fmt.Sprintf("%d rows, and more", web.MaxRows))
	for _, query := range []string{
		`select repeat('x', 20000000)`,
		`select repeat('x', 100000), generate_series(1, 1000000)`,
	} {
		if code, body := s.sql(query); len(body) > 40<<20 {
			t.Errorf("%s: %d with %d bytes", query, code, len(body))
		}
	}
	if answer, body := s.post("/sql.csv", url.Values{"query": {`select generate_series(1, 1000000000)`}}); answer.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("a long file: %s, %d bytes", answer.Status, len(body))
	}
	quick := open(t, web.Config{QueryTimeout: 200 * time.Millisecond})
	for _, query := range []string{`select pg_sleep(600)`, `do $$ begin perform set_config('statement_timeout', '0', false); perform pg_sleep(600); end $$`,
		`with recursive r(i) as (select 1 union all select i + 1 from r) select count(*) from r`} {
		code, body := quick.sql(query)
		if code != http.StatusBadRequest {
			t.Errorf("%s: %d", query, code)
		}
		contains(t, query, text(body), "ended after 200ms, the limit of a query")
	}
	refused := 0
	for range 40 {
		if code, _ := s.sql("select 1"); code == http.StatusTooManyRequests {
			refused++
		}
	}
	if refused < 10 {
		t.Errorf("%d of 40 queries in a row were refused", refused)
	}
}

// What a visitor may try to get out of the console.
func TestConsole_Attacks(t *testing.T) {
	for name, queries := range map[string][]string{
		"end the transaction": {`commit`, `rollback; delete from deconfound.run`, `commit; drop table deconfound.run`, `begin`, `end; select 1`},
		"several statements":  {`select 1; delete from run`, `select 1;;create table a()`, "select 1;\ninsert into sweep (name) values ('x')"},
		"write": {`delete from run`, `update sweep set name = 'x'`, `insert into sweep (name) values ('x')`, `truncate run`, `create table a (b int)`, `create temp table a (b int)`,
			`with x as (delete from run returning 1) select * from x`, `drop view runs`, `alter table run add x int`, `select nextval('sweep_sweep_id_seq')`, `select reserve_runs(1, 1)`,
			`select lo_create(4711)`, `select lo_from_bytea(0, 'x')`, `explain analyze delete from run`, `comment on view runs is 'x'`, `refresh materialized view x`},
		"another role": {`set role postgres`, `set session authorization postgres`, `reset role`, `set role none`, `alter role deconfound_analyst superuser`, `grant deconfound_worker to deconfound_analyst`},
		"let it write": {`set transaction read write`, `set default_transaction_read_only = off`, `set statement_timeout = 0`, `set session characteristics as transaction read write`},
		"files":        {`select pg_read_file('/etc/passwd')`, `select pg_ls_dir('/')`, `select lo_import('/etc/passwd')`, `copy run to '/tmp/deconfound-out'`, `copy (select 1) to program 'touch /tmp/deconfound-out'`, `copy run from program 'id'`, `copy (select 1) to stdout`, `load 'plpgsql'`},
		"code":         {`do $$ begin delete from deconfound.run; commit; end $$`, `do $$ begin execute 'drop table deconfound.run'; end $$`, `create function f() returns int language sql as 'select 1'`, `create extension dblink`, `call x()`, `prepare x as delete from run`, `execute x`},
		"other tables": {`select * from run`, `select * from prediction`, `select * from sweep_revision`, `select * from deconfound.blob`, `select * from pg_authid`, `select * from pg_shadow`, `select rolpassword from pg_authid`},
		"others":       {`select pg_terminate_backend(pid) from pg_stat_activity where usename <> current_user and pid <> pg_backend_pid() and backend_type = 'client backend'`, `select pg_reload_conf()`, `notify deconfound_run`, `listen deconfound_run`, `lock table run`, `vacuum`, `checkpoint`, `cluster`},
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, web.Config{})
			s.finish(s.plan("first", "concat")[0], 0.8)
			before := s.state()
			for _, query := range queries {
				code, body := s.sql(query)
				if code >= http.StatusInternalServerError || code == http.StatusTooManyRequests {
					t.Errorf("%s: %d\n%s", query, code, text(body))
				}
				if after := s.state(); after != before {
					t.Fatalf("%s changed the database: %s, was %s", query, after, before)
				}
				if strings.Contains(body, "root:x:0") {
					t.Errorf("%s reads files", query)
				}
			}
			if code, body := s.sql(`select current_user || ' ' || current_setting('transaction_read_only') || ' ' || current_setting('statement_timeout') || ' ' || count(*) as t from runs`); !strings.Contains(text(body), "deconfound_analyst on 20s 6") {
				t.Errorf("after them: %d\n%s", code, text(body))
			}
		})
	}
	if _, err := os.Stat("/tmp/deconfound-out"); err == nil {
		t.Error("a program ran, or a file was written")
	}
}

// state is all that an attack may want to change.
func (s *site) state() string {
	s.Helper()
	var out string
	const query = `select concat_ws(' ', (select count(*) from run), (select count(*) from result), (select string_agg(name, ',') from sweep), (select last_value from sweep_sweep_id_seq), (select string_agg(b::text, ' ' order by b) from run_block b),
		(select count(*) from pg_class where relpersistence <> 't'), (select count(*) from pg_proc), (select count(*) from pg_largeobject_metadata), (select count(*) from pg_extension),
		(select string_agg(rolname || rolsuper, ',' order by rolname) from pg_roles where rolname like 'deconfound%'), (select count(*) from pg_auth_members),
		obj_description('runs'::regclass))`
	if err := s.store.Pool().QueryRow(s.Context(), query).Scan(&out); err != nil {
		s.Fatal(err)
	}
	return out
}
